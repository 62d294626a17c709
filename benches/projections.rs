//! What it costs to keep a read model: events taken in one by one and many at once, a rebuild, a question.
//!
//! `cargo bench --bench projections`. The rebuilds are of a log of `BENCH_EVENTS` events, 20,000 when unset, in memory, on
//! SQLite, and on PostgreSQL when `BENCH_DATABASE_URL` names a server where a database may be created.

mod shop;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{System, SystemRunner};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordo::{
    order::{CustomerId, ItemQuantityUpdated, LineId, Order, OrderEvent},
    read_models::{OrderFilter, OrderSearch, OrderSort, OrderTables, all},
};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    clock::SystemClock,
    log::{
        event::{EventEnvelope, Metadata, Position, StreamId, Version},
        event_feed::EventFeed,
        store::{Commit, EventStore, ExpectedVersion, LogQuery, NewEvent, StreamWrite},
    },
    projection::{
        ProjectionActor, ProjectionHandle, ProjectionMetrics, ReadModel, Sources,
        progress::{ProjectionLimits, ProjectionParts},
        row_store::{Checkpoint, RowCommit, RowStore, RowVerdict},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use shop::{Placed, Shop, Subject, envelope, setting, time};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHOP: Shop = Shop { regular: 5, customers: 5, products: 5 };
/// For logs that are longer than a few thousand events.
const LARGE_SHOP: Shop = Shop { regular: 100, customers: 5_000, products: 3_000 };

const COMMITS_AT_ONCE: usize = 1_000;

/// A read model in memory and where it stands.
struct Follower {
    log: Arc<dyn EventStore>,
    rows: MemoryRows,
    model: Box<dyn ReadModel>,
    at: Checkpoint,
}

impl Follower {
    async fn of(number: usize, log: Arc<dyn EventStore>) -> Self {
        let (model, rows) = (all().swap_remove(number), MemoryRows::new());
        let epoch = log.head().await.expect("a head").epoch;
        let at = rows.claim(model.name(), 1, epoch, Uuid::new_v4()).await.expect("a checkpoint");
        Self { log, rows, model, at }
    }

    /// Takes in whatever follows in the log.
    async fn catch_up(&mut self) {
        let events = self.log.read_all(&LogQuery::after(self.at.position, 10_000)).await.expect("events");
        self.take(&events).await;
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>]) {
        let head = events[events.len() - 1].position;
        let sources = Sources { log: self.log.as_ref(), rows: &self.rows, generation: 1, head };
        let changes = self.model.take(events, sources).await.expect("changes");
        let next = Checkpoint { position: events[events.len() - 1].position, ..self.at };
        let (model, expected) = (self.model.name(), self.at);
        let commit = RowCommit { model, expected, next, changes, free: Vec::new(), park: Vec::new() };
        assert_eq!(self.rows.commit(commit).await.expect("a verdict"), RowVerdict::Committed);
        self.at = next;
    }
}

/// An order as it is handed to a store.
fn commit(placed: Placed) -> Commit {
    let event = |(event_type, payload): (&'static str, _)| NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.into(),
        schema_version: 1,
        payload,
    };
    let write = StreamWrite {
        stream: placed.id,
        aggregate_type: Order::TYPE.into(),
        expected: ExpectedVersion::NoStream,
        events: placed.events.into_iter().map(event).collect(),
        snapshot: None,
    };
    Commit { timestamp: placed.at, metadata: Arc::new(Metadata::default()), writes: vec![write], idempotency: None }
}

/// Appends orders until there are so many events, or a few more for the last order; tells how many.
async fn fill(log: &dyn EventStore, shop: Shop, events: u64) -> u64 {
    let (mut orders, mut length) = (0.., 0);
    while length < events {
        let mut commits = Vec::new();
        while length < events && commits.len() < COMMITS_AT_ONCE {
            let order = shop.order(orders.next().expect("a number"));
            length += order.events.len() as u64;
            commits.push(commit(order));
        }
        log.append(commits).await.expect("a healthy store");
    }
    length
}

fn names() -> Vec<&'static str> {
    all().iter().map(|model| model.name()).collect()
}

fn one_event(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("take in 1 event, in memory");
    for (number, name) in names().into_iter().enumerate() {
        let log = Arc::new(MemoryStore::new());
        runtime.block_on(fill(log.as_ref(), SHOP, 300));
        let mut follower = runtime.block_on(Follower::of(number, log));
        runtime.block_on(follower.catch_up());
        // Order 1 is a draft; its quantity goes up and down.
        let (order, mut version, mut head) = (SHOP.order(1), 2, follower.at.position);
        let id = order.id;
        runtime.block_on(follower.take(&order.envelopes(head)));
        head = follower.at.position;
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    version += 1;
                    head = head.plus(1);
                    vec![changed(id, version, head)]
                },
                |events| runtime.block_on(follower.take(&events)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn changed(id: StreamId, version: u64, position: Position) -> Arc<EventEnvelope> {
    let (old_quantity, new_quantity) = if version.is_multiple_of(2) { (3, 2) } else { (2, 3) };
    let line_id = LineId(1);
    let event = OrderEvent::ItemQuantityUpdated(ItemQuantityUpdated { line_id, old_quantity, new_quantity });
    envelope(id, event.event_type(), event.encode().expect("JSON"), Version(version), position, time(1))
}

fn catching_up(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for events in [300, 3_000] {
        let log: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        let length = runtime.block_on(fill(log.as_ref(), SHOP, events));
        let mut group = criterion.benchmark_group(format!("catch up {events} events, in memory"));
        group.throughput(Throughput::Elements(length));
        for (number, name) in names().into_iter().enumerate() {
            group.bench_function(name, |bencher| {
                bencher.iter_batched_ref(
                    || runtime.block_on(Follower::of(number, Arc::clone(&log))),
                    |follower| runtime.block_on(follower.catch_up()),
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

/// A projection that has come to the end of its log.
fn running(system: &SystemRunner, subject: &Subject, number: usize) -> ProjectionHandle {
    system.block_on(async {
        let head = subject.log.head().await.expect("a head").position;
        let parts = ProjectionParts {
            log: Arc::clone(&subject.log),
            rows: Arc::clone(&subject.rows),
            feed: EventFeed::new(16, head),
            clock: Arc::new(SystemClock),
            limits: ProjectionLimits { discard_after: Duration::ZERO, ..ProjectionLimits::default() },
            metrics: ProjectionMetrics::unregistered(),
        };
        let projection = ProjectionActor::start_with(parts, Arc::new(move || all().swap_remove(number)));
        projection.reached(head).await;
        projection
    })
}

/// Builds a read model anew as an operator does: a generation beside the live one, compared with it, and made live.
async fn rebuild(projection: &ProjectionHandle) {
    let generation = |at: Option<Checkpoint>| at.map_or(0, |at| at.generation);
    let before = generation(projection.progress().checkpoint);
    assert!(projection.rebuild().await, "a rebuild begins");
    let mut progress = projection.watch();
    let switched = progress.wait_for(|progress| generation(progress.checkpoint) > before && progress.rebuild.is_none());
    switched.await.expect("a projection that goes on");
}

fn rebuilding(criterion: &mut Criterion) {
    let system = System::new();
    let runtime = Runtime::new().expect("a runtime");
    let short = Subject::memory();
    let long = setting("BENCH_EVENTS", 20_000);
    let logs = [(300, SHOP, vec![short]), (long, LARGE_SHOP, Subject::all(&runtime))];
    for (events, shop, subjects) in logs {
        for subject in subjects {
            let length = runtime.block_on(fill(subject.log.as_ref(), shop, events));
            let mut group = criterion.benchmark_group(format!("rebuild {events} events, {}", subject.name));
            group.throughput(Throughput::Elements(length));
            for (number, name) in names().into_iter().enumerate() {
                let projection = running(&system, &subject, number);
                group.bench_function(name, |bencher| {
                    bencher.iter_custom(|times| {
                        system.block_on(async {
                            let began = Instant::now();
                            for _ in 0..times {
                                rebuild(&projection).await;
                            }
                            began.elapsed()
                        })
                    });
                });
            }
            group.finish();
        }
    }
}

fn questions(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let log: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    // 100 orders that have not come to their end, about ten of each customer.
    let orders = (0..112).filter(|number| number % 10 != 0).take(100);
    runtime.block_on(log.append(orders.map(|number| commit(SHOP.order(number))).collect())).expect("a log");
    let mut follower = runtime.block_on(Follower::of(0, log));
    runtime.block_on(follower.catch_up());
    let customer_id = Some(CustomerId::new(&SHOP.customer(3)).expect("a good id"));
    let filters =
        [("all", OrderFilter::default()), ("of a customer", OrderFilter { customer_id, ..OrderFilter::default() })];
    let mut group = criterion.benchmark_group("ask for current orders, 100 in memory");
    for (name, filter) in filters {
        let search = OrderSearch { filter, sort: OrderSort::CreatedAt, descending: true };
        let find = async || search.find(&follower.rows, OrderTables::CURRENT, 1, None, 100).await.expect("a page");
        let found = runtime.block_on(find()).rows.len();
        group.bench_function(BenchmarkId::new(name, found), |bencher| {
            bencher.iter(|| black_box(runtime.block_on(find())));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
    targets = one_event, catching_up, questions, rebuilding
}
criterion_main!(benches);
