//! What has been changed, removed, added or moved behind the program's back is noticed by an audit, all of it.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use ordo::application::schema::{in_postgres, in_sqlite};
use ordo::audit::Audit;
use ordo_actors::stores::{
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{OpenError, SqliteOptions, SqliteStore},
};
use ordo_actors::{
    log::{
        event::{Metadata, Position, StreamId, Version},
        inspection::Inspect,
        store::{Commit, EventStore, ExpectedVersion, LogQuery, StoreError},
        upcast::Upcasters,
    },
    testing::contract::building::{
        append, commit, counted, duplicate, exact, increments, keyed, record, verdict, verdicts, with_snapshot,
    },
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use uuid::Uuid;

use crate::support::{
    ordo_command::{run, sqlite, verify},
    postgres_server::TestDatabase,
    rng::Rng,
};

/// What holds the rows, and what is behind them.
trait Database {
    fn store(&self) -> &dyn EventStore;
    fn inspect(&self) -> &dyn Inspect;
    /// The one row that says where the log ends.
    fn head_table(&self) -> &'static str;
    /// Runs statements as one transaction; `false` when the database refuses them.
    async fn execute(&self, statements: &str) -> bool;
    /// Expressions for what a column of a row may hold after a bit of it has flipped.
    async fn flips(&self, table: &str, column: &str, row: &str) -> Vec<String>;
}

struct InFile {
    store: SqliteStore,
    shell: Connection,
    directory: TempDir,
}

impl InFile {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.db");
        let store = SqliteStore::open(&path, in_sqlite(SqliteOptions::default())).unwrap();
        let shell = Connection::open(&path).unwrap();
        shell
            .execute_batch(
                "PRAGMA synchronous = OFF; DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted; \
                 DROP TRIGGER events_are_only_appended_by_the_store",
            )
            .unwrap();
        Self { store, shell, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("log.db")
    }
}

impl Database for InFile {
    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    fn inspect(&self) -> &dyn Inspect {
        &self.store
    }

    fn head_table(&self) -> &'static str {
        "log"
    }

    async fn execute(&self, statements: &str) -> bool {
        let done = self.shell.execute_batch(&format!("BEGIN; {statements}; COMMIT")).is_ok();
        if !done {
            self.shell.execute_batch("ROLLBACK").unwrap();
        }
        done
    }

    async fn flips(&self, table: &str, column: &str, row: &str) -> Vec<String> {
        let sql = format!("SELECT typeof({column}), {column}, CAST({column} AS BLOB) FROM {table} WHERE {row}");
        self.shell
            .query_row(&sql, [], |found| {
                let kind: String = found.get(0)?;
                if kind == "integer" {
                    let value: i64 = found.get(1)?;
                    return Ok(flipped_number(value).iter().map(ToString::to_string).collect());
                }
                let bytes: Vec<u8> = found.get(2)?;
                let wrap =
                    |hex: String| if kind == "text" { format!("CAST(x'{hex}' AS TEXT)") } else { format!("x'{hex}'") };
                Ok(flipped(&bytes).map(|bytes| wrap(hex(&bytes))).collect())
            })
            .unwrap()
    }
}

/// The number with each of its bits flipped in turn.
fn flipped_number(number: i64) -> Vec<i64> {
    (0..64).map(|bit| number ^ (1 << bit)).collect()
}

/// The bytes with a bit flipped in each of them in turn, another bit in each.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).map(|at| {
        let mut other = bytes.to_vec();
        other[at] ^= 1 << (at * 3 % 8);
        other
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

struct InServer {
    store: PostgresStore,
    operator: Client,
    _database: TestDatabase,
}

impl InServer {
    async fn new() -> Self {
        let database = TestDatabase::fresh();
        let store = PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.unwrap();
        let (operator, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        operator
            .batch_execute("SET synchronous_commit = off; ALTER TABLE events DISABLE TRIGGER events_are_final")
            .await
            .unwrap();
        Self { store, operator, _database: database }
    }

    async fn text(&self, sql: &str) -> String {
        let rows = self.operator.simple_query(sql).await.unwrap();
        let value = rows.iter().find_map(|row| match row {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        value.unwrap()
    }
}

impl Database for InServer {
    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    fn inspect(&self) -> &dyn Inspect {
        &self.store
    }

    fn head_table(&self) -> &'static str {
        "log_head"
    }

    async fn execute(&self, statements: &str) -> bool {
        let done = self.operator.batch_execute(&format!("BEGIN; {statements}; COMMIT")).await.is_ok();
        if !done {
            self.operator.batch_execute("ROLLBACK").await.unwrap();
        }
        done
    }

    /// Some bits of the value as it is shown: not every flip of those is a value of the type.
    async fn flips(&self, table: &str, column: &str, row: &str) -> Vec<String> {
        let kind = self.text(&format!("SELECT pg_typeof({column}) FROM {table} WHERE {row}")).await;
        let shown = self.text(&format!("SELECT {column}::text FROM {table} WHERE {row}")).await;
        if let ("bigint" | "integer", Ok(number)) = (kind.as_str(), shown.parse()) {
            let some = flipped_number(number).into_iter().step_by(3);
            return some.map(|number| format!("'{number}'::bigint")).collect();
        }
        let texts = flipped(shown.as_bytes()).filter_map(|bytes| String::from_utf8(bytes).ok());
        let literals = texts.filter(|text| !text.contains('\0')).map(|text| text.replace('\'', "''"));
        let literals = literals.step_by(1 + shown.len() / 16);
        let mut flips = Vec::new();
        for literal in literals {
            let value = format!("'{literal}'::{kind}");
            let same = format!("SELECT ({value}::text = {column}::text)::text FROM {table} WHERE {row}");
            let is_another = match self.operator.simple_query(&same).await {
                Ok(rows) => {
                    rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("false")))
                }
                Err(_) => false,
            };
            if is_another {
                flips.push(value);
            }
        }
        flips
    }
}

/// Five batches over four streams, with a commit to two streams, a snapshot and a record; the third batch is one event.
async fn fill(store: &dyn EventStore) {
    let streams: [StreamId; 4] = std::array::from_fn(|_| StreamId::generate());
    let [a, b, c, d] = streams;
    let named = |commit: Commit| Commit {
        metadata: Arc::new(Metadata {
            correlation_id: Some("asked-by-Zoë".into()),
            causation_id: Some(Uuid::now_v7()),
            command_id: Some(Uuid::now_v7()),
            principal: Some("ann".into()),
        }),
        ..commit
    };
    let snapshot = with_snapshot(4, r#"{"value":4}"#, increments(b, exact(2), 2));
    for batch in [
        vec![named(counted(a, exact(0), 3)), named(counted(b, exact(0), 2))],
        vec![named(keyed(record("first"), commit([increments(a, exact(3), 1), increments(c, exact(0), 2)])))],
        vec![named(counted(d, ExpectedVersion::Any, 1))],
        vec![named(keyed(record("second"), commit([snapshot]))), named(counted(c, exact(2), 1))],
        vec![named(counted(a, exact(4), 1)), named(counted(d, exact(1), 2))],
    ] {
        verdicts(store, batch).await;
    }
}

const KEPT: &[&str] = &["events", "snapshots", "idempotency", "event_kinds"];

async fn keep(database: &impl Database) {
    for table in KEPT.iter().copied().chain([database.head_table()]) {
        assert!(database.execute(&format!("CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")).await);
    }
}

async fn restore(database: &impl Database) {
    for table in KEPT.iter().copied().chain([database.head_table()]) {
        restore_table(database, table).await;
    }
}

async fn restore_table(database: &impl Database, table: &str) {
    let back = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
    assert!(database.execute(&back).await, "{table}");
}

/// What an audit says; a log that cannot even be read is told as well.
async fn audit(database: &impl Database) -> Result<Audit, StoreError> {
    Audit::of(database.store(), database.inspect(), &Upcasters::new(), |_| ()).await
}

async fn is_noticed(database: &impl Database) -> bool {
    match audit(database).await {
        Ok(audit) => audit.faults > 0,
        Err(StoreError::Corrupt(_)) => true,
        Err(error) => panic!("{error}"),
    }
}

async fn assert_sound(database: &impl Database) {
    let audit = audit(database).await.unwrap();
    assert_eq!((audit.faults, audit.events), (0, 15), "{:?}", audit.findings);
    assert_eq!((audit.snapshots, audit.idempotency_records), (1, 2));
    assert_eq!((audit.checksums_from, audit.without_checksum), (Some(1), 0));
}

/// Flips every bit of these columns, one at a time, and counts those that could be.
async fn flip_all(database: &impl Database, table: &str, columns: &[&str], row: &str) {
    for column in columns {
        let mut done = 0;
        for value in database.flips(table, column, row).await {
            if !database.execute(&format!("UPDATE {table} SET {column} = {value} WHERE {row}")).await {
                continue;
            }
            done += 1;
            assert!(is_noticed(database).await, "{table}.{column} = {value}");
            restore_table(database, table).await;
        }
        assert!(done > 0 || *column == "chain", "no bit of {table}.{column} was flipped");
    }
}

const EVENT_COLUMNS: &[&str] = &[
    "position",
    "version",
    "event_id",
    "aggregate_id",
    "timestamp",
    "schema_version",
    "event_type",
    "aggregate_type",
    "metadata",
    "payload",
    "checksum",
    "chain",
];

async fn flip_everything(database: &impl Database) {
    fill(database.store()).await;
    keep(database).await;
    assert_sound(database).await;
    // The first of a batch, and one within a batch.
    flip_all(database, "events", EVENT_COLUMNS, "position = 6").await;
    flip_all(database, "events", EVENT_COLUMNS, "position = 3").await;
    flip_all(database, "snapshots", &["aggregate_id", "version", "position", "schema", "state", "checksum"], "true")
        .await;
    let record = &["scope", "key", "fingerprint", "answer", "position", "recorded_at", "checksum"];
    flip_all(database, "idempotency", record, "key = 'first'").await;
    flip_all(database, database.head_table(), &["position", "chain", "epoch", "checked_after"], "true").await;
    let kind = &["aggregate_type", "event_type", "schema_version"];
    flip_all(database, "event_kinds", kind, "event_type = (SELECT min(event_type) FROM event_kinds)").await;
    assert_sound(database).await;
}

#[tokio::test]
async fn a_flipped_bit_of_any_stored_value_is_noticed_in_sqlite() {
    flip_everything(&InFile::new()).await;
}

#[tokio::test]
async fn a_flipped_bit_of_any_stored_value_is_noticed_in_postgresql() {
    flip_everything(&InServer::new().await).await;
}

/// Gives the events positions without a hole again, and the head the last of them.
const RENUMBER: &str = "CREATE TEMP TABLE numbers AS SELECT position AS old, row_number() OVER (ORDER BY position) AS new FROM events; \
    UPDATE events SET position = -(SELECT new FROM numbers WHERE old = position); UPDATE events SET position = -position; \
    DROP TABLE numbers; UPDATE {head} SET position = (SELECT max(position) FROM events)";

fn swap(one: u64, other: u64) -> String {
    format!(
        "UPDATE events SET position = -1 WHERE position = {one}; UPDATE events SET position = {one} WHERE position = {other}; \
         UPDATE events SET position = {other} WHERE position = -1"
    )
}

/// A copy of the event at `from` at another position, as the first or the next of a stream.
fn add(from: u64, position: i64, stream: &str, version: u64) -> String {
    format!(
        "INSERT INTO events (position, version, event_id, aggregate_id, timestamp, schema_version, event_type, aggregate_type, \
         metadata, payload, checksum, chain) SELECT {position}, {version}, event_id, {stream}, timestamp, schema_version, \
         event_type, aggregate_type, metadata, payload, checksum, chain FROM events WHERE position = {from}"
    )
}

fn structural(new_id: &str) -> Vec<String> {
    let stream_of = |position: u64| format!("(SELECT aggregate_id FROM events WHERE position = {position})");
    let shift = "UPDATE events SET position = -position WHERE position > 7; UPDATE events SET position = 1 - position WHERE position < 0";
    let cut_to_head = "UPDATE {head} SET position = (SELECT max(position) FROM events)";
    let mut changes = Vec::new();
    for position in 1..=15 {
        changes.push(format!("DELETE FROM events WHERE position = {position}"));
        changes.push(format!("DELETE FROM events WHERE position = {position}; {RENUMBER}"));
        changes.push(format!("DELETE FROM events WHERE position > {}; {cut_to_head}", position - 1));
        changes.push(format!("DELETE FROM events WHERE position > {}", position - 1));
        changes.push(format!("DELETE FROM events WHERE aggregate_id = {}; {RENUMBER}", stream_of(position)));
        changes.push(format!("UPDATE events SET checksum = '' WHERE position = {position}"));
        for other in position + 1..=15 {
            changes.push(swap(position, other));
        }
    }
    // Batches, from their first to their last position.
    for (first, last) in [(1, 5), (6, 8), (9, 9), (10, 12), (13, 15)] {
        let cut = format!("DELETE FROM events WHERE position BETWEEN {first} AND {last}");
        changes.push(format!("{cut}; {RENUMBER}"));
        changes.push(cut);
        changes.push(format!("UPDATE events SET chain = '' WHERE position = {first}"));
    }
    changes.extend([
        add(15, 16, new_id, 1),
        format!("{}; {cut_to_head}", add(15, 16, new_id, 1)),
        format!("{}; {cut_to_head}", add(15, 16, &stream_of(15), 4)),
        add(15, 16, &stream_of(15), 4),
        add(15, 0, new_id, 1),
        add(15, -5, new_id, 1),
        add(15, i64::MAX, new_id, 1),
        format!("{shift}; {}; {cut_to_head}", add(7, 8, new_id, 1)),
        // Everything decided, with its checksum, in the place of another.
        "UPDATE events SET event_id = (SELECT event_id FROM events WHERE position = 2), payload = (SELECT payload FROM events \
         WHERE position = 2), metadata = (SELECT metadata FROM events WHERE position = 2), checksum = (SELECT checksum FROM events \
         WHERE position = 2) WHERE position = 3"
            .to_owned(),
        "UPDATE events SET checksum = ''".to_owned(),
        "UPDATE events SET checksum = '', chain = ''".to_owned(),
        "UPDATE events SET checksum = '', chain = ''; UPDATE {head} SET chain = ''".to_owned(),
        "UPDATE {head} SET chain = ''".to_owned(),
        "UPDATE {head} SET checked_after = position".to_owned(),
        format!("UPDATE {{head}} SET epoch = {new_id}"),
        "DELETE FROM events".to_owned(),
        "DELETE FROM event_kinds".to_owned(),
        "UPDATE snapshots SET state = '[]'".to_owned(),
        "UPDATE idempotency SET answer = (SELECT answer || answer FROM idempotency WHERE key = 'second') WHERE key = 'first'"
            .to_owned(),
    ]);
    changes
}

/// Applies each change in turn; those that the database refuses are not counted.
async fn change_everything(database: &impl Database, changes: Vec<String>) {
    fill(database.store()).await;
    keep(database).await;
    assert_sound(database).await;
    let (mut done, all) = (0, changes.len());
    for change in changes {
        let change = change.replace("{head}", database.head_table());
        if !database.execute(&change).await {
            continue;
        }
        done += 1;
        assert!(is_noticed(database).await, "{change}");
        restore(database).await;
    }
    assert!(done * 10 >= all * 9, "{done} of {all} could be done");
    assert_sound(database).await;
}

#[tokio::test]
async fn events_that_are_cut_added_or_moved_are_noticed_in_sqlite() {
    let changes = structural("x'000102030405060708090a0b0c0d0e0f'");
    let changes = changes.into_iter().map(|change| change.replace("= ''", "= x''")).collect();
    change_everything(&InFile::new(), changes).await;
}

#[tokio::test]
async fn events_that_are_cut_added_or_moved_are_noticed_in_postgresql() {
    change_everything(&InServer::new().await, structural("'00010203-0405-0607-0809-0a0b0c0d0e0f'::uuid")).await;
}

/// All that is served from a file: what has changed otherwise was not in use.
fn contents(path: &std::path::Path) -> rusqlite::Result<String> {
    let file = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut all = String::new();
    for table in KEPT.iter().copied().chain(["log", "event_blocks"]) {
        let mut select = file.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            (0..columns).try_for_each(|column| {
                write!(all, "{:?} ", row.get_ref(column)?).map_err(|_| rusqlite::Error::InvalidQuery)
            })?;
        }
    }
    Ok(all)
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_file_changes_nothing_or_is_noticed() {
    let InFile { store, shell, directory } = InFile::new();
    fill(&store).await;
    drop((store, shell));
    let path = directory.path().join("log.db");
    let (pristine, before) = (std::fs::read(&path).unwrap(), contents(&path).unwrap());
    let mut rng = Rng::new(7);
    let (mut changed, mut tries) = (0, 0);
    while changed < 60 {
        tries += 1;
        assert!(tries < 100_000, "{changed}");
        let mut rotten = pristine.clone();
        let at = rng.below(rotten.len() as u64);
        rotten[usize::try_from(at).unwrap()] ^= 1 << rng.below(8);
        std::fs::write(&path, rotten).unwrap();
        if contents(&path).is_ok_and(|after| after == before) {
            continue;
        }
        changed += 1;
        let noticed = match SqliteStore::open(&path, in_sqlite(SqliteOptions::default())) {
            Ok(store) => {
                Audit::of(&store, &store, &Upcasters::new(), |_| ()).await.map_or(true, |audit| audit.faults > 0)
            }
            Err(_) => true,
        };
        assert!(noticed, "byte {at}");
    }
}

/// What a search by type or time goes by may name more than there is, never less.
async fn narrow_the_search(database: &impl Database, changes: &[&str]) {
    let late = |commit| Commit { timestamp: at_micro(9), ..commit };
    append(database.store(), counted(StreamId::generate(), exact(0), 1100)).await;
    append(database.store(), late(counted(StreamId::generate(), exact(0), 1100))).await;
    assert_eq!(audit(database).await.unwrap().faults, 0);
    for change in changes {
        let (table, _) = change.split_once(' ').unwrap();
        assert!(database.execute(&format!("CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")).await);
        let (_, change) = change.split_once(' ').unwrap();
        assert!(database.execute(change).await, "{change}");
        assert!(is_noticed(database).await, "{change}");
        restore_table(database, table).await;
        assert!(database.execute(&format!("DROP TABLE kept_{table}")).await);
    }
    assert_eq!(audit(database).await.unwrap().faults, 0);
}

fn at_micro(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

#[tokio::test]
async fn an_event_that_searches_would_not_find_is_noticed_in_sqlite() {
    let changes = [
        "event_blocks UPDATE event_blocks SET kinds = 0",
        "event_blocks UPDATE event_blocks SET newest = oldest - 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET oldest = newest + 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET last = last - 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET last = last + 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET first = first + 1 WHERE first = 1",
        "event_blocks DELETE FROM event_blocks WHERE first > 1",
        "event_blocks DELETE FROM event_blocks",
        "event_kinds UPDATE event_kinds SET kind = 64",
        "event_kinds UPDATE event_kinds SET event_type = 'Other'",
    ];
    narrow_the_search(&InFile::new(), &changes).await;
}

#[tokio::test]
async fn an_event_that_searches_would_not_find_is_noticed_in_postgresql() {
    let changes = [
        "log_zones UPDATE log_zones SET earliest = latest + interval '1 microsecond'",
        "log_zones UPDATE log_zones SET latest = earliest - interval '1 microsecond'",
        "log_zones UPDATE log_zones SET event_types = '{Other}'",
        "log_zones UPDATE log_zones SET aggregate_types = '{}' WHERE zone = 1",
        "log_zones UPDATE log_zones SET zone = 7 WHERE zone = 0",
        "log_zones DELETE FROM log_zones WHERE zone = 2",
    ];
    narrow_the_search(&InServer::new().await, &changes).await;
}

#[tokio::test]
async fn an_event_that_is_not_what_was_written_is_told_and_not_served() {
    let (file, server) = (InFile::new(), InServer::new().await);
    rotten_event(&file).await;
    rotten_event(&server).await;
}

async fn rotten_event(database: &impl Database) {
    let stream = StreamId::generate();
    append(database.store(), counted(stream, exact(0), 3)).await;
    append(database.store(), counted(StreamId::generate(), exact(0), 1)).await;
    assert!(database.execute("UPDATE events SET event_type = 'Incremfnted' WHERE position = 2").await);
    let told = |error: StoreError| {
        matches!(&error, StoreError::Corrupt(reason)
        if reason.contains("position 2") && reason.contains(&format!("{stream}@2")))
    };
    assert!(told(database.store().read_stream(stream, Version(1), 10).await.unwrap_err()));
    assert!(told(database.store().read_all(&LogQuery::after(Position(1), 1)).await.unwrap_err()));
    assert_eq!(database.store().read_all(&LogQuery::after(Position(2), 10)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_snapshot_that_is_not_what_was_written_is_not_used() {
    let (file, server) = (InFile::new(), InServer::new().await);
    rotten_snapshot(&file).await;
    rotten_snapshot(&server).await;
}

async fn rotten_snapshot(database: &impl Database) {
    let stream = StreamId::generate();
    let write = with_snapshot(2, r#"{"value":2}"#, increments(stream, exact(0), 2));
    append(database.store(), commit([write])).await;
    assert!(database.store().snapshot(stream).await.unwrap().is_some());
    assert!(database.execute(r#"UPDATE snapshots SET state = '{"value":6}'"#).await);
    assert!(database.store().snapshot(stream).await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_whose_record_is_not_what_was_written_stays_used_and_gives_nobody_an_answer() {
    let (file, server) = (InFile::new(), InServer::new().await);
    rotten_record(&file).await;
    rotten_record(&server).await;
}

async fn rotten_record(database: &impl Database) {
    let again = || keyed(record("used"), counted(StreamId::generate(), exact(0), 1));
    append(database.store(), again()).await;
    assert_eq!(duplicate(verdict(database.store(), again()).await).fingerprint, record("used").fingerprint);
    assert!(database.execute("UPDATE idempotency SET position = position + 1").await);
    assert_eq!(duplicate(verdict(database.store(), again()).await).fingerprint, [0; 32]);
    assert_eq!(database.store().idempotency(&record("used").key).await.unwrap().unwrap().fingerprint, [0; 32]);
}

#[test]
fn verify_names_the_event_that_is_not_what_was_written() {
    let file = InFile::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(&file.store));
    let store = sqlite(&file.path());
    let InFile { store: opened, shell, directory: _directory } = file;
    let stream: Vec<u8> =
        shell.query_row("SELECT aggregate_id FROM events WHERE position = 7", [], |row| row.get(0)).unwrap();
    drop(opened);
    assert_eq!(verify(&store), 15);
    shell.execute("UPDATE events SET event_id = zeroblob(16) WHERE position = 7", []).unwrap();
    drop(shell);
    let report = run(&["verify", "--store", &store]).complains(1, &["1 faults were found"]);
    let place = format!("the event at position 7 ({}@1) is not what was written", Uuid::from_slice(&stream).unwrap());
    assert!(report.out.contains(&place), "{}", report.out);
    assert!(report.out.contains("checksums begin at position 1\n"), "{}", report.out);
    let report: serde_json::Value =
        serde_json::from_str(&run(&["verify", "--json", "--store", &store]).expect(1).out).unwrap();
    assert_eq!((&report["faults"], &report["checksums_from"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(report["findings"][0], place);
}

#[tokio::test]
async fn a_file_that_has_lost_its_end_is_not_gone_on_with() {
    let InFile { store, shell, directory } = InFile::new();
    fill(&store).await;
    shell.execute("DELETE FROM events WHERE position > 12", []).unwrap();
    drop((store, shell));
    let path = directory.path().join("log.db");
    let refused = SqliteStore::open(&path, in_sqlite(SqliteOptions::default())).err().unwrap();
    assert!(matches!(refused, OpenError::Shorter { .. }), "{refused}");
    let report = run(&["verify", "--store", &sqlite(&path)]).expect(1).out;
    assert!(report.contains("the log ends at position 12, its head says 15"), "{report}");
}
