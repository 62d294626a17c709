//! The stores without actors or HTTP: what appending and reading cost, on an empty log and on a long one.
//!
//! `cargo bench --bench stores`. PostgreSQL is measured when `BENCH_DATABASE_URL` names a database that may be filled;
//! `BENCH_EVENTS` is the length of the long log, a million events when unset.

use std::{hint::black_box, sync::Arc, time::Duration};

use chrono::DateTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use ordo::application::schema::{in_postgres, in_sqlite};
use ordo_actors::stores::{
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{SqliteOptions, SqliteStore},
};
use ordo_actors::{
    log::{
        event::{Metadata, Name, Position, StreamId, Version},
        store::{Commit, EventStore, ExpectedVersion, LogQuery, NewEvent, StreamWrite},
    },
    stores::memory::MemoryStore,
};
use serde_json::value::RawValue;
use tokio::runtime::Runtime;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAYLOAD: &str =
    r#"{"line_id":1,"product_id":"widget","product_name":"Widget","quantity":2,"unit_price_cents":1000}"#;

fn event() -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: Name::Borrowed("ItemAdded"),
        schema_version: 1,
        payload: RawValue::from_string(PAYLOAD.to_owned()).expect("valid JSON"),
    }
}

fn commit(stream: StreamId, expected: ExpectedVersion, events: usize) -> Commit {
    Commit {
        timestamp: DateTime::UNIX_EPOCH,
        metadata: Arc::new(Metadata { command_id: Some(Uuid::now_v7()), ..Metadata::default() }),
        writes: vec![StreamWrite {
            stream,
            aggregate_type: Name::Borrowed("Order"),
            expected,
            events: (0..events).map(|_| event()).collect(),
            snapshot: None,
        }],
        idempotency: None,
    }
}

/// A batch of new streams with two events each: orders being placed.
fn placing(commits: usize) -> Vec<Commit> {
    (0..commits).map(|_| commit(StreamId::generate(), ExpectedVersion::NoStream, 2)).collect()
}

struct Subject {
    name: &'static str,
    store: Arc<dyn EventStore>,
    _directory: Option<tempfile::TempDir>,
}

fn subjects(runtime: &Runtime) -> Vec<Subject> {
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite = SqliteStore::open(&directory.path().join("bench.db"), in_sqlite(SqliteOptions::default()))
        .expect("a SQLite store");
    let mut subjects = vec![
        Subject { name: "memory", store: Arc::new(MemoryStore::new()), _directory: None },
        Subject { name: "sqlite", store: Arc::new(sqlite), _directory: Some(directory) },
    ];
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
    if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
        let store = runtime
            .block_on(PostgresStore::open(&url, in_postgres(PostgresOptions::default())))
            .expect("a PostgreSQL store");
        subjects.push(Subject { name: "postgres", store: Arc::new(store), _directory: None });
    }
    subjects
}

fn appending(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, subject: &Subject, length: &str) {
    for commits in [1, 10, 30, 100] {
        group.throughput(Throughput::Elements(commits as u64));
        let id = BenchmarkId::new(format!("{}/{length}", subject.name), commits);
        group.bench_function(id, |bencher| {
            bencher.iter_batched(
                || placing(commits),
                |batch| runtime.block_on(subject.store.append(batch)).expect("a healthy store"),
                BatchSize::SmallInput,
            );
        });
    }
}

/// A stream of `events` events.
fn stream_of(runtime: &Runtime, store: &dyn EventStore, events: usize) -> StreamId {
    let stream = StreamId::generate();
    runtime.block_on(store.append(vec![commit(stream, ExpectedVersion::NoStream, events)])).expect("a healthy store");
    stream
}

fn reading(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, subject: &Subject, length: &str) {
    let store = subject.store.as_ref();
    for events in [100, 1000] {
        let stream = stream_of(runtime, store, events);
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(BenchmarkId::new(format!("{}/{length}/stream", subject.name), events), |bencher| {
            bencher
                .iter(|| black_box(runtime.block_on(store.read_stream(stream, Version(1), events)).expect("events")));
        });
    }
    let head = runtime.block_on(store.head()).expect("a head").position;
    let after = Position(head.0.saturating_sub(1000));
    group.bench_function(BenchmarkId::new(format!("{}/{length}/log", subject.name), 1000), |bencher| {
        bencher.iter(|| black_box(runtime.block_on(store.read_all(&LogQuery::after(after, 1000))).expect("events")));
    });
}

/// Fills a log with new streams, 1,000 commits at a time.
fn fill(runtime: &Runtime, store: &dyn EventStore, events: u64) {
    while runtime.block_on(store.head()).expect("a head").position.0 < events {
        runtime.block_on(store.append(placing(1000))).expect("a healthy store");
    }
}

fn stores(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
    let long = std::env::var("BENCH_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(1_000_000);
    for subject in subjects(&runtime) {
        for (length, events) in [("at 1,000 events".to_owned(), 1000), (format!("at {long} events"), long)] {
            fill(&runtime, subject.store.as_ref(), events);
            let mut group = criterion.benchmark_group("append");
            appending(&mut group, &runtime, &subject, &length);
            group.finish();
            let mut group = criterion.benchmark_group("read");
            reading(&mut group, &runtime, &subject, &length);
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = stores
}
criterion_main!(benches);
