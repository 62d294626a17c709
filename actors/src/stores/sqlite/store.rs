//! The store: the engine's contract on one SQLite file.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::log::{
    event::{Epoch, Head, Position, StreamId, Version},
    store::{
        Commit, EventPage, EventStore, IdempotencyKey, IdempotencyRecord, LogQuery, MAX_READ, Snapshot, StoreError,
        StoredKind, Verdict,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::{
    batch::find_record,
    failure::{self, Health},
    open::{self, Opened, SqliteOptions},
    open_error::OpenError,
    queries,
    tail::Kinds,
    workers::Workers,
    writer::Writer,
};

/// A log in a file: what `append` calls appended has been fsynced and survives a crash of the machine.
///
/// The file is its inode: whatever name it is opened by, there is one store on it (see [`OwnFile`](super::OwnFile)). When it is
/// moved, deleted, replaced or cut off, every call fails with [`StoreError::Broken`].
///
/// When a COMMIT fails with an I/O error, nobody in this process can tell whether it happened, and what SQLite shows until
/// the file is opened anew may differ from what it shows then. From there on every call fails with [`StoreError::Broken`]:
/// the process must stop. A full disk is not that: nothing is written, and appending works again when there is room.
///
/// Dropping the store waits for the reads under way and folds the write-ahead log into the file.
pub struct SqliteStore {
    // Fields are dropped in this order: threads, then the writer, which folds the log once it is alone and lets go of the file.
    readers: Workers<Connection>,
    /// Waits for the writer, so that neither the callers' threads nor the readers do.
    waiting: Workers<Arc<Mutex<Writer>>>,
    writer: Arc<Mutex<Writer>>,
    health: Arc<Health>,
    epoch: Epoch,
    head: Arc<AtomicU64>,
}

impl SqliteStore {
    /// Opens the log at `path`, or creates it (mode 0600, its directory 0700), and brings its schema up to date.
    ///
    /// # Errors
    /// The file is in use, is not a log, or cannot be read and written.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        Self::start(path, open::open(path, options)?)
    }

    /// Opens a log that is there to look at it, and tells what is missing of it. Nothing is written.
    ///
    /// # Errors
    /// The file is in use, is not a log, or cannot be read without writing.
    pub fn open_to_read(path: &Path, options: SqliteOptions) -> Result<(Self, Option<OpenError>), OpenError> {
        let (opened, missing) = open::open_to_read(path, options)?;
        Ok((Self::start(path, opened)?, missing))
    }

    fn start(path: &Path, opened: Opened) -> Result<Self, OpenError> {
        let Opened { writer, readers, file, frames, epoch } = opened;
        let health = Arc::new(Health::default());
        let head = Arc::new(AtomicU64::new(0));
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let writer = Writer::new(writer, file, frames, Arc::clone(&health), Arc::clone(&head))
            .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
        let writer = Arc::new(Mutex::new(writer));
        let readers = Workers::start("sqlite-reader", readers).map_err(failed)?;
        let waiting = Workers::start("sqlite-rows", vec![Arc::clone(&writer)]).map_err(failed)?;
        Ok(Self { readers, waiting, writer, health, epoch, head })
    }

    /// Uses a reading connection.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.health.check()?;
        self.readers.run(work).await
    }

    /// Uses the writer on the thread that waits for it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.health.check()?;
        self.waiting.run(move |writer| work(&mut writer.lock())).await
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        self.writer.lock().append(batch)
    }

    async fn read_stream(&self, stream: StreamId, from: Version, limit: usize) -> Result<EventPage, StoreError> {
        self.read(move |connection| queries::stream(connection, stream, from, limit)).await
    }

    async fn read_all(&self, query: &LogQuery) -> Result<EventPage, StoreError> {
        let query = query.clone();
        self.read(move |connection| queries::log(connection, &query)).await
    }

    async fn versions(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        let streams = streams.to_vec();
        self.read(move |connection| queries::versions(connection, &streams).map_err(|error| failure::reading(&error)))
            .await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.health.check()?;
        Ok(Head { epoch: self.epoch, position: Position(self.head.load(Ordering::Acquire)) })
    }

    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        self.read(move |connection| queries::snapshot(connection, stream).map_err(|error| failure::reading(&error)))
            .await
    }

    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        let key = key.clone();
        self.read(move |connection| find_record(connection, &key).map_err(|error| failure::reading(&error))).await
    }

    async fn forget_idempotency(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.write(move |writer| writer.forget_idempotency(before, limit.min(MAX_READ))).await
    }

    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError> {
        self.read(|connection| Kinds::load(connection).map(Kinds::into_vec).map_err(|error| failure::reading(&error)))
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.write(Writer::ping).await
    }

    fn check(&self) -> Result<(), StoreError> {
        self.health.check()?;
        // The thread that has it is in a transaction, and looks by itself at the end.
        self.writer.try_lock().map_or(Ok(()), |writer| writer.check())
    }
}
