//! One subscription as Server-Sent Events. The connection takes what it can send, so a slow client needs no buffer here.

use std::{collections::VecDeque, fmt::Write, sync::Arc};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use ordo_actors::event::Position;
use tokio::{
    sync::{Notify, watch},
    time::Interval,
};

use super::{
    live_hub::{Connection, LiveHub},
    server_frame::{self, FrameWriter},
    socket::heartbeat,
    subscription::{Step, Subscription, Update, Wish},
};
use crate::http::error::Problem;

/// How long a client waits before it connects again, in milliseconds.
const RETRY_MILLIS: u32 = 2_000;

struct EventStream {
    hub: Arc<LiveHub>,
    subscription: Subscription,
    writer: FrameWriter,
    wake: Arc<Notify>,
    draining: watch::Receiver<bool>,
    tick: Interval,
    waiting: VecDeque<Update>,
    request_id: String,
    ended: bool,
    _connection: Connection,
}

/// Opens a subscription and tells it as a stream of blocks, each a whole event. It ends when the server stops, or when the
/// store cannot be read.
pub fn events(
    hub: &Arc<LiveHub>,
    connection: Connection,
    wish: Wish,
    request_id: String,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<> {
    let wake = Arc::new(Notify::new());
    let stream = EventStream {
        subscription: Subscription::open(hub, wish, Arc::clone(&wake)),
        writer: FrameWriter::new(None, hub.epoch()),
        wake,
        draining: hub.draining(),
        tick: heartbeat(hub.limits().heartbeat),
        waiting: VecDeque::new(),
        request_id,
        ended: false,
        hub: Arc::clone(hub),
        _connection: connection,
    };
    unfold(stream, |mut stream| async move { stream.next().await.map(|block| (Ok(block.into()), stream)) })
}

impl EventStream {
    async fn next(&mut self) -> Option<String> {
        while !self.ended && !*self.draining.borrow() {
            if let Some(update) = self.waiting.pop_front() {
                return Some(self.block(&update));
            }
            match self.subscription.step() {
                Step::Send(updates) => self.waiting.extend(updates),
                Step::Read => match self.read().await? {
                    Ok(updates) => self.waiting.extend(updates),
                    Err(problem) => return Some(self.last_word(&problem)),
                },
                Step::Wait => {
                    if let Some(beat) = self.wait().await {
                        return Some(beat);
                    }
                }
            }
        }
        None
    }

    /// Nothing when the server stops meanwhile.
    async fn read(&mut self) -> Option<Result<Vec<Update>, Problem>> {
        let read = self.subscription.begin_read();
        tokio::select! {
            found = read.run() => Some(self.subscription.end_read(found).map_err(Problem::from)),
            _ = self.draining.wait_for(|draining| *draining) => None,
        }
    }

    async fn wait(&mut self) -> Option<String> {
        tokio::select! {
            () = self.wake.notified() => None,
            _ = self.tick.tick() => Some(beat(self.subscription.position())),
            _ = self.draining.wait_for(|draining| *draining) => None,
        }
    }

    fn block(&self, update: &Update) -> String {
        if matches!(update, Update::Event(_)) {
            self.hub.metrics().messages.inc();
        }
        let mut block = String::new();
        // Writing to a string does not fail.
        let _ = match (update, server_frame::position(update)) {
            (Update::Subscribed(_), Some(position)) => {
                write!(block, "retry: {RETRY_MILLIS}\nid: {position}\nevent: hello\n")
            }
            (_, Some(position)) => write!(block, "id: {position}\nevent: {}\n", server_frame::name(update)),
            (_, None) => writeln!(block, "event: {}", server_frame::name(update)),
        };
        block.push_str("data: ");
        block.push_str(&self.writer.write(update));
        block.push_str("\n\n");
        block
    }

    fn last_word(&mut self, problem: &Problem) -> String {
        self.ended = true;
        format!("event: error\ndata: {}\n\n", server_frame::error(None, problem, &self.request_id))
    }
}

/// A comment, and a new place to resume from: a block without data is no event.
fn beat(position: Position) -> String {
    format!(": heartbeat\nid: {position}\n\n")
}
