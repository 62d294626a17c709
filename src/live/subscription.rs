//! One subscription: a place in the log that moves forward, from the store or from the ring.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use ordo_actors::log::{
    event::{Epoch, Position},
    store::StoreError,
};
use tokio::sync::Notify;

use super::{
    board::{Look, Seat},
    live_event::LiveEvent,
    live_hub::{LiveHub, Page, Snapshot},
    order_fold::OrderFold,
    topic::Topic,
};

/// What a client asked for.
#[derive(Debug, Clone)]
pub struct Wish {
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
pub enum Update {
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
    Send(Vec<Update>),
    /// Let it read the store: see [`Subscription::begin_read`].
    Read,
    /// Wait: for its bell, or for the read that is under way.
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
    seat: Seat,
    place: Position,
    /// Where the log ended when it was opened: not caught up before that.
    goal: Position,
    phase: Phase,
    wants_snapshot: bool,
    reading: bool,
    prelude: VecDeque<Update>,
    /// Orders folded while it reads the store.
    fold: Option<OrderFold>,
}

/// A read that a subscription needs; it stands on its own, so that others go on meanwhile.
pub struct Read {
    hub: Arc<LiveHub>,
    topic: Topic,
    place: Position,
    phase: Phase,
    fold: Option<OrderFold>,
}

/// What was read.
pub struct Found {
    result: Result<Finding, StoreError>,
    fold: Option<OrderFold>,
}

enum Finding {
    Head(Position),
    Snapshot(Snapshot),
    Page(Page),
}

impl Subscription {
    /// Opens a subscription. `wake` is notified when there may be a step to take.
    #[must_use]
    pub fn open(hub: &Arc<LiveHub>, wish: Wish, wake: Arc<Notify>) -> Self {
        let seat = hub.join(wish.topic, wake);
        // The ring may be a little behind the log.
        let now = seat.joined.max(hub.now());
        let mut subscription = Self {
            hub: Arc::clone(hub),
            seat,
            place: now,
            goal: now,
            phase: Phase::CatchingUp,
            wants_snapshot: wish.snapshot,
            reading: false,
            prelude: VecDeque::new(),
            fold: None,
        };
        match wish.after {
            None => subscription.begin_now(None),
            Some(_) if wish.epoch.is_some_and(|epoch| epoch != hub.epoch()) => {
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
        self.prelude.push_back(Update::Subscribed(after));
    }

    fn begin_now(&mut self, reset: Option<ResetReason>) {
        self.place = self.goal;
        self.prelude.push_back(Update::Subscribed(self.place));
        self.prelude.extend(reset.map(Update::Reset));
        self.phase = if self.wants_snapshot { Phase::Looking } else { Phase::CatchingUp };
    }

    /// Whether [`Self::step`] would do anything but wait.
    #[must_use]
    pub fn has_step(&self) -> bool {
        !self.reading && (self.phase != Phase::Live { drained: true } || self.seat.bell.has_rung())
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

    fn look(&self, drained: bool) -> Look {
        self.hub.board().look(&self.seat, self.place, drained)
    }

    fn catch_up(&mut self) -> Step {
        let Look::Slice(slice) = self.look(false) else { return Step::Read };
        if slice.events.is_empty() && slice.through < self.goal {
            return Step::Read;
        }
        self.fold = None;
        let mut updates: Vec<_> = slice.events.into_iter().map(Update::Event).collect();
        self.place = slice.through;
        if slice.drained && self.place >= self.goal {
            updates.push(Update::CaughtUp(self.place));
            self.phase = Phase::Live { drained: true };
        }
        Step::Send(updates)
    }

    fn follow(&mut self, drained: bool) -> Step {
        match self.look(drained) {
            Look::Slice(slice) => {
                self.place = slice.through;
                self.phase = Phase::Live { drained: slice.drained };
                if slice.events.is_empty() {
                    Step::Wait
                } else {
                    Step::Send(slice.events.into_iter().map(Update::Event).collect())
                }
            }
            Look::Gone(place) => {
                self.hub.metrics().fell_behind.inc();
                self.place = place;
                self.phase = Phase::CatchingUp;
                Step::Send(vec![Update::FellBehind(place)])
            }
        }
    }

    /// Everything of the topic up to here has been sent.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.phase {
            Phase::Live { drained: true } => self.hub.board().seen(&self.seat, self.place),
            _ => self.place,
        }
    }

    /// Begins the read that [`Step::Read`] asked for. Until [`Self::end_read`] there is no step to take.
    pub fn begin_read(&mut self) -> Read {
        self.reading = true;
        Read {
            hub: Arc::clone(&self.hub),
            topic: self.seat.topic.clone(),
            place: self.place,
            phase: self.phase,
            fold: self.fold.take(),
        }
    }

    /// Takes what was read.
    ///
    /// # Errors
    /// The store could not be read. The subscription is of no further use.
    pub fn end_read(&mut self, found: Found) -> Result<Vec<Update>, StoreError> {
        self.reading = false;
        self.fold = found.fold;
        match found.result? {
            Finding::Head(head) if self.place <= head => self.begin_at(self.place),
            Finding::Head(_) => self.begin_now(Some(ResetReason::BeyondEnd)),
            Finding::Snapshot(snapshot) => {
                // What the order has not seen yet comes later than both.
                self.place = self.place.max(snapshot.position);
                self.phase = Phase::CatchingUp;
                return Ok(vec![Update::Snapshot(self.place, snapshot.order)]);
            }
            Finding::Page(page) => {
                self.place = page.through;
                return Ok(page.events.into_iter().map(Update::Event).collect());
            }
        }
        Ok(Vec::new())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.seat);
    }
}

impl Read {
    /// Reads. A store that is away is waited for, a few seconds.
    pub async fn run(mut self) -> Found {
        let result = match (self.phase, &self.topic) {
            (Phase::Checking, _) => self.hub.log_head().await.map(Finding::Head),
            (Phase::Looking, Topic::Order(order)) => self.hub.snapshot(*order).await.map(Finding::Snapshot),
            (_, topic) => self.hub.page(topic, self.place, &mut self.fold).await.map(Finding::Page),
        };
        Found { result, fold: self.fold }
    }
}
