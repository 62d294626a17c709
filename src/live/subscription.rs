//! One subscription: a place in the log that moves forward, from the store or from the ring.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use ordo_actors::log::{
    event::{Epoch, Position},
    store::StoreError,
};
use tokio::sync::Notify;

use super::{
    hub_state::{Registration, RingRead},
    live_event::LiveEvent,
    live_hub::{LiveHub, Page, Snapshot},
    topic::Topic,
};

/// What a client asked for.
#[derive(Debug, Clone)]
pub struct SubscribeRequest {
    /// Which events.
    pub topic: Topic,
    /// Everything after this position; from now on when absent.
    pub after: Option<Position>,
    /// The log that `after` belongs to; not checked when absent.
    pub epoch: Option<Epoch>,
    /// The order as it is now comes first, unless there is a place to resume from.
    pub snapshot: bool,
}

/// Why a subscription does not continue where the client was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// The position belongs to another log.
    OtherEpoch,
    /// The log ends before the position: it is another log, or was restored from a backup.
    BeyondEnd,
}

/// What a subscriber hears.
#[derive(Debug, Clone)]
pub enum SubscriptionEvent {
    /// Everything after this position follows.
    Subscribed(Position),
    /// Forget what you know: what follows is another log, from now on.
    Reset(ResetReason),
    /// The order as it is at this position, JSON.
    Snapshot(Position, Bytes),
    /// Something happened.
    Event(Arc<LiveEvent>),
    /// Everything up to here has been sent; what follows is live.
    CaughtUp(Position),
    /// Was too slow: what comes after this position follows from the store.
    FellBehind(Position),
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// Send these.
    Send(Vec<SubscriptionEvent>),
    /// Let it read the store: see [`Subscription::begin_read`].
    Read,
    /// Wait: for its flag, or for the read that is under way.
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Is the place within the log?
    Checking,
    /// The order as it is now is to be read.
    Looking,
    /// Reads the store, or the ring for the first time.
    CatchingUp,
    /// Reads the ring.
    Live {
        /// Its last look saw everything up to the ring's head.
        drained: bool,
    },
}

/// A subscription. It holds no events; between two steps it is a few words.
pub struct Subscription {
    hub: Arc<LiveHub>,
    registration: Registration,
    place: Position,
    /// Where the log ended when it was opened: not caught up before that.
    goal: Position,
    phase: Phase,
    wants_snapshot: bool,
    reading: bool,
    prelude: VecDeque<SubscriptionEvent>,
}

/// A read that a subscription needs; it stands on its own, so that others go on meanwhile.
pub struct Read {
    hub: Arc<LiveHub>,
    topic: Topic,
    place: Position,
    phase: Phase,
}

/// What was read.
pub struct ReadOutcome(Result<ReadResult, StoreError>);

enum ReadResult {
    Head(Position),
    Snapshot(Snapshot),
    Page(Page),
}

impl Subscription {
    /// Opens a subscription. `wake` is notified when there may be a step to take.
    #[must_use]
    pub fn open(hub: &Arc<LiveHub>, request: SubscribeRequest, wake: Arc<Notify>) -> Self {
        let registration = hub.join(request.topic, wake);
        // The ring may be a little behind the log.
        let now = registration.joined.max(hub.now());
        let mut subscription = Self {
            hub: Arc::clone(hub),
            registration,
            place: now,
            goal: now,
            phase: Phase::CatchingUp,
            wants_snapshot: request.snapshot,
            reading: false,
            prelude: VecDeque::new(),
        };
        match request.after {
            None => subscription.begin_now(None),
            Some(_) if request.epoch.is_some_and(|epoch| epoch != hub.epoch()) => {
                subscription.begin_now(Some(ResetReason::OtherEpoch));
            }
            Some(after) if after <= now => subscription.begin_at(after),
            Some(after) => {
                subscription.place = after;
                subscription.phase = Phase::Checking;
            }
        }
        subscription
    }

    fn begin_at(&mut self, after: Position) {
        self.place = after;
        self.phase = Phase::CatchingUp;
        self.prelude.push_back(SubscriptionEvent::Subscribed(after));
    }

    fn begin_now(&mut self, reset: Option<ResetReason>) {
        self.place = self.goal;
        self.prelude.push_back(SubscriptionEvent::Subscribed(self.place));
        self.prelude.extend(reset.map(SubscriptionEvent::Reset));
        self.phase = if self.wants_snapshot { Phase::Looking } else { Phase::CatchingUp };
    }

    /// Whether [`Self::step`] would do anything but wait.
    #[must_use]
    pub fn has_step(&self) -> bool {
        !self.reading && (self.phase != Phase::Live { drained: true } || self.registration.flag.is_set())
    }

    /// Takes a step. What it says to send counts as sent.
    pub fn step(&mut self) -> Step {
        if self.reading {
            return Step::Wait;
        }
        if !self.prelude.is_empty() {
            return Step::Send(self.prelude.drain(..).collect());
        }
        match self.phase {
            Phase::Checking | Phase::Looking => Step::Read,
            Phase::CatchingUp => self.catch_up(),
            Phase::Live { drained } => self.follow(drained),
        }
    }

    fn look(&self, drained: bool) -> RingRead {
        self.hub.state().read(&self.registration, self.place, drained)
    }

    fn catch_up(&mut self) -> Step {
        let RingRead::Slice(slice) = self.look(false) else { return Step::Read };
        if slice.events.is_empty() && slice.through < self.goal {
            return Step::Read;
        }
        let mut updates: Vec<_> = slice.events.into_iter().map(SubscriptionEvent::Event).collect();
        self.place = slice.through;
        if slice.drained && self.place >= self.goal {
            updates.push(SubscriptionEvent::CaughtUp(self.place));
            self.phase = Phase::Live { drained: true };
        }
        Step::Send(updates)
    }

    fn follow(&mut self, drained: bool) -> Step {
        match self.look(drained) {
            RingRead::Slice(slice) => {
                self.place = slice.through;
                self.phase = Phase::Live { drained: slice.drained };
                if slice.events.is_empty() {
                    Step::Wait
                } else {
                    Step::Send(slice.events.into_iter().map(SubscriptionEvent::Event).collect())
                }
            }
            RingRead::Gone(place) => {
                self.hub.metrics().fell_behind.inc();
                self.place = place;
                self.phase = Phase::CatchingUp;
                Step::Send(vec![SubscriptionEvent::FellBehind(place)])
            }
        }
    }

    /// Everything of the topic up to here has been sent.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.phase {
            Phase::Live { drained: true } => self.hub.state().seen(&self.registration, self.place),
            _ => self.place,
        }
    }

    /// Begins the read that [`Step::Read`] asked for. Until [`Self::end_read`] there is no step to take.
    pub fn begin_read(&mut self) -> Read {
        self.reading = true;
        Read {
            hub: Arc::clone(&self.hub),
            topic: self.registration.topic.clone(),
            place: self.place,
            phase: self.phase,
        }
    }

    /// Takes what was read.
    ///
    /// # Errors
    /// The store could not be read. The subscription is of no further use.
    pub fn end_read(&mut self, found: ReadOutcome) -> Result<Vec<SubscriptionEvent>, StoreError> {
        self.reading = false;
        match found.0? {
            ReadResult::Head(head) if self.place <= head => self.begin_at(self.place),
            ReadResult::Head(_) => self.begin_now(Some(ResetReason::BeyondEnd)),
            ReadResult::Snapshot(snapshot) => {
                // What the order has not seen yet comes later than both.
                self.place = self.place.max(snapshot.position);
                self.phase = Phase::CatchingUp;
                return Ok(vec![SubscriptionEvent::Snapshot(self.place, snapshot.order)]);
            }
            ReadResult::Page(page) => {
                self.place = page.through;
                return Ok(page.events.into_iter().map(SubscriptionEvent::Event).collect());
            }
        }
        Ok(Vec::new())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.registration);
    }
}

impl Read {
    /// Reads. A store that is away is waited for, a few seconds.
    pub async fn run(self) -> ReadOutcome {
        let result = match (self.phase, &self.topic) {
            (Phase::Checking, _) => self.hub.log_head().await.map(ReadResult::Head),
            (Phase::Looking, Topic::Order(order)) => self.hub.snapshot(*order).await.map(ReadResult::Snapshot),
            (_, topic) => self.hub.page(topic, self.place).await.map(ReadResult::Page),
        };
        ReadOutcome(result)
    }
}
