//! The subscribers by topic, and the ring they read from: one lock around both, so that nothing happens between them.

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

/// Tells a subscriber that there is something for it.
#[derive(Debug)]
pub struct WakeFlag {
    /// Where the first event lies that has come since the subscriber looked: right after this position.
    since: AtomicU64,
    /// Shared by all subscriptions of a connection.
    wake: Arc<Notify>,
}

impl WakeFlag {
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { since: AtomicU64::new(QUIET), wake }
    }

    /// Whether anything has come since the subscriber looked.
    pub fn is_set(&self) -> bool {
        self.since.load(Ordering::Acquire) != QUIET
    }

    fn set(&self, position: Position) {
        // Only the first event counts: the others lie behind it.
        let _ = self.since.compare_exchange(QUIET, position.0 - 1, Ordering::AcqRel, Ordering::Acquire);
        self.wake.notify_one();
    }
}

/// A subscriber in the index of topics.
#[derive(Debug)]
pub struct Registration {
    pub topic: Topic,
    pub flag: Arc<WakeFlag>,
    /// Everything of its topic after this position comes over the ring.
    pub joined: Position,
}

/// What the ring has for a subscriber.
#[derive(Debug)]
pub enum RingRead {
    /// These events, up to there.
    Slice(Slice),
    /// The ring does not reach back to its place, which is this.
    Gone(Position),
}

/// The ring and the index of subscribers.
pub struct HubState {
    ring: Ring,
    /// Every event up to here has been either taken for the ring or passed over because nobody waited for it.
    selected: Position,
    /// The last event of an order that was passed over. After it the ring has every event, for every topic.
    passed_over: Position,
    everything: Vec<Arc<WakeFlag>>,
    orders: HashMap<OrderId, Vec<Arc<WakeFlag>>>,
    customers: HashMap<CustomerId, Vec<Arc<WakeFlag>>>,
    registered: usize,
}

impl HubState {
    pub fn new(ring: Ring) -> Self {
        let head = ring.head();
        Self {
            ring,
            selected: head,
            passed_over: head,
            everything: Vec::new(),
            orders: HashMap::new(),
            customers: HashMap::new(),
            registered: 0,
        }
    }

    /// Registers a subscriber. From here on no event of the topic is passed over.
    pub fn join(&mut self, topic: Topic, wake: Arc<Notify>) -> Registration {
        let flag = Arc::new(WakeFlag::new(wake));
        self.registered += 1;
        match &topic {
            Topic::Orders => self.everything.push(Arc::clone(&flag)),
            Topic::Order(order) => self.orders.entry(*order).or_default().push(Arc::clone(&flag)),
            Topic::Customer(customer) => {
                self.customers.entry(customer.clone()).or_default().push(Arc::clone(&flag));
            }
        }
        Registration { topic, flag, joined: self.selected }
    }

    /// Takes a registration out again.
    pub fn leave(&mut self, registration: &Registration) {
        self.registered -= 1;
        match &registration.topic {
            Topic::Orders => remove(&mut self.everything, &registration.flag),
            Topic::Order(order) => {
                if let Some(flags) = self.orders.get_mut(order) {
                    remove(flags, &registration.flag);
                    if flags.is_empty() {
                        self.orders.remove(order);
                    }
                }
            }
            Topic::Customer(customer) => {
                if let Some(flags) = self.customers.get_mut(customer) {
                    remove(flags, &registration.flag);
                    if flags.is_empty() {
                        self.customers.remove(customer);
                    }
                }
            }
        }
    }

    /// How many subscribers are registered.
    pub fn registered(&self) -> usize {
        self.registered
    }

    /// How far the events have been looked at.
    pub fn selected(&self) -> Position {
        self.selected
    }

    /// How far subscribers can see.
    pub fn head(&self) -> Position {
        self.ring.head()
    }

    /// Selects the events that have subscribers, out of all up to `through`. They are to be published next.
    pub fn select(&mut self, events: &[Arc<EventEnvelope>], through: Position) -> Vec<Arc<EventEnvelope>> {
        self.selected = self.selected.max(through);
        if self.registered == 0 {
            self.passed_over = self.selected;
            self.ring.advance(self.selected);
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

    /// Puts events on the ring and sets the flags of their subscribers.
    pub fn publish(&mut self, events: Vec<Arc<LiveEvent>>, through: Position) {
        for event in events {
            let position = event.position;
            self.everything.iter().for_each(|flag| flag.set(position));
            self.orders.get(&event.order).into_iter().flatten().for_each(|flag| flag.set(position));
            let customer = event.customer.as_ref().and_then(|customer| self.customers.get(customer));
            customer.into_iter().flatten().for_each(|flag| flag.set(position));
            self.ring.push(event);
        }
        self.ring.advance(through);
    }

    /// What comes after a subscriber's place. `drained` says that its last look saw everything up to the ring's head then:
    /// what has come since lies where its flag was set.
    pub fn read(&self, registration: &Registration, place: Position, drained: bool) -> RingRead {
        let since = Position(registration.flag.since.swap(QUIET, Ordering::AcqRel));
        let place = if drained { place.max(since.min(self.ring.head())) } else { place };
        let complete = place >= registration.joined || place >= self.passed_over;
        if place < self.ring.floor() || !complete {
            return RingRead::Gone(place);
        }
        RingRead::Slice(self.ring.read(place, &registration.topic))
    }

    /// How far a drained subscriber has seen that has been sent everything up to `place`.
    pub fn seen(&self, registration: &Registration, place: Position) -> Position {
        place.max(Position(registration.flag.since.load(Ordering::Acquire)).min(self.ring.head()))
    }
}

fn remove(flags: &mut Vec<Arc<WakeFlag>>, flag: &Arc<WakeFlag>) {
    if let Some(place) = flags.iter().position(|other| Arc::ptr_eq(other, flag)) {
        flags.swap_remove(place);
    }
}
