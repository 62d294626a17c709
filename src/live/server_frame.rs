//! What the server says, as JSON text.

use std::collections::VecDeque;

use bytes::Bytes;
use ordo_actors::log::event::{Epoch, Position};

use super::{
    limits::PART_BYTES,
    subscription::{ResetReason, SubscriptionEvent},
};
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

    /// The text of an update: whole, or, when it is long, in parts of at most [`PART_BYTES`] that nobody has to copy.
    pub fn write(&self, update: &SubscriptionEvent) -> VecDeque<Bytes> {
        let id = &self.id;
        match update {
            SubscriptionEvent::Event(event) => join(&format!(r#"{{"type":"event"{id},"#), &event.body, ""),
            SubscriptionEvent::Snapshot(position, order) => {
                join(&format!(r#"{{"type":"snapshot"{id},"position":{position},"order":"#), order, "}")
            }
            SubscriptionEvent::Subscribed(_)
            | SubscriptionEvent::Reset(_)
            | SubscriptionEvent::CaughtUp(_)
            | SubscriptionEvent::FellBehind(_) => VecDeque::from([self.write_short(update).into()]),
        }
    }

    fn write_short(&self, update: &SubscriptionEvent) -> String {
        let Self { id, epoch } = self;
        match update {
            SubscriptionEvent::Event(_) | SubscriptionEvent::Snapshot(..) => String::new(),
            SubscriptionEvent::Subscribed(position) => {
                format!(r#"{{"type":"subscribed"{id},"position":{position},"epoch":"{epoch}"}}"#)
            }
            SubscriptionEvent::Reset(reason) => {
                format!(r#"{{"type":"reset"{id},"reason":"{}"}}"#, reason_code(*reason))
            }
            SubscriptionEvent::CaughtUp(position) => format!(r#"{{"type":"caught_up"{id},"position":{position}}}"#),
            SubscriptionEvent::FellBehind(position) => format!(r#"{{"type":"fell_behind"{id},"position":{position}}}"#),
        }
    }
}

fn join(before: &str, body: &Bytes, after: &'static str) -> VecDeque<Bytes> {
    if body.len() <= PART_BYTES {
        return VecDeque::from([[before.as_bytes(), body, after.as_bytes()].concat().into()]);
    }
    let parts = (0..body.len()).step_by(PART_BYTES).map(|at| body.slice(at..body.len().min(at + PART_BYTES)));
    let end = (!after.is_empty()).then_some(Bytes::from_static(after.as_bytes()));
    std::iter::once(Bytes::from(before.to_owned())).chain(parts).chain(end).collect()
}

/// The name of an update: what its frame has as `type`.
pub fn name(update: &SubscriptionEvent) -> &'static str {
    match update {
        SubscriptionEvent::Event(_) => "event",
        SubscriptionEvent::Subscribed(_) => "subscribed",
        SubscriptionEvent::Reset(_) => "reset",
        SubscriptionEvent::Snapshot(..) => "snapshot",
        SubscriptionEvent::CaughtUp(_) => "caught_up",
        SubscriptionEvent::FellBehind(_) => "fell_behind",
    }
}

/// Where a client that has read this can resume; a reset names no position.
pub fn position(update: &SubscriptionEvent) -> Option<Position> {
    match update {
        SubscriptionEvent::Event(event) => Some(event.position),
        SubscriptionEvent::Subscribed(position)
        | SubscriptionEvent::Snapshot(position, _)
        | SubscriptionEvent::CaughtUp(position)
        | SubscriptionEvent::FellBehind(position) => Some(*position),
        SubscriptionEvent::Reset(_) => None,
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
