//! Who waits for what, and the ring they read from: one lock around both, so that nothing happens between them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ordo_actors::{
    aggregate::Aggregate,
    log::event::{EventEnvelope, Position},
};
use tokio::sync::Notify;

use super::{
    live_event::LiveEvent,
    ring::{Ring, Slice},
    topic::Topic,
};
use crate::order::{CustomerId, Order, OrderId};

/// No event has come since the subscriber looked.
const QUIET: u64 = u64::MAX;

/// How a subscriber is told that there is something for it.
#[derive(Debug)]
pub struct Bell {
    /// Where the first event lies that has come since the subscriber looked: right after this position.
    since: AtomicU64,
    /// Shared by all subscriptions of a connection.
    wake: Arc<Notify>,
}

impl Bell {
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { since: AtomicU64::new(QUIET), wake }
    }

    /// Whether anything has come since the subscriber looked.
    pub fn has_rung(&self) -> bool {
        self.since.load(Ordering::Acquire) != QUIET
    }

    fn ring(&self, position: Position) {
        // Only the first event counts: the others lie behind it.
        let _ = self.since.compare_exchange(QUIET, position.0 - 1, Ordering::AcqRel, Ordering::Acquire);
        self.wake.notify_one();
    }
}

/// A subscriber's place on the board.
#[derive(Debug)]
pub struct Seat {
    pub topic: Topic,
    pub bell: Arc<Bell>,
    /// Everything of its topic after this position comes over the ring.
    pub joined: Position,
}

/// What the ring has for a subscriber.
#[derive(Debug)]
pub enum Look {
    /// These events, up to there.
    Slice(Slice),
    /// The ring does not reach back to its place, which is this.
    Gone(Position),
}

/// The ring and the seats.
pub struct Board {
    ring: Ring,
    /// Every event up to here has been either taken for the ring or passed over because nobody waited for it.
    decided: Position,
    /// The last event of an order that was passed over. After it the ring has every event, for every topic.
    passed_over: Position,
    everything: Vec<Arc<Bell>>,
    orders: HashMap<OrderId, Vec<Arc<Bell>>>,
    customers: HashMap<CustomerId, Vec<Arc<Bell>>>,
    seats: usize,
}

impl Board {
    pub fn new(ring: Ring) -> Self {
        let head = ring.head();
        Self {
            ring,
            decided: head,
            passed_over: head,
            everything: Vec::new(),
            orders: HashMap::new(),
            customers: HashMap::new(),
            seats: 0,
        }
    }

    /// Takes a seat. From here on no event of the topic is passed over.
    pub fn join(&mut self, topic: Topic, wake: Arc<Notify>) -> Seat {
        let bell = Arc::new(Bell::new(wake));
        self.seats += 1;
        match &topic {
            Topic::Orders => self.everything.push(Arc::clone(&bell)),
            Topic::Order(order) => self.orders.entry(*order).or_default().push(Arc::clone(&bell)),
            Topic::Customer(customer) => {
                self.customers.entry(customer.clone()).or_default().push(Arc::clone(&bell));
            }
        }
        Seat { topic, bell, joined: self.decided }
    }

    /// Gives a seat back.
    pub fn leave(&mut self, seat: &Seat) {
        self.seats -= 1;
        match &seat.topic {
            Topic::Orders => remove(&mut self.everything, &seat.bell),
            Topic::Order(order) => {
                if let Some(bells) = self.orders.get_mut(order) {
                    remove(bells, &seat.bell);
                    if bells.is_empty() {
                        self.orders.remove(order);
                    }
                }
            }
            Topic::Customer(customer) => {
                if let Some(bells) = self.customers.get_mut(customer) {
                    remove(bells, &seat.bell);
                    if bells.is_empty() {
                        self.customers.remove(customer);
                    }
                }
            }
        }
    }

    pub fn seats(&self) -> usize {
        self.seats
    }

    /// How far the events have been looked at.
    pub fn decided(&self) -> Position {
        self.decided
    }

    /// How far subscribers can see.
    pub fn head(&self) -> Position {
        self.ring.head()
    }

    /// Picks the events somebody waits for, out of all up to `through`. They are to be published next.
    pub fn decide(&mut self, events: &[Arc<EventEnvelope>], through: Position) -> Vec<Arc<EventEnvelope>> {
        self.decided = self.decided.max(through);
        if self.seats == 0 {
            self.passed_over = self.decided;
            self.ring.advance(self.decided);
            self.ring.clear();
            return Vec::new();
        }
        let all = !self.everything.is_empty() || !self.customers.is_empty();
        let mut wanted = Vec::new();
        for event in events.iter().filter(|event| event.aggregate_type == Order::TYPE) {
            if all || self.orders.contains_key(&event.aggregate_id) {
                wanted.push(Arc::clone(event));
            } else {
                self.passed_over = event.position;
            }
        }
        wanted
    }

    /// Puts events on the ring and rings the bells of those who wait for them.
    pub fn publish(&mut self, events: Vec<Arc<LiveEvent>>, through: Position) {
        for event in events {
            let position = event.position;
            self.everything.iter().for_each(|bell| bell.ring(position));
            self.orders.get(&event.order).into_iter().flatten().for_each(|bell| bell.ring(position));
            let customer = event.customer.as_ref().and_then(|customer| self.customers.get(customer));
            customer.into_iter().flatten().for_each(|bell| bell.ring(position));
            self.ring.push(event);
        }
        self.ring.advance(through);
    }

    /// What comes after a subscriber's place. `drained` says that its last look saw everything up to the ring's head then:
    /// what has come since lies where its bell was rung.
    pub fn look(&self, seat: &Seat, place: Position, drained: bool) -> Look {
        let rung = Position(seat.bell.since.swap(QUIET, Ordering::AcqRel));
        let place = if drained { place.max(rung.min(self.ring.head())) } else { place };
        let complete = place >= seat.joined || place >= self.passed_over;
        if place < self.ring.floor() || !complete {
            return Look::Gone(place);
        }
        Look::Slice(self.ring.read(place, &seat.topic))
    }

    /// How far a drained subscriber has seen that has been sent everything up to `place`.
    pub fn seen(&self, seat: &Seat, place: Position) -> Position {
        place.max(Position(seat.bell.since.load(Ordering::Acquire)).min(self.ring.head()))
    }
}

fn remove(bells: &mut Vec<Arc<Bell>>, bell: &Arc<Bell>) {
    if let Some(place) = bells.iter().position(|other| Arc::ptr_eq(other, bell)) {
        bells.swap_remove(place);
    }
}
