//! A log, the live side of it and subscribers, without a network.

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        request::{CommandOutcome, Request, always},
    },
    log::{
        event::{EventEnvelope, Name, Position, StreamId},
        store::{EventStore, ExpectedVersion, LogQuery, NewEvent, StreamWrite},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use serde_json::value::RawValue;
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use super::{
    limits::LiveLimits,
    live_hub::LiveHub,
    live_metrics::LiveMetrics,
    subscription::{Step, SubscribeRequest, Subscription, SubscriptionEvent},
    topic::Topic,
};
use crate::{
    application::{Core, Stores},
    order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand, OrderId},
};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A log, the orders on it, and the live side.
pub struct World {
    pub core: Core,
    pub hub: Arc<LiveHub>,
}

impl World {
    pub async fn new() -> Self {
        Self::with_ring(LiveLimits::default().ring_events).await
    }

    pub async fn with_ring(ring_events: usize) -> Self {
        Self::on(Arc::new(MemoryStore::new()), ring_events).await
    }

    pub async fn on(store: Arc<dyn EventStore>, ring_events: usize) -> Self {
        let stores = Stores { log: store, rows: Arc::new(MemoryRows::new()) };
        let core = Core::start(stores, Lifespan::default(), vec![Arbiter::current()]).await.unwrap();
        let limits = LiveLimits { ring_events, ..LiveLimits::default() };
        let hub = LiveHub::start(
            Arc::clone(&core.store),
            &core.feed,
            Arc::clone(&core.states.orders),
            limits,
            LiveMetrics::unregistered(),
        )
        .await
        .unwrap();
        Self { core, hub }
    }

    /// Places an order of one item: two events.
    pub async fn place(&self, customer: &str) -> OrderId {
        self.place_alongside(customer, Vec::new()).await
    }

    pub async fn place_alongside(&self, customer: &str, alongside: Vec<StreamWrite>) -> OrderId {
        let order = StreamId::generate();
        let create = CreateOrder {
            customer_id: CustomerId::new(customer).unwrap(),
            currency: Currency::new("EUR").unwrap(),
            placed_at: None,
            items: vec![NewItem::new("widget", "Widget", 2, 1000).unwrap()],
            most_lines: MAX_LINES,
        };
        let request = Request {
            extra_writes: Some(always(alongside)),
            ..Request::execute(OrderCommand::CreateOrder(create), |_: &CommandOutcome<'_, Order>| ())
        };
        self.core.orders.ask(order, request).await.unwrap();
        order
    }

    /// One more event.
    pub async fn submit(&self, order: OrderId) {
        let request = Request::execute(OrderCommand::SubmitOrder, |_: &CommandOutcome<'_, Order>| ());
        self.core.orders.ask(order, request).await.unwrap();
    }

    pub fn subscribe(&self, request: SubscribeRequest) -> Subscriber {
        let wake = Arc::new(Notify::new());
        Subscriber { subscription: Subscription::open(&self.hub, request, Arc::clone(&wake)), wake, heard: Vec::new() }
    }

    pub fn subscribe_from_start(&self, topic: Topic) -> Subscriber {
        self.subscribe(SubscribeRequest { after: Some(Position::START), ..request(topic) })
    }

    pub async fn log(&self) -> Vec<Arc<EventEnvelope>> {
        self.core.store.read_all(&LogQuery::after(Position::START, 10_000)).await.unwrap().into_events()
    }

    /// Waits until subscribers can see the whole log.
    pub async fn visible(&self) {
        let head = self.core.store.head().await.unwrap().position;
        let all = async {
            while self.hub.position() < head {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, all).await.unwrap();
    }
}

pub fn request(topic: Topic) -> SubscribeRequest {
    SubscribeRequest { topic, after: None, epoch: None, snapshot: false }
}

pub struct Subscriber {
    pub subscription: Subscription,
    pub wake: Arc<Notify>,
    pub heard: Vec<SubscriptionEvent>,
}

impl Subscriber {
    /// Takes one step; false when there was none to take.
    pub async fn step(&mut self) -> bool {
        match self.subscription.step() {
            Step::Send(updates) => self.heard.extend(updates),
            Step::Read => {
                let found = self.subscription.begin_read().run().await;
                self.heard.extend(self.subscription.end_read(found).unwrap());
            }
            Step::Wait => return false,
        }
        true
    }

    pub async fn until(&mut self, mut enough: impl FnMut(&[SubscriptionEvent]) -> bool) -> &[SubscriptionEvent] {
        let heard = async {
            while !enough(&self.heard) {
                if !self.step().await {
                    self.wake.notified().await;
                }
            }
        };
        // What was heard says more than that it took too long.
        let _ = timeout(PATIENCE, heard).await;
        assert!(enough(&self.heard), "{}", self.story());
        &self.heard
    }

    pub async fn until_position(&mut self, position: Position) {
        self.until(|heard| {
            heard.iter().any(|update| matches!(update, SubscriptionEvent::Event(event) if event.position == position))
        })
        .await;
    }

    pub async fn until_caught_up(&mut self) {
        self.until(|heard| matches!(heard.last(), Some(SubscriptionEvent::CaughtUp(_)))).await;
    }

    pub fn positions(&self) -> Vec<u64> {
        let position = |update: &SubscriptionEvent| {
            if let SubscriptionEvent::Event(event) = update { Some(event.position.0) } else { None }
        };
        self.heard.iter().filter_map(position).collect()
    }

    /// What was heard, in short.
    pub fn story(&self) -> String {
        let word = |update: &SubscriptionEvent| match update {
            SubscriptionEvent::Subscribed(position) => format!("subscribed@{position}"),
            SubscriptionEvent::Reset(reason) => format!("{reason:?}"),
            SubscriptionEvent::Snapshot(position, _) => format!("snapshot@{position}"),
            SubscriptionEvent::Event(event) => format!("{}", event.position),
            SubscriptionEvent::CaughtUp(position) => format!("caught_up@{position}"),
            SubscriptionEvent::FellBehind(position) => format!("fell_behind@{position}"),
        };
        self.heard.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

/// A saga of so many events, which are nobody's business here.
pub fn saga(events: usize) -> StreamWrite {
    let event = || NewEvent {
        event_id: Uuid::now_v7(),
        event_type: Name::Borrowed("StepStarted"),
        schema_version: 1,
        payload: RawValue::from_string("{}".into()).unwrap(),
    };
    StreamWrite {
        stream: StreamId::generate(),
        aggregate_type: Name::Borrowed("FulfilmentSaga"),
        expected: ExpectedVersion::NoStream,
        events: (0..events).map(|_| event()).collect(),
        snapshot: None,
    }
}
