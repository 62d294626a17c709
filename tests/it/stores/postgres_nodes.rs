//! Several processes on one log: whoever reads after a position misses nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{PostgresOptions, PostgresStore};
use ordo_actors::{
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::{EventStore, ExpectedVersion, LogQuery, Verdict},
    },
    testing::contract::building::{
        append, conflict, counted, duplicate, exact, head, keyed, log_of, positions, record, verdict, versions,
    },
};
use tokio_postgres::NoTls;

use crate::support::postgres_server::TestDatabase;

async fn node(database: &TestDatabase) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&database.url(), in_postgres(PostgresOptions::patient())).await.expect("a store"))
}

/// Appends one event by hand, as `ordo_append` is called by a store.
const ONE_EVENT: &str = "SELECT ordo_append(gen_random_uuid(), 1, now(), now(), '{ByHand}', '{Counter}', true, \
    ARRAY[gen_random_uuid()], '{1}', '{0}', '{1}', '{0}', '{1}', '{1}', '{1}', ARRAY[gen_random_uuid()], '{ByHand}', '{1}', \
    '{Counter}', ARRAY[now()], '{\"{}\"}', '{\"{}\"}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')";

/// Transactions that append, stay open for a while, and are then committed or rolled back.
async fn dawdle(url: String, done: Arc<AtomicBool>) -> u64 {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a session");
    tokio::spawn(connection);
    let mut committed = 0;
    for round in 0_u64.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let end = if round.is_multiple_of(2) { "ROLLBACK" } else { "COMMIT" };
        client
            .batch_execute(&format!("BEGIN; {ONE_EVENT}; SELECT pg_sleep(0.02); {end}"))
            .await
            .expect("a transaction");
        committed += round % 2;
    }
    committed
}

/// Appends to own streams and to one that all nodes fight for; tells how many events.
async fn work(node: Arc<PostgresStore>, shared: StreamId, rounds: usize) -> u64 {
    let mut events = 0;
    for _ in 0..rounds {
        let actual = node.read_stream(shared, Version(1), 10_000).await.expect("a stream").len() as u64;
        let batch = vec![
            counted(StreamId::generate(), ExpectedVersion::NoStream, 2),
            counted(shared, exact(actual), 1),
            counted(shared, ExpectedVersion::Any, 1),
        ];
        for verdict in node.append(batch).await.expect("an append") {
            match verdict {
                Verdict::Appended { events: appended, .. } => events += appended.len() as u64,
                Verdict::Conflict { stream, .. } => assert_eq!(stream, shared),
                Verdict::Duplicate(_) => panic!("no key was used"),
            }
        }
    }
    events
}

/// Follows the log from its start, a few events at a time, until all are done and it has come to the end.
async fn follow(node: Arc<PostgresStore>, done: Arc<AtomicBool>) -> Vec<Arc<EventEnvelope>> {
    let mut seen: Vec<Arc<EventEnvelope>> = Vec::new();
    loop {
        let was_done = done.load(Ordering::Relaxed);
        let after = seen.last().map_or(Position::START, |event| event.position);
        let more = node.read_all(&LogQuery::after(after, 7)).await.expect("the log");
        if more.is_empty() && was_done {
            return seen;
        }
        seen.extend(more);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_misses_nothing_while_others_append_dawdle_and_roll_back() {
    let database = TestDatabase::fresh();
    let (a, b, reader) = (node(&database).await, node(&database).await, node(&database).await);
    let shared = StreamId::generate();
    let done = Arc::new(AtomicBool::new(false));
    let following = tokio::spawn(follow(Arc::clone(&reader), Arc::clone(&done)));
    let dawdling = tokio::spawn(dawdle(database.url(), Arc::clone(&done)));
    let (by_a, by_b) = tokio::join!(work(a, shared, 60), work(b, shared, 60));
    done.store(true, Ordering::Relaxed);
    let by_hand = dawdling.await.expect("transactions");
    // The last one by hand may have been committed after the reader saw the end.
    let mut seen = following.await.expect("a log");
    let after = seen.last().map_or(Position::START, |event| event.position);
    seen.extend(reader.read_all(&LogQuery::after(after, 10_000)).await.expect("the log"));

    assert_eq!(positions(&seen), (1..=by_a + by_b + by_hand).collect::<Vec<_>>());
    assert_eq!(seen, log_of(&*reader).await, "what was seen is what is there");
    let mut ends: HashMap<StreamId, u64> = HashMap::new();
    for event in &seen {
        let end = ends.entry(event.aggregate_id).or_default();
        *end += 1;
        assert_eq!(event.version.0, *end, "the versions of a stream rise along the log");
    }
}

#[tokio::test]
async fn nodes_see_the_versions_and_keys_of_each_other() {
    let database = TestDatabase::fresh();
    let (a, b) = (node(&database).await, node(&database).await);
    let stream = StreamId::generate();
    append(&*a, keyed(record("k"), counted(stream, exact(0), 2))).await;
    assert_eq!(conflict(&verdict(&*b, counted(stream, exact(0), 1)).await), (stream, Version(2)));
    assert_eq!(duplicate(verdict(&*b, keyed(record("k"), counted(stream, exact(2), 1))).await).position, Position(2));
    assert_eq!(versions(&append(&*b, counted(stream, exact(2), 1)).await), [3]);
    assert_eq!((head(&*a).await, head(&*b).await), (Position(3), Position(3)));
    assert_eq!(a.head().await.expect("a head"), b.head().await.expect("a head"));
}

#[tokio::test]
async fn a_log_in_postgres_says_that_it_is_shared() {
    let database = TestDatabase::fresh();
    assert!(node(&database).await.is_shared());
}

#[test]
fn a_store_survives_the_runtimes_of_its_callers() {
    let database = TestDatabase::fresh();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let store = runtime().block_on(node(&database));
    for round in 0..3 {
        runtime().block_on(async {
            append(&*store, counted(StreamId::generate(), exact(0), 1)).await;
            assert_eq!(head(&*store).await, Position(round + 1));
        });
    }
}
