//! The contract between the engine and a store. `testing::contract` holds the suite that proves it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

pub use crate::log::event_page::{EVENT_BYTES, EventPage, MAX_READ, READ_BYTES};
use crate::log::{
    decoded::Decoded,
    event::{EventEnvelope, Head, Metadata, Name, Position, StreamId, Version},
};

/// What a write demands of its stream. Anything else in the store is a conflict, and nothing of the commit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// The stream has no event.
    NoStream,
    /// The stream ends at this version; zero is the same as `NoStream`.
    Exact(Version),
    /// As `Exact`, and the commit before this one in the batch was appended: this one was decided on top of it. The version
    /// alone does not tell: another writer may have appended as many events as the one that lost.
    Following(Version),
    /// Whatever the stream holds.
    Any,
}

impl ExpectedVersion {
    /// Whether a stream that ends at `actual` is what was expected, in a commit that comes `after_loser`: the one before it in
    /// the batch was not appended.
    #[must_use]
    pub fn accepts(self, actual: Version, after_loser: bool) -> bool {
        match self {
            Self::NoStream => actual == Version::NONE,
            Self::Exact(version) => actual == version,
            Self::Following(version) => actual == version && !after_loser,
            Self::Any => true,
        }
    }
}

/// An event that is not in the log yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Unique over all logs.
    pub event_id: Uuid,
    /// What happened.
    pub event_type: Name,
    /// The shape of the payload.
    pub schema_version: u32,
    /// A JSON object.
    pub payload: Box<RawValue>,
}

/// Events for the end of one stream. Without events it only demands the version.
#[derive(Debug, Clone)]
pub struct StreamWrite {
    /// Which stream.
    pub stream: StreamId,
    /// Its aggregate type.
    pub aggregate_type: Name,
    /// What the stream must look like.
    pub expected: ExpectedVersion,
    /// What to append, in order.
    pub events: Vec<NewEvent>,
    /// The state after these events, when it is time for one.
    pub snapshot: Option<Snapshot>,
}

/// The state of a stream at a version: a shortcut for replay, never the truth.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The last version folded into `state`.
    pub version: Version,
    /// The position of that event; ignored when written, filled by the store.
    pub position: Position,
    /// `Aggregate::SNAPSHOT_SCHEMA` of the code that wrote it.
    pub schema: u32,
    /// The state, JSON.
    pub state: Box<RawValue>,
}

/// Names one use of an idempotency key: the same caller and the same key are the same use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    /// Whose key it is: keys of different scopes never meet. A server that knows its callers puts the principal here, one that
    /// does not leaves it empty.
    pub scope: String,
    /// The caller's key.
    pub key: String,
}

/// The first answer to a command that carried an idempotency key, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Which use.
    pub key: IdempotencyKey,
    /// A digest of the whole request: the same key with another digest is a mistake of the caller's.
    pub fingerprint: [u8; 32],
    /// The answer, opaque to the store, without its position.
    pub answer: Vec<u8>,
    /// The position the answer carries: of the commit's last event, or the head of the log when it had none.
    /// Ignored when written, filled by the store.
    pub position: Position,
    /// When it was written.
    pub recorded_at: DateTime<Utc>,
}

/// All or nothing: events for one or several streams, snapshots and the idempotency record.
///
/// Invariant: a commit names each stream at most once.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The `timestamp` of its events; whole microseconds.
    pub timestamp: DateTime<Utc>,
    /// The `metadata` of its events.
    pub metadata: Arc<Metadata>,
    /// What it appends, and where.
    pub writes: Vec<StreamWrite>,
    /// The record to keep with it.
    pub idempotency: Option<IdempotencyRecord>,
}

/// What became of one commit of a batch.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It is in the log: its events as they stand there, and the position to tell the caller.
    Appended {
        /// Its events in position order; empty when the commit had none.
        events: Vec<Arc<EventEnvelope>>,
        /// Of the last of them, or the head of the log when there are none.
        position: Position,
    },
    /// Nothing of it was written: this stream was not as expected. Catch up and decide again.
    Conflict {
        /// The stream.
        stream: StreamId,
        /// Where it really ends.
        actual: Version,
    },
    /// Nothing of it was written: the key had been used. Answer what was answered then.
    Duplicate(IdempotencyRecord),
}

/// Which part of the log to read. All conditions hold together; an empty list means no condition.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Only events after this position.
    pub after: Position,
    /// The most events; capped at [`MAX_READ`].
    pub limit: usize,
    /// Only events of this stream.
    pub stream: Option<StreamId>,
    /// Only events of these types.
    pub event_types: Vec<String>,
    /// Only events of this aggregate type.
    pub aggregate_type: Option<String>,
    /// Only events recorded at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only events recorded before this time.
    pub to: Option<DateTime<Utc>>,
}

impl LogQuery {
    /// The whole log after a position, `limit` events at a time.
    #[must_use]
    pub fn after(after: Position, limit: usize) -> Self {
        Self { after, limit, ..Self::default() }
    }

    /// Whether an event satisfies every condition but the limit.
    #[must_use]
    pub fn matches(&self, event: &EventEnvelope) -> bool {
        event.position > self.after
            && self.stream.is_none_or(|stream| stream == event.aggregate_id)
            && (self.event_types.is_empty() || self.event_types.iter().any(|name| *name == event.event_type))
            && self.aggregate_type.as_ref().is_none_or(|name| *name == event.aggregate_type)
            && self.from.is_none_or(|from| event.timestamp >= from)
            && self.to.is_none_or(|to| event.timestamp < to)
    }
}

/// A kind of event that occurs in a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredKind {
    /// The aggregate type it occurs in.
    pub aggregate_type: Name,
    /// The event type.
    pub event_type: Name,
    /// The schema version.
    pub schema_version: u32,
}

/// Why a store did not do what it was asked. Named by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written. Ask again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The write may or may not have happened. Forget what is in memory and read before anything else.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// The write may or may not have happened, and this process cannot find out. Stop it.
    #[error("the store broke: {0}")]
    Broken(String),
    /// The store holds something that must not be there. Stop and tell.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
}

/// The store has no room.
pub const DISK_FULL: &str = "disk full";
/// The store may be read and not written.
pub const READ_ONLY: &str = "read-only";
/// Another program holds the store.
pub const LOCKED: &str = "locked by another program";
/// What is stored is not what was written.
pub const DAMAGED: &str = "damaged";
/// There is nobody who writes: the connection is away, or the appender has ended.
pub const NO_WRITER: &str = "no writer";
/// None of the others.
pub const NO_ANSWER: &str = "it does not answer";

/// What of a reason may be told to anybody who asks over a network: one of a few words that a store's reason begins with. The
/// rest of it may name files, hosts or statements and is for the log.
#[must_use]
pub fn told(reason: &str) -> &'static str {
    let words = [DISK_FULL, READ_ONLY, LOCKED, DAMAGED, NO_WRITER];
    words.into_iter().find(|words| reason.starts_with(words)).unwrap_or(NO_ANSWER)
}

impl StoreError {
    /// What of it may be told to anybody: see [`told`].
    #[must_use]
    pub fn told(&self) -> &'static str {
        match self {
            Self::Unavailable(reason) | Self::Unknown(reason) => told(reason),
            Self::Broken(_) => NO_WRITER,
            Self::Corrupt(_) => DAMAGED,
        }
    }
}

/// A log of events that only grows.
///
/// Promises, the same for every implementation:
/// - A commit is written whole or not at all, and `append` returns only when what it calls appended is durable
///   (as durable as the store gets: the memory store is not).
/// - Positions are 1, 2, ... without a hole and in commit order over all writers: a reader that has read up to `p` and then reads
///   `after = p` misses nothing, ever.
/// - Versions of a stream are 1, 2, ... without a hole.
/// - Timestamps keep microseconds. Payloads come back as the same JSON text, byte for byte.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends a batch in order, in one transaction, with a verdict for each commit, in the same order. A commit sees those
    /// before it in the batch. One that loses (conflict, duplicate key) loses alone, but for those
    /// [`Following`](ExpectedVersion::Following) it; the key is looked at before the versions, and the versions in the order of
    /// the writes. May block the calling thread: only the
    /// appender calls it, on a thread of its own.
    ///
    /// # Errors
    /// The whole batch failed: see [`StoreError`] for whether it may have been written.
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError>;

    /// Reads a stream from a version on (inclusive), in order, at most `limit` events (capped at [`MAX_READ`]) and about
    /// [`READ_BYTES`].
    async fn read_stream(&self, stream: StreamId, from: Version, limit: usize) -> Result<EventPage, StoreError>;

    /// Reads the log in position order, within the same limits.
    async fn read_all(&self, query: &LogQuery) -> Result<EventPage, StoreError>;

    /// Tells where each of these streams ends, in the order asked; [`Version::NONE`] for one without events. It sees at least
    /// what had been committed when it was called, by whomever.
    async fn versions(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError>;

    /// Tells where the log ends.
    async fn head(&self) -> Result<Head, StoreError>;

    /// The newest snapshot of a stream.
    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError>;

    /// What was answered to this key.
    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Forgets idempotency records written before a time, at most `limit` at once; tells how many.
    async fn forget_idempotency(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError>;

    /// Every kind of event that has ever been appended, without reading the log.
    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError>;

    /// Answers when the store can be read and written. After a write that failed it is an error until one succeeds; the store
    /// finds out by itself, with a small write at most once a second, so that no traffic is needed.
    ///
    /// # Errors
    /// Why not. The reason begins with one of the words that [`told`] knows, where one fits.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Looks whether the process must stop although nobody appends: something else than an append has broken the store, or
    /// what it lies on was taken away. Takes microseconds; the appender calls it twice a second, on its thread.
    ///
    /// # Errors
    /// [`StoreError::Broken`], and no other.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether other processes may append to the same log: then a feed must look for their events too, and what an actor
    /// remembers must be held against the log before it is told.
    fn is_shared(&self) -> bool {
        false
    }

    /// Waits for a sign that another process has appended. A sign may come for nothing, and may be lost: who waits for one
    /// looks from time to time all the same. Safe to cancel.
    async fn appended_elsewhere(&self) {
        std::future::pending::<()>().await;
    }
}

impl Commit {
    /// How many events it appends.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.writes.iter().map(|write| write.events.len()).sum()
    }

    /// Takes its events out as envelopes, in order, the first at the position after `head`. `base` are the versions at which
    /// the streams of [`Self::writes`] ended before, in the same order.
    #[must_use]
    pub fn take_envelopes(&mut self, base: &[Version], head: Position) -> Vec<EventEnvelope> {
        let mut position = head;
        let mut envelopes = Vec::with_capacity(self.event_count());
        for (write, base) in self.writes.iter_mut().zip(base) {
            let mut version = *base;
            for event in std::mem::take(&mut write.events) {
                position = position.plus(1);
                version = version.plus(1);
                envelopes.push(EventEnvelope {
                    event_id: event.event_id,
                    event_type: event.event_type,
                    schema_version: event.schema_version,
                    aggregate_id: write.stream,
                    aggregate_type: write.aggregate_type.clone(),
                    version,
                    position,
                    timestamp: self.timestamp,
                    payload: event.payload,
                    metadata: Arc::clone(&self.metadata),
                    decoded: Decoded::default(),
                });
            }
        }
        envelopes
    }
}
