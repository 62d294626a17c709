//! One WebSocket: many subscriptions, one way out, and a client that may be slow, silent or wrong.

use std::{collections::VecDeque, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use actix_ws::{AggregatedMessage, AggregatedMessageStream, Closed, ProtocolError};
use bytes::Bytes;
use futures_util::future::{OptionFuture, pending};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout, timeout_at},
};

use super::{
    allowance::Allowance,
    client_frame::{BadFrame, ClientFrame},
    close::Close,
    frame_gate::FrameFault,
    limits::{
        BAD_FRAMES, FRAMES_AT_ONCE, FRAMES_PER_SECOND, IDLE_READS_AT_ONCE, IDLE_READS_PER_SECOND, LiveLimits,
        SUBSCRIPTIONS, WAITING_ANSWERS,
    },
    live_hub::{Connection, LiveHub},
    send_queue::{Part, SendPermit, SendQueue},
    server_frame::{self, FrameWriter, PONG},
    subscription::{ReadOutcome, Step, Subscription, SubscriptionEvent},
};
use crate::http::error::{Fault, Problem};

/// How long a client that was told to go has to answer.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a socket ends.
enum End {
    /// The client has gone.
    Gone,
    /// The server closes it.
    Close(Close),
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Gone
    }
}

/// What waits to be sent.
enum Outgoing {
    Text(String),
    /// Written when its turn comes: until then the event is shared with all others.
    Event(Rc<FrameWriter>, SubscriptionEvent),
}

struct Named {
    id: Box<str>,
    writer: Rc<FrameWriter>,
    /// Not the id: that can be given to another subscription while a read for this one is under way.
    number: u64,
    subscription: Subscription,
}

type Reading = Pin<Box<dyn Future<Output = (u64, ReadOutcome)>>>;

struct Socket {
    hub: Arc<LiveHub>,
    request_id: String,
    wake: Arc<Notify>,
    subscriptions: Vec<Named>,
    /// Whose turn it is.
    turn: usize,
    opened: u64,
    outgoing: VecDeque<Outgoing>,
    /// What is left of the text that is being sent, and whether some of it has been.
    sending: VecDeque<Bytes>,
    has_begun: bool,
    reading: Option<Reading>,
    bad_frames: u32,
    /// When something was last taken out of `outgoing`, or first put into it.
    progress: Instant,
    heard: Instant,
    frames: Allowance,
    idle_reads: Allowance,
}

/// Serves a socket until one side has had enough.
pub async fn serve(
    hub: Arc<LiveHub>,
    connection: Connection,
    session: actix_ws::Session,
    mut incoming: AggregatedMessageStream,
    request_id: String,
) {
    let mut queue = SendQueue::new(session);
    let mut socket = Socket::new(Arc::clone(&hub), request_id);
    let end = socket.run(&mut queue, &mut incoming).await;
    drop(socket);
    if let End::Close(close) = end {
        hub.metrics().closed(close.code());
        log::debug!(code = close.code(); "a live connection is closed: {}", close.reason());
        queue.close(close.code(), close.reason()).await;
        let gone = async { while let Some(Ok(_)) = incoming.recv().await {} };
        // It may never answer.
        let _ = timeout(GOODBYE, gone).await;
    }
    drop(connection);
}

impl Socket {
    fn new(hub: Arc<LiveHub>, request_id: String) -> Self {
        Self {
            hub,
            request_id,
            wake: Arc::new(Notify::new()),
            subscriptions: Vec::new(),
            turn: 0,
            opened: 0,
            outgoing: VecDeque::new(),
            sending: VecDeque::new(),
            has_begun: false,
            reading: None,
            bad_frames: 0,
            progress: Instant::now(),
            heard: Instant::now(),
            frames: Allowance::new(FRAMES_AT_ONCE, FRAMES_PER_SECOND),
            idle_reads: Allowance::new(IDLE_READS_AT_ONCE, IDLE_READS_PER_SECOND),
        }
    }

    async fn run(&mut self, queue: &mut SendQueue, incoming: &mut AggregatedMessageStream) -> End {
        let limits = self.hub.limits();
        let mut draining = self.hub.draining();
        let mut tick = heartbeat(limits.heartbeat);
        loop {
            match self.turn(queue, incoming, &mut draining, &mut tick, &limits).await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// Does whatever can be done next.
    async fn turn(
        &mut self,
        queue: &mut SendQueue,
        incoming: &mut AggregatedMessageStream,
        draining: &mut watch::Receiver<bool>,
        tick: &mut Interval,
        limits: &LiveLimits,
    ) -> Result<(), End> {
        self.fill();
        let next = self.next_bytes();
        let sending = next.is_some();
        let size = next.map_or(0, Bytes::len);
        let heard = self.frames.next();
        let listening = self.outgoing.len() < WAITING_ANSWERS;
        let is_loud = !self.frames.has_one();
        let reads = self.idle_reads.next();
        let waits_to_read = !self.idle_reads.has_one();
        tokio::select! {
            permit = timeout_at(self.progress + limits.stall, queue.permit(size)), if sending => {
                let permit = permit.map_err(|_| End::Close(Close::TooSlow))?;
                self.send(queue, permit).await?;
                self.progress = Instant::now();
            }
            Some((number, found)) = OptionFuture::from(self.reading.as_mut()) => self.end_read(number, found),
            message = incoming.recv(), if listening && !is_loud => self.hear(message, queue).await?,
            _ = timeout_at(heard, pending::<()>()), if listening && is_loud => {}
            _ = timeout_at(reads, pending::<()>()), if waits_to_read => {}
            () = self.wake.notified(), if !sending => {}
            now = tick.tick() => self.beat(now, queue, limits).await?,
            // An error means that the hub has gone, which cannot be: the socket holds it.
            _ = draining.wait_for(|draining| *draining) => return Err(End::Close(Close::Draining)),
        }
        Ok(())
    }

    /// The next bytes to send, written if they have not been.
    fn next_bytes(&mut self) -> Option<&Bytes> {
        if self.sending.is_empty() {
            self.has_begun = false;
            self.sending = match self.outgoing.pop_front()? {
                Outgoing::Text(text) => VecDeque::from([text.into()]),
                Outgoing::Event(writer, update) => {
                    if matches!(update, SubscriptionEvent::Event(_)) {
                        self.hub.metrics().messages.inc();
                    }
                    writer.write(&update)
                }
            };
        }
        self.sending.front()
    }

    async fn send(&mut self, queue: &mut SendQueue, permit: SendPermit) -> Result<(), Closed> {
        let Some(bytes) = self.sending.pop_front() else { return Ok(()) };
        let part = match (self.has_begun, self.sending.is_empty()) {
            (false, true) => Part::Whole,
            (false, false) => Part::First,
            (true, false) => Part::Middle,
            (true, true) => Part::Last,
        };
        self.has_begun = true;
        queue.send(bytes, part, permit).await
    }

    /// Whether nothing waits to be sent.
    fn is_quiet(&self) -> bool {
        self.outgoing.is_empty() && self.sending.is_empty()
    }

    /// Lets the subscriptions take steps, in turn, until there is something to send.
    fn fill(&mut self) {
        if !self.is_quiet() {
            return;
        }
        for _ in 0..self.subscriptions.len() {
            self.turn = (self.turn + 1) % self.subscriptions.len();
            let named = &mut self.subscriptions[self.turn];
            if !named.subscription.has_step() {
                continue;
            }
            match named.subscription.step() {
                Step::Send(updates) => {
                    let writer = &named.writer;
                    self.outgoing.extend(updates.into_iter().map(|update| Outgoing::Event(Rc::clone(writer), update)));
                    self.progress = Instant::now();
                    return;
                }
                Step::Read if self.reading.is_none() && self.idle_reads.has_one() => {
                    let (number, read) = (named.number, named.subscription.begin_read());
                    self.reading = Some(Box::pin(async move { (number, read.run().await) }));
                }
                Step::Read | Step::Wait => {}
            }
        }
    }

    fn end_read(&mut self, number: u64, found: ReadOutcome) {
        self.reading = None;
        // It may have been given up meanwhile.
        let Some(place) = self.subscriptions.iter().position(|named| named.number == number) else { return };
        let named = &mut self.subscriptions[place];
        match named.subscription.end_read(found) {
            Ok(updates) => {
                if updates.is_empty() {
                    self.idle_reads.take();
                }
                for update in updates {
                    let writer = Rc::clone(&self.subscriptions[place].writer);
                    self.say(Outgoing::Event(writer, update));
                }
            }
            Err(error) => {
                let named = self.subscriptions.swap_remove(place);
                self.complain(Some(&named.id), &Problem::from(error));
            }
        }
    }

    fn say(&mut self, outgoing: Outgoing) {
        if self.is_quiet() {
            self.progress = Instant::now();
        }
        self.outgoing.push_back(outgoing);
    }

    fn complain(&mut self, id: Option<&str>, problem: &Problem) {
        let frame = server_frame::error(id, problem, &self.request_id);
        self.say(Outgoing::Text(frame));
    }

    async fn hear(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
        queue: &mut SendQueue,
    ) -> Result<(), End> {
        self.heard = Instant::now();
        self.frames.take();
        match message {
            None | Some(Ok(AggregatedMessage::Close(_))) => Err(End::Gone),
            Some(Ok(AggregatedMessage::Text(text))) => self.obey(&text),
            Some(Ok(AggregatedMessage::Ping(sent))) => Ok(queue.pong(sent).await?),
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Binary(_))) => broken(1003, "frames are JSON text"),
            Some(Err(ProtocolError::Overflow)) => broken(1009, "the frame is too large"),
            Some(Err(ProtocolError::Io(error))) => match FrameFault::find(&error) {
                Some(FrameFault::TooLarge) => broken(1009, "the frame is too large"),
                Some(FrameFault::Malformed) => broken(1002, "the frame breaks the WebSocket protocol"),
                None if error.kind() == std::io::ErrorKind::InvalidData => broken(1007, "the text is not UTF-8"),
                None => Err(End::Gone),
            },
            Some(Err(_)) => broken(1002, "the frame breaks the WebSocket protocol"),
        }
    }

    fn obey(&mut self, text: &str) -> Result<(), End> {
        match ClientFrame::read(text) {
            Ok(ClientFrame::Ping) => self.say(Outgoing::Text(PONG.to_owned())),
            Ok(ClientFrame::Unsubscribe { id }) => match self.find(&id) {
                Some(place) => self.forget(place),
                None => self.complain(Some(&id), &Problem::not_found("there is no subscription of this id")),
            },
            Ok(ClientFrame::Subscribe { id, .. }) if self.find(&id).is_some() => {
                let detail = "is the name of another subscription of this socket".to_owned();
                self.complain(Some(&id), &Problem::validation(&[Fault { pointer: "/id".into(), detail }]));
            }
            Ok(ClientFrame::Subscribe { .. }) if self.subscriptions.len() == SUBSCRIPTIONS => {
                return Err(End::Close(Close::TooManySubscriptions));
            }
            Ok(ClientFrame::Subscribe { id, request }) => {
                self.opened += 1;
                self.subscriptions.push(Named {
                    writer: Rc::new(FrameWriter::new(Some(&id), self.hub.epoch())),
                    id: id.into(),
                    number: self.opened,
                    subscription: Subscription::open(&self.hub, request, Arc::clone(&self.wake)),
                });
            }
            Err(BadFrame { id, problem }) => {
                self.complain(id.as_deref(), &problem);
                self.bad_frames += 1;
                if self.bad_frames == BAD_FRAMES {
                    return bad("too many frames that cannot be read");
                }
            }
        }
        Ok(())
    }

    /// Ends a subscription. Of what it had to say, only what is on its way already still arrives.
    fn forget(&mut self, place: usize) {
        let gone = self.subscriptions.swap_remove(place).writer;
        self.outgoing.retain(|outgoing| !matches!(outgoing, Outgoing::Event(writer, _) if Rc::ptr_eq(writer, &gone)));
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.subscriptions.iter().position(|named| &*named.id == id)
    }

    /// Asks for a sign of life, and tells how far everything has been sent.
    async fn beat(&mut self, now: Instant, queue: &mut SendQueue, limits: &LiveLimits) -> Result<(), End> {
        // A client that we do not listen to, or that has much to read, is judged by what it takes.
        if self.is_quiet() && now.duration_since(self.heard) > 2 * limits.heartbeat {
            return Err(End::Close(Close::NoPong));
        }
        queue.ping().await?;
        if self.is_quiet() {
            let positions = self.subscriptions.iter().map(|named| named.subscription.position());
            let position = positions.min().unwrap_or_else(|| self.hub.position());
            self.say(Outgoing::Text(server_frame::heartbeat(position)));
        }
        Ok(())
    }
}

fn broken(code: u16, reason: &'static str) -> Result<(), End> {
    Err(End::Close(Close::Protocol(code, reason)))
}

fn bad(reason: &'static str) -> Result<(), End> {
    Err(End::Close(Close::BadRequest(reason)))
}

/// The first beat comes after a whole interval.
pub fn heartbeat(every: Duration) -> Interval {
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
