//! One subscription as Server-Sent Events. The connection takes what it can send, so a slow client needs no buffer here.

use std::{collections::VecDeque, fmt::Write, sync::Arc};

use bytes::Bytes;
use futures_util::{
    future::pending,
    stream::{Stream, unfold},
};
use ordo_actors::log::event::Position;
use tokio::{
    sync::{Notify, watch},
    time::{Interval, timeout_at},
};

use super::{
    allowance::Allowance,
    limits::{IDLE_READS_AT_ONCE, IDLE_READS_PER_SECOND},
    live_hub::{Connection, LiveHub},
    server_frame::{self, FrameWriter},
    socket::heartbeat,
    subscription::{Step, SubscribeRequest, Subscription, SubscriptionEvent},
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
    idle_reads: Allowance,
    waiting: VecDeque<SubscriptionEvent>,
    /// What is left of the block that is being sent.
    sending: VecDeque<Bytes>,
    request_id: String,
    ended: bool,
    _connection: Connection,
}

/// Opens a subscription and tells it as a stream of blocks, each a whole event. It ends when the server stops, or when the
/// store cannot be read.
pub fn events(
    hub: &Arc<LiveHub>,
    connection: Connection,
    request: SubscribeRequest,
    request_id: String,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<> {
    let wake = Arc::new(Notify::new());
    let stream = EventStream {
        subscription: Subscription::open(hub, request, Arc::clone(&wake)),
        writer: FrameWriter::new(None, hub.epoch()),
        wake,
        draining: hub.draining(),
        tick: heartbeat(hub.limits().heartbeat),
        idle_reads: Allowance::new(IDLE_READS_AT_ONCE, IDLE_READS_PER_SECOND),
        waiting: VecDeque::new(),
        sending: VecDeque::new(),
        request_id,
        ended: false,
        hub: Arc::clone(hub),
        _connection: connection,
    };
    unfold(stream, |mut stream| async move { stream.next().await.map(|bytes| (Ok(bytes), stream)) })
}

impl EventStream {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.sending.pop_front() {
                return Some(bytes);
            }
            self.sending = self.next_block().await?;
        }
    }

    async fn next_block(&mut self) -> Option<VecDeque<Bytes>> {
        while !self.ended && !*self.draining.borrow() {
            if let Some(update) = self.waiting.pop_front() {
                return Some(self.block(&update));
            }
            match self.subscription.step() {
                Step::Send(updates) => self.waiting.extend(updates),
                Step::Read => match self.read().await? {
                    Ok(updates) => self.waiting.extend(updates),
                    Err(problem) => return Some(VecDeque::from([self.last_word(&problem).into()])),
                },
                Step::Wait => {
                    if let Some(beat) = self.wait().await {
                        return Some(VecDeque::from([beat.into()]));
                    }
                }
            }
        }
        None
    }

    /// Nothing when the server stops meanwhile.
    async fn read(&mut self) -> Option<Result<Vec<SubscriptionEvent>, Problem>> {
        let read = self.subscription.begin_read();
        let allowed = self.idle_reads.next();
        let run = async {
            // A time that is past does not wait.
            let _ = timeout_at(allowed, pending::<()>()).await;
            read.run().await
        };
        tokio::select! {
            found = run => {
                let updates = self.subscription.end_read(found).map_err(Problem::from);
                if updates.as_ref().is_ok_and(Vec::is_empty) {
                    self.idle_reads.take();
                }
                Some(updates)
            }
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

    fn block(&self, update: &SubscriptionEvent) -> VecDeque<Bytes> {
        if matches!(update, SubscriptionEvent::Event(_)) {
            self.hub.metrics().messages.inc();
        }
        let mut block = String::new();
        // Writing to a string does not fail.
        let _ = match (update, server_frame::position(update)) {
            (SubscriptionEvent::Subscribed(_), Some(position)) => {
                write!(block, "retry: {RETRY_MILLIS}\nid: {position}\nevent: hello\n")
            }
            (_, Some(position)) => write!(block, "id: {position}\nevent: {}\n", server_frame::name(update)),
            (_, None) => writeln!(block, "event: {}", server_frame::name(update)),
        };
        block.push_str("data: ");
        let mut data = self.writer.write(update);
        if let [short] = data.make_contiguous() {
            *short = [block.as_bytes(), short, b"\n\n"].concat().into();
        } else {
            data.push_front(block.into());
            data.push_back(Bytes::from_static(b"\n\n"));
        }
        data
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
