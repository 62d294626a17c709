//! The SQLite store: what is its own beside the contract all stores share.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use ordo::application::schema::in_sqlite;
use ordo_actors::log::{
    event::{Metadata, Position, StreamId, Version},
    store::{
        Commit, EventStore, ExpectedVersion, IdempotencyKey, IdempotencyRecord, LogQuery, NewEvent, Snapshot,
        StoreError, StreamWrite, Verdict,
    },
};
use ordo_actors::stores::sqlite::{OpenError, SqliteOptions, SqliteStore};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;

struct Log {
    directory: TempDir,
}

impl Log {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("new").join("log.db")
    }

    fn open(&self) -> SqliteStore {
        self.try_open().expect("a log")
    }

    fn try_open(&self) -> Result<SqliteStore, OpenError> {
        let options = SqliteOptions { busy_timeout: Duration::from_millis(20), ..in_sqlite(SqliteOptions::default()) };
        SqliteStore::open(&self.path(), options)
    }

    /// As an operator with the `sqlite3` shell sees it.
    fn shell(&self) -> Connection {
        Connection::open(self.path()).expect("a second connection")
    }
}

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).expect("a time")
}

fn event(event_type: &'static str, payload: &str) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.into(),
        schema_version: 1,
        payload: RawValue::from_string(payload.to_owned()).expect("JSON"),
    }
}

fn commit(stream: StreamId, expected: ExpectedVersion, micros: i64, events: Vec<NewEvent>) -> Commit {
    Commit {
        timestamp: at(micros),
        metadata: Arc::new(Metadata { principal: Some("ann".to_owned()), ..Metadata::default() }),
        writes: vec![StreamWrite { stream, aggregate_type: "Counter".into(), expected, events, snapshot: None }],
        idempotency: None,
    }
}

fn one(stream: StreamId) -> Commit {
    commit(stream, ExpectedVersion::NoStream, 1, vec![event("Counted", r#"{"by": 1}"#)])
}

fn record(key: &str, answer: Vec<u8>, micros: i64) -> IdempotencyRecord {
    IdempotencyRecord {
        key: IdempotencyKey { scope: "ann".to_owned(), key: key.to_owned() },
        fingerprint: [7; 32],
        answer,
        position: Position::START,
        recorded_at: at(micros),
    }
}

fn is_appended(verdicts: &Result<Vec<Verdict>, StoreError>) -> bool {
    matches!(verdicts.as_deref(), Ok([Verdict::Appended { .. }]))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[tokio::test]
async fn the_files_belong_to_their_owner_alone() {
    let log = Log::new();
    let store = log.open();
    store.append(vec![one(StreamId::generate())]).await.expect("a verdict");
    assert_eq!(mode(log.path().parent().expect("a directory")), 0o700);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&beside(&log.path(), suffix)), 0o600, "{suffix}");
    }
}

#[test]
fn a_second_store_on_the_same_file_is_refused_at_once() {
    let log = Log::new();
    let first = log.open();
    let refused = log.try_open().err().expect("a refusal");
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    drop(first);
    log.open();
}

#[test]
fn a_file_of_another_program_is_left_untouched() {
    let log = Log::new();
    std::fs::create_dir_all(log.path().parent().expect("a directory")).expect("a directory");
    let theirs = log.shell();
    theirs.execute_batch("CREATE TABLE contacts (name TEXT); PRAGMA user_version = 3").expect("their schema");
    drop(theirs);
    let before = std::fs::read(log.path()).expect("their file");
    assert!(matches!(log.try_open().err(), Some(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read(log.path()).expect("their file"), before);
}

#[test]
fn a_file_that_is_no_database_is_left_untouched() {
    let log = Log::new();
    std::fs::create_dir_all(log.path().parent().expect("a directory")).expect("a directory");
    std::fs::write(log.path(), "Dear diary, ".repeat(500)).expect("a text");
    assert!(matches!(log.try_open().err(), Some(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read_to_string(log.path()).expect("a text"), "Dear diary, ".repeat(500));
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let log = Log::new();
    drop(log.open());
    log.shell()
        .execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
             SELECT 9999, 'from_the_future', applied_on, '1' FROM refinery_schema_history WHERE version = 1",
            [],
        )
        .expect("a migration");
    assert!(matches!(log.try_open().err(), Some(OpenError::Schema { .. })));
}

#[tokio::test]
async fn the_epoch_outlives_the_process_and_is_not_that_of_another_log() {
    let log = Log::new();
    let epoch = log.open().head().await.expect("a head").epoch;
    assert_eq!(log.open().head().await.expect("a head").epoch, epoch);
    assert_ne!(Log::new().open().head().await.expect("a head").epoch, epoch);
}

#[tokio::test]
async fn events_are_neither_changed_nor_deleted_nor_replaced_by_anyone() {
    let log = Log::new();
    let store = log.open();
    let stream = StreamId::generate();
    store.append(vec![one(stream)]).await.expect("a verdict");
    let before = store.read_stream(stream, Version(1), 10).await.expect("events");
    let shell = log.shell();
    let copy = "INTO events SELECT position, aggregate_id, version, event_id, 'Forged', schema_version, \
                aggregate_type, timestamp, payload, metadata, checksum, chain FROM events";
    for statement in [
        "UPDATE events SET payload = '{}'".to_owned(),
        "UPDATE OR REPLACE events SET position = 1".to_owned(),
        "DELETE FROM events".to_owned(),
        format!("INSERT OR REPLACE {copy}"),
        format!("REPLACE {}", copy.replace("SELECT position", "SELECT position + 1")),
        format!(
            "INSERT {}",
            copy.replace("SELECT position", "SELECT position + 7").replace("version,", "version + 1,")
        ),
    ] {
        let refused = shell.execute(&statement, []).expect_err(&statement).to_string();
        assert!(refused.contains("append"), "{statement}: {refused}");
    }
    assert_eq!(store.read_stream(stream, Version(1), 10).await.expect("events"), before);
}

#[tokio::test]
async fn an_operator_reads_the_file_while_it_is_written() {
    let log = Log::new();
    let store = log.open();
    let stream = StreamId::generate();
    store.append(vec![one(stream)]).await.expect("a verdict");
    let seen: (String, String, i64) = log
        .shell()
        .query_row("SELECT aggregate_id, at, position FROM readable_events", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .expect("a row");
    assert_eq!(seen, (stream.to_string(), "1970-01-01T00:00:00.000Z".to_owned(), 1));
    let head: i64 = log.shell().query_row("SELECT position FROM log_head", [], |row| row.get(0)).expect("a row");
    assert_eq!(head, 1);
}

#[tokio::test]
async fn a_locked_file_takes_nothing_and_resumes_when_it_is_free() {
    let log = Log::new();
    let store = log.open();
    let shell = log.shell();
    shell.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let stream = StreamId::generate();
    assert!(matches!(store.append(vec![one(stream)]).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(store.read_stream(stream, Version(1), 10).await.expect("no events").is_empty());
    shell.execute_batch("ROLLBACK").expect("the lock gone");
    store.ping().await.expect("a healthy store");
    assert!(is_appended(&store.append(vec![one(stream)]).await));
    assert_eq!(store.head().await.expect("a head").position, Position(1));
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_service_resumes_when_there_is_room() {
    let log = Log::new();
    let options = SqliteOptions { max_pages: Some(150), ..in_sqlite(SqliteOptions::default()) };
    let store = SqliteStore::open(&log.path(), options).expect("a log");
    let mut appended = 0;
    let refused = loop {
        let mut large = one(StreamId::generate());
        large.idempotency = Some(record(&format!("key {appended}"), vec![0; 30_000], 1));
        match store.append(vec![large]).await {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(appended > 3);
    let events = store.read_all(&LogQuery::after(Position::START, 1_000)).await.expect("events");
    assert_eq!(events.len(), appended);
    assert_eq!(store.forget_idempotency(at(2), 10).await.expect("room"), appended.min(10));
    assert!(is_appended(&store.append(vec![one(StreamId::generate())]).await));
    assert_eq!(store.head().await.expect("a head").position, Position(appended as u64 + 1));
}

#[tokio::test]
async fn a_damaged_event_is_named_and_not_served() {
    let log = Log::new();
    let store = log.open();
    let stream = StreamId::generate();
    store.append(vec![one(stream)]).await.expect("a verdict");
    let shell = log.shell();
    shell
        .execute_batch("DROP TRIGGER events_are_never_changed; UPDATE events SET payload = '{\"by\": '")
        .expect("vandalism");
    let refused = store.read_stream(stream, Version(1), 10).await.expect_err("a refusal");
    assert!(matches!(&refused, StoreError::Corrupt(reason) if reason.contains("position 1")), "{refused}");
}

#[tokio::test]
async fn a_snapshot_never_goes_back_nor_beyond_its_stream() {
    let log = Log::new();
    let store = log.open();
    let stream = StreamId::generate();
    let with_snapshot = |expected, version| {
        let mut commit = commit(stream, expected, 1, vec![event("Counted", "{}"), event("Counted", "{}")]);
        let state = RawValue::from_string(format!("[{version}]")).expect("JSON");
        commit.writes[0].snapshot =
            Some(Snapshot { version: Version(version), position: Position::START, schema: 1, state });
        commit
    };
    for (end, version, kept) in [(0, 2, 2), (2, 1, 2), (4, 99, 2), (6, 7, 7)] {
        let commit = with_snapshot(ExpectedVersion::Exact(Version(end)), version);
        assert!(is_appended(&store.append(vec![commit]).await));
        let found = store.snapshot(stream).await.expect("an answer").expect("a snapshot");
        assert_eq!((found.version, found.position), (Version(kept), Position(kept)));
        assert_eq!(found.state.get(), format!("[{kept}]"));
    }
}

/// Rare and common types over several blocks, with timestamps that now and then step back.
async fn searchable(log: &Log) -> SqliteStore {
    let store = log.open();
    for number in 0..700_i64 {
        let event_type = match number % 250 {
            17 => "Rare",
            n if n % 2 == 0 => "Even",
            _ => "Odd",
        };
        let micros = 1_000 * number - 100_000 * (number % 2);
        let events = (0..6).map(|_| event(event_type, "{}")).collect();
        let mut commit = commit(StreamId::generate(), ExpectedVersion::NoStream, micros, events);
        if number % 100 == 99 {
            commit.writes[0].aggregate_type = "Saga".into();
        }
        store.append(vec![commit]).await.expect("a verdict");
    }
    store
}

async fn positions(store: &SqliteStore, query: &LogQuery) -> Vec<u64> {
    store.read_all(query).await.expect("events").iter().map(|event| event.position.0).collect()
}

#[tokio::test]
async fn a_search_finds_exactly_what_a_scan_of_the_log_would() {
    let log = Log::new();
    let store = searchable(&log).await;
    let everything = store.read_all(&LogQuery::after(Position::START, 10_000)).await.expect("events");
    assert_eq!(everything.len(), 4_200);
    let blocks: i64 =
        log.shell().query_row("SELECT count(*) FROM event_blocks", [], |row| row.get(0)).expect("a count");
    assert!(blocks > 3, "the search must have blocks to skip: {blocks}");
    let types: [&[&str]; 4] = [&[], &["Rare"], &["Rare", "Odd"], &["Unheard"]];
    let times = [None, Some(at(0)), Some(at(250_000)), Some(at(699_001)), Some(at(9_000_000))];
    for event_types in types {
        for aggregate_type in [None, Some("Saga"), Some("Counter"), Some("Nothing")] {
            for (from, to) in times.iter().flat_map(|from| times.iter().map(move |to| (*from, *to))) {
                for (after, limit) in [(0, 10_000), (1_011, 7), (4_199, 10), (4_200, 10), (u64::MAX, 10), (0, 0)] {
                    let query = LogQuery {
                        after: Position(after),
                        limit,
                        stream: None,
                        event_types: event_types.iter().map(|name| (*name).to_owned()).collect(),
                        aggregate_type: aggregate_type.map(str::to_owned),
                        from,
                        to,
                    };
                    let expected: Vec<u64> =
                        everything.iter().filter(|e| query.matches(e)).map(|e| e.position.0).take(limit).collect();
                    assert_eq!(positions(&store, &query).await, expected, "{query:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_search_within_a_stream_finds_exactly_what_a_scan_of_the_log_would() {
    let log = Log::new();
    let store = searchable(&log).await;
    let everything = store.read_all(&LogQuery::after(Position::START, 10_000)).await.expect("events");
    let query = LogQuery {
        stream: Some(everything[2_000].aggregate_id),
        event_types: vec![everything[2_000].event_type.to_string()],
        ..LogQuery::after(Position(1_999), 10)
    };
    let expected: Vec<u64> = everything.iter().filter(|e| query.matches(e)).map(|e| e.position.0).collect();
    assert!(expected.len() > 1);
    assert_eq!(positions(&store, &query).await, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn reopening_shows_all_that_was_acknowledged(
        batches in prop::collection::vec(prop::collection::vec((0..4_usize, 0..3_u64, 0..40_usize), 1..12), 1..12),
        reopen_after in 0..12_usize,
    ) {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
            let log = Log::new();
            let mut store = log.open();
            let streams: Vec<_> = (0..4).map(|_| StreamId::generate()).collect();
            let mut acknowledged = Vec::new();
            for (number, batch) in batches.into_iter().enumerate() {
                if number == reopen_after {
                    drop(store);
                    store = log.open();
                }
                let commits = batch.into_iter().map(|(stream, expected, events)| {
                    let expected = if expected == 2 { ExpectedVersion::Any } else { ExpectedVersion::Exact(Version(expected)) };
                    let events = (0..events).map(|n| event("Counted", &format!("{{\"n\":  {n}}}"))).collect();
                    let mut commit = commit(streams[stream], expected, 5, events);
                    commit.metadata = Arc::new(Metadata { principal: Some(format!("{stream}")), ..Metadata::default() });
                    commit
                });
                for verdict in store.append(commits.collect()).await.expect("verdicts") {
                    if let Verdict::Appended { events, .. } = verdict {
                        acknowledged.extend(events);
                    }
                }
            }
            drop(store);
            let store = log.open();
            let found = store.read_all(&LogQuery::after(Position::START, 10_000)).await.expect("events").into_events();
            assert_eq!(found, acknowledged);
            assert_eq!(store.head().await.expect("a head").position.0, acknowledged.len() as u64);
            assert!(found.iter().zip(1..).all(|(event, position)| event.position == Position(position)));
        });
    }
}

mod contract {
    use super::{Arc, EventStore, Log, SqliteStore};
    use ordo_actors::testing::contract::ContractFixture;

    struct Fixture {
        store: Arc<SqliteStore>,
        log: Log,
    }

    impl Fixture {
        fn new() -> Self {
            let log = Log::new();
            Self { store: Arc::new(log.open()), log }
        }
    }

    impl ContractFixture for Fixture {
        fn store(&self) -> Arc<dyn EventStore> {
            Arc::clone(&self.store) as Arc<dyn EventStore>
        }

        async fn reopen(self) -> Self {
            let Self { store, log } = self;
            drop(store);
            Self { store: Arc::new(log.open()), log }
        }
    }

    ordo_actors::store_contract!(|| async { Fixture::new() });

    mod after_reopening {
        use super::Fixture;

        ordo_actors::durable_store_contract!(|| async { Fixture::new() });
    }
}
