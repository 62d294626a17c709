//! The store: the writer, the readers and the runtime they live on.

use std::{collections::HashMap, error::Error, sync::Arc};

use crate::log::{
    checksum::usable_snapshot,
    event::{Epoch, Head, Position, StreamId, Version},
    store::{
        Commit, EventPage, EventStore, IdempotencyKey, IdempotencyRecord, LogQuery, READ_ONLY, Snapshot, StoreError,
        StoredKind, Verdict,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    batch::signed,
    event_row::{event_columns, page, snapshot, within_bytes},
    log_query::{LogStatement, limit},
    notifications::Notifications,
    open_error::OpenError,
    options::PostgresOptions,
    outcome::usable_record_from_row,
    readers::Readers,
    schema::prepare,
    server::Server,
    server_error::describe,
    url::PostgresUrl,
    writer::Writer,
};

/// Threads that drive the sockets and decode what is read.
const THREADS: usize = 2;

const READ_STREAM: &str = within_bytes!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE aggregate_id = $1 AND version >= $2 ORDER BY version LIMIT $3"
);
/// The end of each stream is the first entry from the back of its part of the index.
const VERSIONS: &str = "SELECT asked.id, (SELECT version FROM events WHERE aggregate_id = asked.id ORDER BY version DESC LIMIT 1) \
    FROM unnest($1::uuid[]) AS asked(id)";
const HEAD: &str = "SELECT position FROM log_head";
const SNAPSHOT: &str = "SELECT version, position, schema, state, checksum FROM snapshots WHERE aggregate_id = $1";
const IDEMPOTENCY: &str = "SELECT scope, key, fingerprint, answer, position, recorded_at, checksum FROM idempotency WHERE scope = $1 AND key = $2";
/// Oldest first. A row that another process is forgetting is left to it.
const FORGET: &str = "WITH forgotten AS (DELETE FROM idempotency WHERE (scope, key) IN (SELECT scope, key FROM idempotency \
    WHERE recorded_at < $1 ORDER BY recorded_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1) \
    SELECT count(*) FROM forgotten";
const KINDS: &str = "SELECT aggregate_type, event_type, schema_version FROM event_kinds ORDER BY 1, 2, 3";
/// Reads the head as well: while it is locked nothing can be appended.
const WRITABLE: &str = "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' \
    AND position >= 0 FROM log_head";

/// A log in PostgreSQL. Any number of processes may have it open.
///
/// Dropping it ends its connections; a batch in flight is then committed or not, as the server sees fit.
pub struct PostgresStore {
    writer: Writer,
    pub(super) readers: Readers,
    pub(super) notifications: Arc<Notifications>,
    epoch: Epoch,
    _threads: Threads,
}

/// The store's runtime. Ended without waiting, because a store may be dropped inside another runtime.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl PostgresStore {
    /// Connects, checks that the server keeps what it confirms, and brings the tables up to date. Several processes may do
    /// so at once.
    ///
    /// # Errors
    /// See [`OpenError`]. No table was changed by halves: each migration is one transaction.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        Self::connect(&url.parse()?, options).await
    }

    /// The same with a URL that has been read.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub async fn connect(url: &PostgresUrl, options: PostgresOptions) -> Result<Self, OpenError> {
        let server = Server::of(url, &options);
        if !url.is_safe_in_clear_text() {
            log::warn!("the connection to PostgreSQL at {server} is not encrypted; sslmode=disable accepts that");
        }
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("postgres").enable_all().build()?;
        let handle = runtime.handle().clone();
        let threads = Threads(Some(runtime));
        let unusable = |reason: String| OpenError::Unusable { server: server.to_string(), reason };
        let prepared = {
            let (server, schema) = (server.clone(), options.schema);
            handle.spawn(async move { prepare(&server, schema).await }).await
        };
        let epoch = prepared.map_err(|error| unusable(error.to_string()))??;
        let writer = Writer::new(server.clone(), epoch, &options, handle.clone());
        writer.start().await.map_err(|error| unusable(error.to_string()))?;
        let readers = Readers::new(&server, &options, handle.clone());
        let notifications = Notifications::new();
        notifications.start(server.clone(), &handle).await;
        Ok(Self { writer, readers, notifications, epoch, _threads: threads })
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        let verdicts = self.writer.append(batch).await?;
        let has_events = |verdict: &Verdict| matches!(verdict, Verdict::Appended { events, .. } if !events.is_empty());
        if verdicts.iter().any(has_events) {
            self.notifications.say_appended();
        }
        Ok(verdicts)
    }

    async fn read_stream(&self, stream: StreamId, from: Version, most: usize) -> Result<EventPage, StoreError> {
        let parameters = (stream.0, signed(from.0), limit(most));
        self.readers.read(READ_STREAM, parameters, move |rows| page(&rows, most).map_err(corrupt)).await
    }

    async fn read_all(&self, query: &LogQuery) -> Result<EventPage, StoreError> {
        let (statement, most) = (LogStatement::of(query), query.limit);
        self.readers.read(statement.text(), statement, move |rows| page(&rows, most).map_err(corrupt)).await
    }

    async fn versions(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        let ids: Vec<_> = streams.iter().map(|stream| stream.0).collect();
        let ends = self.readers.read(VERSIONS, (ids,), |rows| ends(&rows).map_err(unreadable)).await?;
        Ok(streams.iter().map(|stream| ends.get(&stream.0).copied().unwrap_or(Version::NONE)).collect())
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let position: i64 = self.readers.read(HEAD, (), |rows| only(&rows)?.try_get(0).map_err(unreadable)).await?;
        Ok(Head { epoch: self.epoch, position: Position(position.cast_unsigned()) })
    }

    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        let decode = move |rows: Vec<Row>| match rows.first() {
            Some(row) => {
                Ok(usable_snapshot(stream, snapshot(row).map_err(corrupt)?, row.try_get(4).map_err(unreadable)?))
            }
            None => Ok(None),
        };
        self.readers.read(SNAPSHOT, (stream.0,), decode).await
    }

    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        let decode = |rows: Vec<Row>| rows.first().map(usable_record_from_row).transpose().map_err(unreadable);
        self.readers.read(IDEMPOTENCY, (key.scope.clone(), key.key.clone()), decode).await
    }

    async fn forget_idempotency(&self, before: DateTime<Utc>, most: usize) -> Result<usize, StoreError> {
        let decode = |rows: Vec<Row>| only(&rows)?.try_get::<_, i64>(0).map_err(unreadable);
        let forgotten = self.readers.read(FORGET, (before, signed(most as u64)), decode).await?;
        Ok(usize::try_from(forgotten).unwrap_or(most))
    }

    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError> {
        self.readers.read(KINDS, (), |rows| rows.iter().map(kind).collect::<Result<_, _>>().map_err(unreadable)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let decode = |rows: Vec<Row>| only(&rows)?.try_get::<_, bool>(0).map_err(unreadable);
        if !self.readers.read(WRITABLE, (), decode).await? {
            return Err(StoreError::Unavailable(format!("{READ_ONLY}: the server takes no writes")));
        }
        self.writer.writability.ask(&self.readers).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn appended_elsewhere(&self) {
        self.notifications.appended().await;
    }
}

/// Streams and where they end.
fn ends(rows: &[Row]) -> Result<HashMap<Uuid, Version>, tokio_postgres::Error> {
    let end =
        |row: &Row| Ok((row.try_get(0)?, Version(row.try_get::<_, Option<i64>>(1)?.unwrap_or(0).cast_unsigned())));
    rows.iter().map(end).collect()
}

fn kind(row: &Row) -> Result<StoredKind, tokio_postgres::Error> {
    Ok(StoredKind {
        aggregate_type: row.try_get::<_, String>(0)?.into(),
        event_type: row.try_get::<_, String>(1)?.into(),
        schema_version: row.try_get::<_, i32>(2)?.cast_unsigned(),
    })
}

pub(super) fn only(rows: &[Row]) -> Result<&Row, StoreError> {
    rows.first().ok_or_else(|| StoreError::Corrupt("log_head has no row".into()))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
pub(super) fn unreadable(error: tokio_postgres::Error) -> StoreError {
    StoreError::Corrupt(describe(&error))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
pub(super) fn corrupt(error: Box<dyn Error + Send + Sync>) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
