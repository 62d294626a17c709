//! What an append answers when its connection breaks: never a success that is not in the log, never a failure that is.

use std::{sync::Arc, time::Duration};

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{PostgresOptions, PostgresStore};
use ordo_actors::{
    log::{
        event::{Position, StreamId, Version},
        store::{Commit, EventStore, ExpectedVersion, StoreError, Verdict},
    },
    testing::contract::building::{
        append, appended, commit, conflict, counted, duplicate, exact, head, increments, keyed, log_of, positions,
        record, second, stream_of, verdicts, with_snapshot,
    },
};
use tokio_postgres::{Client, NoTls};

use crate::support::{
    db_proxy::{Cut, DbProxy},
    postgres_server::{PrivateServer, TestDatabase},
};

async fn open(url: &str, options: PostgresOptions) -> PostgresStore {
    PostgresStore::open(url, options).await.expect("a store")
}

/// A session of an operator.
async fn session(database: &TestDatabase) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// A winner, a conflict, a repetition and a winner that continues the first.
async fn mixed_batch(log: &PostgresStore) -> (StreamId, StreamId, Vec<Commit>) {
    let (taken, new) = (StreamId::generate(), StreamId::generate());
    append(log, keyed(record("used"), counted(taken, exact(0), 3))).await;
    let batch = vec![
        keyed(record("fresh"), counted(new, ExpectedVersion::NoStream, 2)),
        counted(taken, exact(1), 1),
        keyed(record("used"), counted(StreamId::generate(), exact(0), 1)),
        commit([with_snapshot(3, "{}", increments(new, ExpectedVersion::Any, 1))]),
    ];
    (taken, new, batch)
}

fn assert_verdicts_of_mixed_batch(taken: StreamId, verdicts: Vec<Verdict>) {
    let [first, refused, repeated, last] = <[Verdict; 4]>::try_from(verdicts).expect("four verdicts");
    assert_eq!(positions(&appended(first).0), [4, 5]);
    assert_eq!(conflict(&refused), (taken, Version(3)));
    assert_eq!(duplicate(repeated).position, Position(3));
    let (events, position) = appended(last);
    assert_eq!((events[0].version, position), (Version(3), Position(6)));
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_answered_as_it_was_committed() {
    let database = TestDatabase::fresh();
    let proxy = DbProxy::to(&database.url());
    let store = open(&proxy.url(&database.url()), in_postgres(PostgresOptions::default())).await;
    let (taken, new, batch) = mixed_batch(&store).await;
    proxy.cut(Cut::BeforeTheAnswer);
    assert_verdicts_of_mixed_batch(taken, verdicts(&store, batch).await);
    assert_eq!(positions(&log_of(&store).await), [1, 2, 3, 4, 5, 6]);
    assert_eq!(stream_of(&store, new).await.len(), 3);
}

#[tokio::test]
async fn a_batch_that_did_not_reach_the_server_is_sent_again() {
    let database = TestDatabase::fresh();
    let proxy = DbProxy::to(&database.url());
    let store = open(&proxy.url(&database.url()), in_postgres(PostgresOptions::default())).await;
    let (taken, _, batch) = mixed_batch(&store).await;
    proxy.cut(Cut::BeforeTheDatabase);
    assert_verdicts_of_mixed_batch(taken, verdicts(&store, batch).await);
    assert_eq!(positions(&log_of(&store).await), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_learned_is_said_to_be_unknown() {
    let database = TestDatabase::fresh();
    let proxy = DbProxy::to(&database.url());
    let patient =
        PostgresOptions { outcome_patience: Duration::from_millis(300), ..in_postgres(PostgresOptions::default()) };
    let store = open(&proxy.url(&database.url()), patient).await;
    let stream = StreamId::generate();
    // With its answer here, no other is under way.
    append(&store, counted(stream, exact(0), 1)).await;
    proxy.cut(Cut::BeforeTheAnswerForGood);
    let lost = store.append(vec![counted(stream, exact(1), 1)]).await;
    assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
    proxy.cut(Cut::Never);
    assert_eq!(stream_of(&store, stream).await.len(), 2, "this one had been committed");
    append(&store, counted(stream, exact(2), 1)).await;
}

#[tokio::test]
async fn without_a_server_nothing_is_written_and_that_is_said() {
    let database = TestDatabase::fresh();
    let proxy = DbProxy::to(&database.url());
    let impatient = PostgresOptions {
        connect_patience: Duration::from_secs(1),
        read_patience: Duration::from_secs(1),
        ..in_postgres(PostgresOptions::default())
    };
    let store = open(&proxy.url(&database.url()), impatient).await;
    proxy.cut(Cut::Away);
    proxy.cut_now();
    // The store may learn of the cut while it sends: then it cannot know.
    let _ = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    let refused = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let unread = store.head().await;
    assert!(matches!(unread, Err(StoreError::Unavailable(_))), "{unread:?}");
    proxy.cut(Cut::Never);
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
    assert_eq!(positions(&log_of(&store).await), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_outlived_its_connection_is_ended_before_its_batch_is_sent_again() {
    let database = TestDatabase::fresh();
    let proxy = DbProxy::to(&database.url());
    let store = Arc::new(open(&proxy.url(&database.url()), in_postgres(PostgresOptions::default())).await);
    let operator = session(&database).await;
    operator.batch_execute("BEGIN; SELECT FROM log_head FOR UPDATE").await.expect("the head");
    let appending = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { append(&*store, counted(StreamId::generate(), exact(0), 2)).await })
    };
    let first = waiting_for_the_head(&database, 0).await;
    proxy.cut_now();
    waiting_for_the_head(&database, first).await;
    operator.batch_execute("ROLLBACK").await.expect("an end");
    assert_eq!(positions(&appending.await.expect("an append")), [1, 2]);
    assert_eq!(positions(&log_of(&*store).await), [1, 2]);
}

/// The process id of a backend that waits in an append, once there is one that is not `other`; `other` is then gone.
async fn waiting_for_the_head(database: &TestDatabase, other: i32) -> i32 {
    let operator = session(database).await;
    loop {
        let rows = operator
            .query(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ordo_append%' \
                 AND datname = current_database()",
                &[],
            )
            .await
            .expect("the activity");
        let waiting: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        if let Some(new) = waiting.iter().find(|pid| **pid != other) {
            assert!(!waiting.contains(&other), "the old statement still waits beside the new one");
            return *new;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_backend_ended_before_its_commit_costs_a_second_attempt_and_nothing_else() {
    let database = TestDatabase::fresh();
    let store = open(&database.url(), in_postgres(PostgresOptions::default())).await;
    // The first insert ends its own backend; the sequence remembers, because it knows no rollback.
    database
        .execute(
            "CREATE SEQUENCE once;
             CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('once') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL;
             END $$;
             CREATE TRIGGER end_it AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION end_it()",
        )
        .expect("a trigger");
    assert_eq!(positions(&append(&store, counted(StreamId::generate(), exact(0), 2)).await), [1, 2]);
    assert_eq!(positions(&log_of(&store).await), [1, 2]);
}

#[tokio::test]
async fn a_deadlock_costs_a_second_attempt_and_nothing_else() {
    let database = TestDatabase::fresh();
    let store = open(&database.url(), in_postgres(PostgresOptions::default())).await;
    database
        .execute(
            "CREATE SEQUENCE once;
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('once') <= 2 THEN RAISE EXCEPTION 'a deadlock' USING ERRCODE = 'deadlock_detected'; END IF;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER fail AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION fail()",
        )
        .expect("a trigger");
    assert_eq!(positions(&append(&store, counted(StreamId::generate(), exact(0), 1)).await), [1]);
}

#[tokio::test]
async fn an_append_whose_turn_does_not_come_writes_nothing() {
    let database = TestDatabase::fresh();
    let hasty =
        PostgresOptions { statement_timeout: Duration::from_millis(200), ..in_postgres(PostgresOptions::default()) };
    let store = open(&database.url(), hasty).await;
    let operator = session(&database).await;
    operator.batch_execute("BEGIN; SELECT FROM log_head FOR UPDATE").await.expect("the head");
    let late = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    operator.batch_execute("ROLLBACK").await.expect("an end");
    assert_eq!(head(&store).await, Position::START);
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
}

/// Waits until the store says that it can be written, or why not.
async fn readiness(store: &PostgresStore, ready: bool) -> String {
    loop {
        let ping = store.ping().await;
        if ping.is_ok() == ready {
            return ping.err().map(|error| error.told().to_owned()).unwrap_or_default();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_without_room_is_not_ready_until_a_write_goes_through() {
    let database = TestDatabase::fresh();
    let store = open(&database.url(), in_postgres(PostgresOptions::default())).await;
    store.ping().await.expect("a store that can be written");
    // As the server says it when a file cannot grow; the insert into log_writers is what finds out later.
    database
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON log_writers FOR EACH STATEMENT EXECUTE FUNCTION refuse()",
        )
        .expect("a trigger");
    let refused = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    for _ in 0..3 {
        assert_eq!(readiness(&store, false).await, "disk full");
    }
    database.execute("DROP TRIGGER refuse ON log_writers").expect("room");
    readiness(&store, true).await;
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
    assert_eq!(positions(&log_of(&store).await), [1], "what finds out leaves nothing in the log");
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_not_ready_and_says_so() {
    let database = TestDatabase::fresh();
    let store = open(&database.url(), in_postgres(PostgresOptions::default())).await;
    store.ping().await.expect("a store that can be written");
    database.set("default_transaction_read_only = on");
    // Sessions have their settings from when they began.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()";
    database.execute(end).expect("no sessions");
    // Not yet while the last sessions are ending.
    while readiness(&store, false).await != "read-only" {}
    let refused = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    assert!(refused.is_err(), "{refused:?}");
    database.set("default_transaction_read_only = off");
    readiness(&store, true).await;
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
}

#[tokio::test]
async fn an_append_that_is_abandoned_leaves_the_store_in_order() {
    let database = TestDatabase::fresh();
    let store = open(&database.url(), in_postgres(PostgresOptions::default())).await;
    let operator = session(&database).await;
    operator.batch_execute("BEGIN; SELECT FROM log_head FOR UPDATE").await.expect("the head");
    let abandoned = store.append(vec![counted(StreamId::generate(), exact(0), 1)]);
    let _ = tokio::time::timeout(Duration::from_millis(50), abandoned).await;
    operator.batch_execute("ROLLBACK").await.expect("an end");
    let events = append(&store, counted(StreamId::generate(), exact(0), 1)).await;
    assert_eq!(log_of(&store).await.last(), events.last());
}

#[tokio::test]
async fn rows_added_past_the_append_function_are_corruption_and_lose_no_event() {
    let database = TestDatabase::fresh();
    let store = open(&database.url(), in_postgres(PostgresOptions::default())).await;
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
    database
        .execute(
            "INSERT INTO events SELECT position + 1, version, event_id, gen_random_uuid(), timestamp, schema_version, \
             event_type, aggregate_type, metadata, payload, checksum, chain FROM events",
        )
        .expect("a row");
    let refused = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

#[tokio::test]
async fn a_log_that_was_exchanged_under_the_store_is_not_written_to() {
    let database = TestDatabase::fresh();
    let proxy = DbProxy::to(&database.url());
    let store = open(&proxy.url(&database.url()), in_postgres(PostgresOptions::default())).await;
    database.execute("UPDATE log_head SET epoch = gen_random_uuid()").expect("another log");
    proxy.cut_now();
    // The first may find out only after sending.
    let _ = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    let refused = store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

/// What became of the commits of one writer; each is one event, known by its stream.
#[derive(Default)]
struct Answers {
    acknowledged: Vec<StreamId>,
    refused: Vec<StreamId>,
    unknown: Vec<StreamId>,
}

/// Appends batches of five until `enough` are acknowledged.
async fn load(store: Arc<PostgresStore>, enough: usize) -> Answers {
    let mut answers = Answers::default();
    while answers.acknowledged.len() < enough {
        let streams: Vec<_> = (0..5).map(|_| StreamId::generate()).collect();
        let batch = streams.iter().map(|stream| counted(*stream, ExpectedVersion::NoStream, 1)).collect();
        match store.append(batch).await {
            Ok(verdicts) => {
                for verdict in verdicts {
                    assert_eq!(appended(verdict).0.len(), 1);
                }
                answers.acknowledged.extend(streams);
            }
            Err(StoreError::Unknown(_)) => answers.unknown.extend(streams),
            Err(StoreError::Unavailable(_)) => answers.refused.extend(streams),
            Err(other) => panic!("{other}"),
        }
    }
    answers
}

async fn assert_log_agrees(store: &PostgresStore, answers: &Answers) {
    let log = log_of(store).await;
    assert_eq!(positions(&log), (1..=log.len() as u64).collect::<Vec<_>>());
    let count = |stream: &StreamId| log.iter().filter(|event| event.aggregate_id == *stream).count();
    assert!(answers.acknowledged.iter().all(|stream| count(stream) == 1), "an acknowledged commit is lost or doubled");
    assert!(answers.refused.iter().all(|stream| count(stream) == 0), "a commit that was said not to be there is");
    assert!(answers.unknown.iter().all(|stream| count(stream) <= 1), "a commit is doubled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_ended_under_load_lose_and_double_nothing() {
    let database = TestDatabase::fresh();
    let options =
        PostgresOptions { connect_patience: Duration::from_secs(20), ..in_postgres(PostgresOptions::default()) };
    let (a, b) = (open(&database.url(), options.clone()).await, open(&database.url(), options).await);
    let (a, b) = (Arc::new(a), Arc::new(b));
    let operator = session(&database).await;
    let work = [tokio::spawn(load(Arc::clone(&a), 300)), tokio::spawn(load(Arc::clone(&b), 300))];
    let mut ended = 0;
    while !work.iter().all(tokio::task::JoinHandle::is_finished) {
        let killed = operator
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' \
                 AND query LIKE 'SELECT head, outcomes%' AND pid <> pg_backend_pid() AND datname = current_database()",
                &[],
            )
            .await;
        ended += killed.expect("some ended");
        // Some appends go through in between.
        operator.execute("SELECT pg_sleep(0.03)", &[]).await.expect("a moment");
    }
    assert!(ended > 0, "no append was disturbed");
    for work in work {
        assert_log_agrees(&a, &work.await.expect("a load")).await;
    }
    append(&*a, counted(StreamId::generate(), exact(0), 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_or_crashes_under_load_loses_nothing_it_confirmed() {
    let mut server = PrivateServer::start(&[]);
    let database = TestDatabase::on(&server.url());
    let store = Arc::new(open(&database.url(), in_postgres(PostgresOptions::default())).await);
    let mut appended = 0;
    for crash in [true, false] {
        let work = tokio::spawn(load(Arc::clone(&store), 200));
        while head(&*store).await.0 < appended + 50 {}
        tokio::task::block_in_place(|| {
            if crash {
                server.crash();
            } else {
                server.stop();
            }
            server.start_again();
        });
        assert_log_agrees(&store, &work.await.expect("a load")).await;
        appended = head(&*store).await.0;
    }
    assert_eq!(log_of(&*store).await[0].timestamp, second(0));
}
