//! The engine on counters and the memory store, in one process: what an actor costs without HTTP and without a disk.
//!
//! `cargo bench --bench engine`

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Arbiter, System, SystemRunner};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordo_actors::{
    aggregate::{
        engine::{Engine, EngineParts, Lifespan},
        rehydrate::{Until, rehydrate},
        request::{CommandOutcome, Request},
    },
    clock::SystemClock,
    log::{
        appender::{Appender, AppenderLimits},
        event::{Position, StreamId, Version},
        event_feed::EventFeed,
        store::ExpectedVersion,
    },
    metrics::EngineMetrics,
    stores::memory::MemoryStore,
    testing::{
        Counter, CounterCommand,
        contract::building::{append, commit, increments, with_snapshot},
    },
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Who asks one hot counter at the same time.
const ASKERS: u64 = 64;

struct Bench {
    system: SystemRunner,
    counters: Arc<Engine<Counter>>,
}

impl Bench {
    fn start() -> Self {
        let system = System::new();
        let counters = system.block_on(async {
            let (store, metrics) = (Arc::new(MemoryStore::new()), EngineMetrics::unregistered());
            let feed = EventFeed::new(1024, Position::START);
            let on_failure = Box::new(|reason| panic!("{reason}"));
            let (appender, _) =
                Appender::start(store.clone(), feed, AppenderLimits::default(), metrics.clone(), on_failure)
                    .expect("a thread");
            Engine::start(EngineParts {
                states: None,
                store,
                appender,
                clock: Arc::new(SystemClock),
                lifespan: Lifespan { most_actors: 10_000, ..Lifespan::default() },
                metrics,
                arbiters: vec![Arbiter::current()],
            })
        });
        Self { system, counters }
    }

    /// How long it takes to do something so many times, one after the other.
    fn time<F: Future<Output = u64>>(&self, times: u64, act: impl Fn(Arc<Engine<Counter>>, u64) -> F) -> Duration {
        self.system.block_on(async {
            let started = Instant::now();
            for number in 0..times {
                black_box(act(Arc::clone(&self.counters), number).await);
            }
            started.elapsed()
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.counters.close();
    }
}

fn version(outcome: &CommandOutcome<'_, Counter>) -> u64 {
    match outcome {
        CommandOutcome::Accepted { version, .. } => version.0,
        CommandOutcome::Rejected { .. } | CommandOutcome::VersionMismatch { .. } => {
            panic!("a counter that goes up and down by one")
        }
    }
}

/// Up and down in turn, so that it never meets a limit.
fn nth(number: u64) -> CounterCommand {
    if number.is_multiple_of(2) { CounterCommand::Increment(1) } else { CounterCommand::Decrement(1) }
}

async fn ask(counters: Arc<Engine<Counter>>, stream: StreamId, request: Request<Counter, u64>) -> u64 {
    counters.ask(stream, request).await.expect("an answer").answer
}

fn one_counter(criterion: &mut Criterion) {
    let bench = Bench::start();
    let stream = StreamId::generate();
    bench.system.block_on(ask(bench.counters.clone(), stream, Request::execute(CounterCommand::Increment(1), version)));
    criterion.bench_function("a command to a counter in memory", |bencher| {
        let command = |counters, number| ask(counters, stream, Request::execute(nth(number), version));
        bencher.iter_custom(|times| bench.time(times, command));
    });
    criterion.bench_function("a read of a counter in memory", |bencher| {
        bencher.iter_custom(|times| bench.time(times, |counters, _| ask(counters, stream, Request::read(version))));
    });
}

async fn askers(counters: &Arc<Engine<Counter>>, stream: StreamId, times_each: u64) -> Duration {
    let started = Instant::now();
    let asking: Vec<_> = (0..ASKERS)
        .map(|_| {
            let counters = Arc::clone(counters);
            actix::spawn(async move {
                for number in 0..times_each {
                    ask(Arc::clone(&counters), stream, Request::execute(nth(number), version)).await;
                }
            })
        })
        .collect();
    for asker in asking {
        asker.await.expect("an asker that ends well");
    }
    started.elapsed()
}

fn a_hot_counter(criterion: &mut Criterion) {
    let bench = Bench::start();
    let stream = StreamId::generate();
    let mut group = criterion.benchmark_group("a hot counter");
    group.throughput(Throughput::Elements(ASKERS));
    group.bench_function("64 askers at once", |bencher| {
        bencher.iter_custom(|times| bench.system.block_on(askers(&bench.counters, stream, times)));
    });
    group.finish();
}

fn coming_and_going(criterion: &mut Criterion) {
    let bench = Bench::start();
    criterion.bench_function("a counter is made by its first command", |bencher| {
        let make = |counters, _| {
            let request =
                Request { assume_new_stream: true, ..Request::execute(CounterCommand::Increment(1), version) };
            ask(counters, StreamId::generate(), request)
        };
        bencher.iter_custom(|times| bench.time(times, make));
    });
    // A stream that does not exist leaves memory as soon as it has been looked at.
    criterion.bench_function("an actor starts, reads an empty stream, answers and stops", |bencher| {
        let look = |counters, _| ask(counters, StreamId::generate(), Request::read(version));
        bencher.iter_custom(|times| bench.time(times, look));
    });
}

fn rehydration(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("rehydrate a counter");
    for events in [50, 100, 1_000] {
        let store = MemoryStore::new();
        let stream = StreamId::generate();
        let state = r#"{"last_at":"2025-01-01T00:00:00Z","state":{"value":1,"changes":1,"changed_at":null}}"#;
        let write = increments(stream, ExpectedVersion::NoStream, events);
        let last = events as u64 - 10;
        runtime.block_on(append(&store, commit([with_snapshot(last, state, write)])));
        // A page that holds the whole stream looks for no snapshot.
        for (how, page) in [("from all events", 10_000), ("from a snapshot and ten events", 20)] {
            group.bench_with_input(BenchmarkId::new(how, events), &page, |bencher, page| {
                bencher.iter(|| {
                    let read = rehydrate::<Counter>(&store, stream, Until::Now, *page);
                    assert_eq!(runtime.block_on(read).expect("a counter").version, Version(events as u64));
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = one_counter, a_hot_counter, coming_and_going, rehydration
}
criterion_main!(benches);
