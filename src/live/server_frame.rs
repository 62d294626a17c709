//! What the server says, as JSON text.

use ordo_actors::event::{Epoch, Position};

use super::subscription::{ResetReason, Update};
use crate::http::error::Problem;

/// Writes the frames of one subscription. Over SSE there is only one, and it has no id.
#[derive(Debug, Clone)]
pub struct FrameWriter {
    /// `,"id":"a"`, or nothing.
    id: Box<str>,
    epoch: Epoch,
}

impl FrameWriter {
    pub fn new(id: Option<&str>, epoch: Epoch) -> Self {
        Self { id: id_member(id).into(), epoch }
    }

    /// The frame of an update.
    pub fn write(&self, update: &Update) -> String {
        let Self { id, epoch } = self;
        match update {
            Update::Event(event) => {
                let mut frame = String::with_capacity(20 + id.len() + event.body.len());
                frame.push_str("{\"type\":\"event\"");
                frame.push_str(id);
                frame.push(',');
                frame.push_str(&event.body);
                frame
            }
            Update::Subscribed(position) => {
                format!(r#"{{"type":"subscribed"{id},"position":{position},"epoch":"{epoch}"}}"#)
            }
            Update::Reset(reason) => format!(r#"{{"type":"reset"{id},"reason":"{}"}}"#, reason_code(*reason)),
            Update::Snapshot(position, order) => {
                format!(r#"{{"type":"snapshot"{id},"position":{position},"order":{order}}}"#)
            }
            Update::CaughtUp(position) => format!(r#"{{"type":"caught_up"{id},"position":{position}}}"#),
            Update::FellBehind(position) => format!(r#"{{"type":"fell_behind"{id},"position":{position}}}"#),
        }
    }
}

/// The name of an update: what its frame has as `type`.
pub fn name(update: &Update) -> &'static str {
    match update {
        Update::Event(_) => "event",
        Update::Subscribed(_) => "subscribed",
        Update::Reset(_) => "reset",
        Update::Snapshot(..) => "snapshot",
        Update::CaughtUp(_) => "caught_up",
        Update::FellBehind(_) => "fell_behind",
    }
}

/// Where a client that has read this can resume; a reset names no position.
pub fn position(update: &Update) -> Option<Position> {
    match update {
        Update::Event(event) => Some(event.position),
        Update::Subscribed(position)
        | Update::Snapshot(position, _)
        | Update::CaughtUp(position)
        | Update::FellBehind(position) => Some(*position),
        Update::Reset(_) => None,
    }
}

fn reason_code(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::OtherEpoch => "other-epoch",
        ResetReason::BeyondEnd => "beyond-end",
    }
}

/// The answer to a ping.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// Everything the socket subscribed to has been sent up to here.
pub fn heartbeat(position: Position) -> String {
    format!(r#"{{"type":"heartbeat","position":{position}}}"#)
}

/// A frame of the client could not be followed.
pub fn error(id: Option<&str>, problem: &Problem, request_id: &str) -> String {
    format!(r#"{{"type":"error"{},"problem":{}}}"#, id_member(id), problem.body(request_id))
}

fn id_member(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!(r#","id":{}"#, serde_json::Value::from(id)))
}
