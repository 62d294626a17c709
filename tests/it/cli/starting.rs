//! How long a start takes: the same with a short log and with a long one.
//!
//! The long one has 20,000 events, or as many as `ORDO_TEST_EVENTS` says.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use ordo::{
    application::open_stores,
    config::StoreUrl,
    order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand, OrderEvent},
};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    clock::{Clock, SystemClock},
    log::{
        event::{Metadata, StreamId},
        store::{Commit, EventStore, ExpectedVersion, NewEvent, StreamWrite},
    },
};
use tokio::runtime::Builder;
use uuid::Uuid;

use crate::support::test_app::{Store, TestApp};

const SHORT: u64 = 1_000;
const ITEMS: u64 = 3;
const EVENTS_OF_AN_ORDER: u64 = 1 + ITEMS;
const ORDERS_AT_ONCE: u64 = 1_000;

/// How often a start is measured; the fastest counts, because a machine with other work only ever makes it slower.
const STARTS: usize = 5;

/// What a start may take longer with the long log.
const TOLERANCE: Duration = Duration::from_millis(300);

#[expect(clippy::disallowed_methods, reason = "whoever wants to be surer makes a longer log")]
fn long() -> u64 {
    std::env::var("ORDO_TEST_EVENTS").map_or(20_000, |events| events.parse().expect("ORDO_TEST_EVENTS is a number"))
}

/// The events of a new order, as its actor would append them.
fn placing(number: u64) -> Commit {
    let item = |line| NewItem::new(&format!("product-{}", (number + line) % 5_000), "A product", 2, 1_000).unwrap();
    let create = OrderCommand::CreateOrder(CreateOrder {
        customer_id: CustomerId::new(&format!("customer-{}", number % 10_000)).unwrap(),
        currency: Currency::USD,
        placed_at: None,
        items: (0..ITEMS).map(item).collect(),
        most_lines: MAX_LINES,
    });
    let event = |event: &OrderEvent| NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event.event_type().into(),
        schema_version: event.schema_version(),
        payload: event.encode().unwrap(),
    };
    let write = StreamWrite {
        stream: StreamId::generate(),
        aggregate_type: Order::TYPE.into(),
        expected: ExpectedVersion::NoStream,
        events: Order::default().decide(&create).unwrap().iter().map(event).collect(),
        snapshot: None,
    };
    let metadata = Arc::new(Metadata::default());
    Commit { timestamp: SystemClock.now(), metadata, writes: vec![write], idempotency: None }
}

/// Appends orders until the log has so many events.
fn fill(store: &str, events: u64) {
    let url: StoreUrl = store.parse().unwrap();
    Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let log: Arc<dyn EventStore> = open_stores(&url, false).await.unwrap().log;
        for first in (0..events / EVENTS_OF_AN_ORDER).step_by(usize::try_from(ORDERS_AT_ONCE).unwrap()) {
            let last = (first + ORDERS_AT_ONCE).min(events / EVENTS_OF_AN_ORDER);
            log.append((first..last).map(placing).collect()).await.unwrap();
        }
        assert_eq!(log.head().await.unwrap().position.0, events);
    });
}

/// From the start of the process to the first answer of `/readyz`, and to lists that show the whole log.
#[derive(Debug, Clone, Copy)]
struct Start {
    ready: Duration,
    listed: Duration,
}

impl Start {
    fn measure(app: &mut TestApp) -> Self {
        app.kill();
        let began = Instant::now();
        app.restart();
        app.get("/readyz").expect(200);
        let ready = began.elapsed();
        app.wait_for_lists();
        Self { ready, listed: began.elapsed() }
    }

    /// The fastest of some starts with a log of so many events that the read models have taken in.
    fn with(store: Store, events: u64) -> Self {
        fill(&store.argument(), events);
        let mut app = TestApp::start_on(store, &[]);
        app.wait_for_lists();
        let starts: Vec<_> = (0..STARTS).map(|_| Self::measure(&mut app)).collect();
        let fastest = |part: fn(&Self) -> Duration| starts.iter().map(part).min().unwrap();
        let fastest = Self { ready: fastest(|start| start.ready), listed: fastest(|start| start.listed) };
        let figures = format!("{} events, {}: {fastest:?}\n", events, app.store().split(':').next().unwrap());
        // Past the test harness, which would swallow it.
        io::stderr().write_all(figures.as_bytes()).unwrap();
        fastest
    }
}

fn does_not_grow(store: fn() -> Store) {
    let (short, long) = (Start::with(store(), SHORT), Start::with(store(), long()));
    assert!(long.ready < short.ready + TOLERANCE, "ready: {short:?}, {long:?}");
    assert!(long.listed < short.listed + TOLERANCE, "lists: {short:?}, {long:?}");
}

#[test]
fn the_time_to_start_does_not_grow_with_the_log_on_sqlite() {
    does_not_grow(Store::sqlite);
}

#[test]
fn the_time_to_start_does_not_grow_with_the_log_on_postgres() {
    does_not_grow(Store::postgres);
}
