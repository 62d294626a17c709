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

mod flipped_bits;
mod moved_events;
mod searches;
mod served;
