//! Subscriptions on a memory store, without a network: what is sent, and that nothing else is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::Arbiter;
use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        rehydrate::{Until, rehydrate},
        request::{CommandOutcome, Request, always},
    },
    log::{
        event::{Epoch, EventEnvelope, Name, Position, StreamId, Version},
        store::{EventStore, ExpectedVersion, LogQuery, NewEvent, StreamWrite},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use serde_json::{Value, json, value::RawValue};
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use super::{
    limits::LiveLimits,
    live_hub::LiveHub,
    live_metrics::LiveMetrics,
    subscription::{ResetReason, Step, SubscribeRequest, Subscription, SubscriptionEvent},
    topic::Topic,
};
use crate::{
    application::{Core, Stores},
    order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand, OrderId},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A log, the orders on it, and the live side.
struct World {
    core: Core,
    hub: Arc<LiveHub>,
}

impl World {
    async fn new() -> Self {
        Self::with_ring(LiveLimits::default().ring_events).await
    }

    async fn with_ring(ring_events: usize) -> Self {
        Self::on(Arc::new(MemoryStore::new()), ring_events).await
    }

    async fn on(store: Arc<dyn EventStore>, ring_events: usize) -> Self {
        let stores = Stores { log: store, rows: Arc::new(MemoryRows::new()) };
        let core = Core::start(stores, Lifespan::default(), vec![Arbiter::current()]).await.unwrap();
        let limits = LiveLimits { ring_events, ..LiveLimits::default() };
        let hub =
            LiveHub::start(Arc::clone(&core.store), &core.feed, limits, LiveMetrics::unregistered()).await.unwrap();
        Self { core, hub }
    }

    /// Places an order of one item: two events.
    async fn place(&self, customer: &str) -> OrderId {
        self.place_alongside(customer, Vec::new()).await
    }

    async fn place_alongside(&self, customer: &str, alongside: Vec<StreamWrite>) -> OrderId {
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
    async fn submit(&self, order: OrderId) {
        let request = Request::execute(OrderCommand::SubmitOrder, |_: &CommandOutcome<'_, Order>| ());
        self.core.orders.ask(order, request).await.unwrap();
    }

    fn subscribe(&self, request: SubscribeRequest) -> Subscriber {
        let wake = Arc::new(Notify::new());
        Subscriber { subscription: Subscription::open(&self.hub, request, Arc::clone(&wake)), wake, heard: Vec::new() }
    }

    fn subscribe_from_start(&self, topic: Topic) -> Subscriber {
        self.subscribe(SubscribeRequest { after: Some(Position::START), ..request(topic) })
    }

    async fn log(&self) -> Vec<Arc<EventEnvelope>> {
        self.core.store.read_all(&LogQuery::after(Position::START, 10_000)).await.unwrap().into_events()
    }

    /// Waits until subscribers can see the whole log.
    async fn visible(&self) {
        let head = self.core.store.head().await.unwrap().position;
        let all = async {
            while self.hub.position() < head {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, all).await.unwrap();
    }
}

fn request(topic: Topic) -> SubscribeRequest {
    SubscribeRequest { topic, after: None, epoch: None, snapshot: false }
}

struct Subscriber {
    subscription: Subscription,
    wake: Arc<Notify>,
    heard: Vec<SubscriptionEvent>,
}

impl Subscriber {
    /// Takes one step; false when there was none to take.
    async fn step(&mut self) -> bool {
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

    async fn until(&mut self, mut enough: impl FnMut(&[SubscriptionEvent]) -> bool) -> &[SubscriptionEvent] {
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

    async fn until_position(&mut self, position: Position) {
        self.until(|heard| {
            heard.iter().any(|update| matches!(update, SubscriptionEvent::Event(event) if event.position == position))
        })
        .await;
    }

    async fn until_caught_up(&mut self) {
        self.until(|heard| matches!(heard.last(), Some(SubscriptionEvent::CaughtUp(_)))).await;
    }

    fn positions(&self) -> Vec<u64> {
        let position = |update: &SubscriptionEvent| {
            if let SubscriptionEvent::Event(event) = update { Some(event.position.0) } else { None }
        };
        self.heard.iter().filter_map(position).collect()
    }

    /// What was heard, in short.
    fn story(&self) -> String {
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

#[actix_web::test]
async fn from_now_means_from_now() {
    let world = World::new().await;
    world.place("ada").await;
    let mut subscriber = world.subscribe(request(Topic::Orders));
    subscriber.until_caught_up().await;
    world.place("ada").await;
    subscriber.until_position(Position(4)).await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2 3 4");
}

#[actix_web::test]
async fn after_a_position_comes_all_that_follows_and_then_what_happens() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let mut subscriber = world.subscribe(SubscribeRequest { after: Some(Position(1)), ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    world.submit(order).await;
    subscriber.until_position(Position(3)).await;
    assert_eq!(subscriber.story(), "subscribed@1 2 caught_up@2 3");
}

#[actix_web::test]
async fn an_order_s_topic_tells_of_that_order_alone() {
    let world = World::new().await;
    let (ours, other) = (world.place("ada").await, world.place("bob").await);
    let mut subscriber = world.subscribe_from_start(Topic::Order(ours));
    subscriber.until_caught_up().await;
    world.submit(other).await;
    world.submit(ours).await;
    subscriber.until_position(Position(6)).await;
    assert_eq!(subscriber.story(), "subscribed@0 1 2 caught_up@4 6");
}

#[actix_web::test]
async fn a_customer_s_topic_tells_of_all_orders_of_that_customer_alone() {
    let world = World::new().await;
    let (first, other) = (world.place("ada").await, world.place("bob").await);
    let mut subscriber = world.subscribe_from_start(Topic::Customer(CustomerId::new("ada").unwrap()));
    subscriber.until_caught_up().await;
    world.submit(other).await;
    world.submit(first).await;
    world.place("ada").await;
    subscriber.until_position(Position(8)).await;
    assert_eq!(subscriber.story(), "subscribed@0 1 2 caught_up@4 6 7 8");
}

#[actix_web::test]
async fn the_last_event_of_a_commit_carries_the_order_as_it_is_then() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let mut late = world.subscribe_from_start(Topic::Orders);
    late.until_caught_up().await;
    world.submit(order).await;
    late.until_position(Position(3)).await;
    for update in &late.heard {
        let SubscriptionEvent::Event(event) = update else { continue };
        let body: Value = serde_json::from_str(&format!("{{{}", std::str::from_utf8(&event.body).unwrap())).unwrap();
        let version = Version(body["event"]["version"].as_u64().unwrap());
        let then = rehydrate::<Order>(world.core.store.as_ref(), order, Until::Version(version), 10).await.unwrap();
        // The order was created with its line by one command.
        let shown = (version.0 != 1).then(|| then.state.view(order, then.version));
        assert_eq!(body["order"], json!(shown), "version {version}");
        assert_eq!(body["event"], json!(world.log().await[usize::try_from(event.position.0).unwrap() - 1]));
        assert_eq!(body["position"], event.position.0);
    }
}

#[actix_web::test]
async fn an_event_is_written_once_for_all_who_listen() {
    let world = World::new().await;
    let mut all: Vec<_> = (0..3).map(|_| world.subscribe(request(Topic::Orders))).collect();
    for subscriber in &mut all {
        subscriber.until_caught_up().await;
    }
    world.place("ada").await;
    for subscriber in &mut all {
        subscriber.until_position(Position(2)).await;
    }
    let bodies = all.iter().map(|subscriber| match subscriber.heard.last() {
        Some(SubscriptionEvent::Event(event)) => Arc::as_ptr(event),
        _ => panic!("{}", subscriber.story()),
    });
    assert_eq!(bodies.collect::<std::collections::HashSet<_>>().len(), 1);
    assert_eq!(world.hub.metrics().written.get(), 2);
}

#[actix_web::test]
async fn nothing_is_written_while_nobody_listens_to_it() {
    let world = World::new().await;
    let ours = world.place("ada").await;
    world.visible().await;
    let mut subscriber = world.subscribe(request(Topic::Order(ours)));
    subscriber.until_caught_up().await;
    world.place("bob").await;
    world.submit(ours).await;
    subscriber.until_position(Position(5)).await;
    assert_eq!(world.hub.metrics().written.get(), 1);
}

#[actix_web::test]
async fn what_was_not_written_for_others_is_read_from_the_store() {
    let world = World::new().await;
    let ours = world.place("ada").await;
    world.visible().await;
    let _keeps_the_ring = world.subscribe(request(Topic::Order(ours)));
    world.place("bob").await;
    world.submit(ours).await;
    world.visible().await;
    let mut late = world.subscribe(SubscribeRequest { after: Some(Position(2)), ..request(Topic::Orders) });
    late.until_caught_up().await;
    assert_eq!(late.positions(), [3, 4, 5]);
}

/// A saga of so many events, which are nobody's business here.
fn saga(events: usize) -> StreamWrite {
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

#[actix_web::test]
async fn events_of_other_aggregates_are_not_shown() {
    let world = World::new().await;
    let mut subscriber = world.subscribe(request(Topic::Orders));
    world.place_alongside("ada", vec![saga(1)]).await;
    world.place("ada").await;
    subscriber.until_position(Position(5)).await;
    let mut late = world.subscribe_from_start(Topic::Orders);
    late.until_caught_up().await;
    assert_eq!((subscriber.positions(), late.positions()), (vec![1, 2, 4, 5], vec![1, 2, 4, 5]));
}

#[actix_web::test]
async fn events_of_other_aggregates_move_every_subscription_on() {
    let world = World::with_ring(8).await;
    let ours = world.place("ada").await;
    world.visible().await;
    let topics = [Topic::Orders, Topic::Order(ours), Topic::Customer(CustomerId::new("ada").unwrap())];
    let mut subscribers = topics.map(|topic| world.subscribe_from_start(topic));
    for subscriber in &mut subscribers {
        subscriber.until_caught_up().await;
    }
    // Two events of an order, and far more than the ring holds of a saga.
    world.place_alongside("bob", vec![saga(300)]).await;
    world.visible().await;
    let [orders, others @ ..] = &mut subscribers;
    orders.until_position(Position(4)).await;
    assert!(!orders.step().await);
    for subscriber in [orders].into_iter().chain(others) {
        assert_eq!(subscriber.subscription.position(), Position(304), "{}", subscriber.story());
    }
    world.submit(ours).await;
    for subscriber in &mut subscribers {
        subscriber.until_position(Position(305)).await;
        assert!(!subscriber.story().contains("fell_behind"), "{}", subscriber.story());
    }
}

#[actix_web::test]
async fn a_log_that_ends_with_events_of_other_aggregates_is_caught_up_with_to_its_end() {
    let world = World::new().await;
    let ours = world.place_alongside("ada", vec![saga(300)]).await;
    let live = LiveMetrics::unregistered();
    // As after a restart: nothing of this was ever on the ring.
    let hub = LiveHub::start(Arc::clone(&world.core.store), &world.core.feed, LiveLimits::default(), live).await;
    let world = World { hub: hub.unwrap(), ..world };
    let saga = world.log().await[2].aggregate_id;
    for (topic, shown) in [
        (Topic::Orders, vec![1, 2]),
        (Topic::Order(ours), vec![1, 2]),
        (Topic::Customer(CustomerId::new("ada").unwrap()), vec![1, 2]),
        (Topic::Customer(CustomerId::new("bob").unwrap()), vec![]),
        (Topic::Order(saga), vec![]),
    ] {
        let mut subscriber = world.subscribe_from_start(topic.clone());
        subscriber.until_caught_up().await;
        assert_eq!(subscriber.positions(), shown, "{topic}");
        assert!(subscriber.story().ends_with("caught_up@302"), "{topic}: {}", subscriber.story());
        // A place among what is not shown is as good as any.
        for place in [150, 302] {
            let mut resumed =
                world.subscribe(SubscribeRequest { after: Some(Position(place)), ..request(topic.clone()) });
            resumed.until_caught_up().await;
            assert_eq!(resumed.story(), format!("subscribed@{place} caught_up@302"), "{topic}");
        }
    }
    let mut subscriber = world.subscribe(SubscribeRequest { snapshot: true, ..request(Topic::Order(ours)) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), "subscribed@302 snapshot@302 caught_up@302");
}

#[actix_web::test]
async fn events_of_other_aggregates_that_another_process_has_written_move_a_subscription_on() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (World::on(Arc::clone(&store), 8).await, World::on(store, 8).await);
    let mut subscriber = here.subscribe(request(Topic::Customer(CustomerId::new("ada").unwrap())));
    elsewhere.place_alongside("bob", vec![saga(700)]).await;
    here.place("ada").await;
    subscriber.until_position(Position(704)).await;
    assert_eq!(subscriber.positions(), [703, 704]);
}

#[actix_web::test]
async fn one_who_does_not_look_for_long_falls_behind_catches_up_and_misses_nothing() {
    let world = World::with_ring(4).await;
    let mut slow = world.subscribe(request(Topic::Orders));
    slow.until_caught_up().await;
    for _ in 0..100 {
        world.place("ada").await;
    }
    world.visible().await;
    slow.until(|heard| heard.iter().filter(|update| matches!(update, SubscriptionEvent::CaughtUp(_))).count() == 2)
        .await;
    assert_eq!(slow.positions(), (1..=200).collect::<Vec<_>>());
    assert!(slow.story().starts_with("subscribed@0 caught_up@0 fell_behind@0 1 2"), "{}", slow.story());
    assert_eq!(world.hub.metrics().fell_behind.get(), 1);
}

#[actix_web::test]
async fn one_whose_order_rests_does_not_fall_behind_while_others_are_busy() {
    let world = World::with_ring(4).await;
    let ours = world.place("ada").await;
    world.visible().await;
    let mut subscriber = world.subscribe(request(Topic::Order(ours)));
    let _everything = world.subscribe(request(Topic::Orders));
    subscriber.until_caught_up().await;
    for _ in 0..50 {
        world.place("bob").await;
    }
    world.submit(ours).await;
    subscriber.until_position(Position(103)).await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2 103");
}

#[actix_web::test]
async fn a_quiet_subscription_moves_with_the_log() {
    let world = World::new().await;
    let ours = world.place("ada").await;
    world.visible().await;
    let mut subscriber = world.subscribe(request(Topic::Order(ours)));
    subscriber.until_caught_up().await;
    world.place("bob").await;
    world.visible().await;
    assert_eq!(subscriber.subscription.position(), Position(4));
    world.submit(ours).await;
    world.visible().await;
    assert_eq!(subscriber.subscription.position(), Position(4), "what was not sent does not count");
}

#[actix_web::test]
async fn a_position_of_another_log_is_reset_to_now() {
    let world = World::new().await;
    world.place("ada").await;
    let epoch = Some(Epoch(Uuid::nil()));
    let mut subscriber =
        world.subscribe(SubscribeRequest { after: Some(Position::START), epoch, ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), format!("subscribed@2 {:?} caught_up@2", ResetReason::OtherEpoch));
}

#[actix_web::test]
async fn a_position_of_this_log_is_not_reset() {
    let world = World::new().await;
    world.place("ada").await;
    let epoch = Some(world.hub.epoch());
    let mut subscriber =
        world.subscribe(SubscribeRequest { after: Some(Position(2)), epoch, ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2");
}

#[actix_web::test]
async fn a_position_beyond_the_end_is_reset_to_now() {
    let world = World::new().await;
    world.place("ada").await;
    let mut subscriber = world.subscribe(SubscribeRequest { after: Some(Position(3)), ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), format!("subscribed@2 {:?} caught_up@2", ResetReason::BeyondEnd));
}

#[actix_web::test]
async fn a_position_that_only_another_process_has_heard_of_is_not_reset() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (World::on(Arc::clone(&store), 8).await, World::on(store, 8).await);
    elsewhere.place("ada").await;
    let mut subscriber = here.subscribe(SubscribeRequest { after: Some(Position(2)), ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    here.place("ada").await;
    subscriber.until_position(Position(4)).await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2 3 4");
}

#[actix_web::test]
async fn what_another_process_has_written_is_seen() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (World::on(Arc::clone(&store), 8).await, World::on(store, 8).await);
    let mut subscriber = here.subscribe(request(Topic::Orders));
    for _ in 0..20 {
        elsewhere.place("ada").await;
    }
    here.place("ada").await;
    subscriber.until_position(Position(42)).await;
    assert_eq!(subscriber.positions(), (1..=42).collect::<Vec<_>>());
}

#[actix_web::test]
async fn a_snapshot_comes_first_and_what_is_in_it_does_not_come_again() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let mut subscriber = world.subscribe(SubscribeRequest { snapshot: true, ..request(Topic::Order(order)) });
    subscriber.until_caught_up().await;
    world.submit(order).await;
    subscriber.until_position(Position(3)).await;
    assert_eq!(subscriber.story(), "subscribed@2 snapshot@2 caught_up@2 3");
    let SubscriptionEvent::Snapshot(_, text) = &subscriber.heard[1] else { panic!("{}", subscriber.story()) };
    let now = rehydrate::<Order>(world.core.store.as_ref(), order, Until::Version(Version(2)), 10).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(text).unwrap(), json!(now.state.view(order, now.version)));
}

#[actix_web::test]
async fn a_snapshot_of_an_order_that_is_not_there_is_null() {
    let world = World::new().await;
    let mut subscriber =
        world.subscribe(SubscribeRequest { snapshot: true, ..request(Topic::Order(StreamId::generate())) });
    subscriber.until_caught_up().await;
    assert!(
        matches!(&subscriber.heard[1], SubscriptionEvent::Snapshot(_, text) if text == "null"),
        "{}",
        subscriber.story()
    );
}

#[actix_web::test]
async fn whoever_resumes_gets_a_snapshot_only_when_the_log_is_another() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let resume = SubscribeRequest { snapshot: true, after: Some(Position(1)), ..request(Topic::Order(order)) };
    let mut same = world.subscribe(resume.clone());
    let mut other = world.subscribe(SubscribeRequest { epoch: Some(Epoch(Uuid::nil())), ..resume });
    same.until_caught_up().await;
    other.until_caught_up().await;
    assert_eq!(same.story(), "subscribed@1 2 caught_up@2");
    assert_eq!(other.story(), "subscribed@2 OtherEpoch snapshot@2 caught_up@2");
}

#[actix_web::test]
async fn a_registration_is_taken_out_again() {
    let world = World::new().await;
    let order = world.place("ada").await;
    for topic in [Topic::Orders, Topic::Order(order), Topic::Customer(CustomerId::new("ada").unwrap())] {
        let subscriber = world.subscribe(request(topic));
        assert_eq!(world.hub.state().registered(), 1);
        drop(subscriber);
        assert_eq!(world.hub.state().registered(), 0);
    }
}

/// Subscribers come, look, pause and go at moments drawn by lot, on a ring so small that they fall off it.
#[actix_web::test]
async fn whenever_subscribers_come_and_go_each_sees_exactly_its_part_of_the_log_in_order() {
    let world = World::with_ring(16).await;
    let customers = ["ada", "bob", "cyd"];
    let mut lot = Lot(7);
    let mut orders = Vec::new();
    let mut tales: HashMap<usize, (Topic, Vec<u64>, Position, Option<Subscriber>)> = HashMap::new();
    for round in 0..600 {
        match lot.draw(6) {
            0 | 1 => orders.push(world.place(customers[lot.draw(3)]).await),
            2 if !orders.is_empty() => world.submit(orders.swap_remove(lot.draw(orders.len()))).await,
            3 => {
                let topic = match lot.draw(3) {
                    0 => Topic::Orders,
                    1 => Topic::Customer(CustomerId::new(customers[lot.draw(3)]).unwrap()),
                    _ => orders.first().map_or(Topic::Orders, |order| Topic::Order(*order)),
                };
                tales.insert(round, (topic, Vec::new(), Position::START, None));
            }
            _ => {}
        }
        for (topic, seen, place, subscriber) in tales.values_mut() {
            match lot.draw(8) {
                0 => end(subscriber, seen, place),
                1 | 2 => {
                    let resume = SubscribeRequest { after: Some(*place), ..request(topic.clone()) };
                    let subscriber = subscriber.get_or_insert_with(|| world.subscribe(resume));
                    for _ in 0..lot.draw(5) {
                        subscriber.step().await;
                    }
                }
                _ => {}
            }
        }
    }
    world.visible().await;
    let log = world.log().await;
    for (topic, mut seen, mut place, mut subscriber) in tales.into_values() {
        end(&mut subscriber, &mut seen, &mut place);
        let mut last = world.subscribe(SubscribeRequest { after: Some(place), ..request(topic.clone()) });
        last.until_caught_up().await;
        seen.extend(last.positions());
        assert_eq!(seen, expected(&topic, &log), "{topic}");
    }
}

/// The client goes, and remembers the position of the last thing it heard.
fn end(subscriber: &mut Option<Subscriber>, seen: &mut Vec<u64>, place: &mut Position) {
    let Some(subscriber) = subscriber.take() else { return };
    seen.extend(subscriber.positions());
    *place = subscriber.heard.iter().filter_map(super::server_frame::position).next_back().unwrap_or(*place);
}

fn expected(topic: &Topic, log: &[Arc<EventEnvelope>]) -> Vec<u64> {
    let mut owner = HashMap::new();
    log.iter()
        .filter(|event| {
            if event.event_type == "OrderCreated" {
                let payload: Value = serde_json::from_str(event.payload.get()).unwrap();
                owner.insert(event.aggregate_id, payload["customer_id"].as_str().unwrap().to_owned());
            }
            match topic {
                Topic::Orders => true,
                Topic::Order(order) => event.aggregate_id == *order,
                Topic::Customer(customer) => owner[&event.aggregate_id] == customer.as_str(),
            }
        })
        .map(|event| event.position.0)
        .collect()
}

/// Numbers that look random and are the same every time (Knuth's MMIX generator).
struct Lot(u64);

impl Lot {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}
