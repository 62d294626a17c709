//! What an audit reads of a store, beside what everybody does: rows as they stand there, whatever their checksums say.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    log::{
        checksum::{Check, Checksum},
        event::{Epoch, EventEnvelope, Position, StreamId},
        store::{EventStore, IdempotencyKey, LogQuery, StoreError},
    },
    stores::memory::MemoryStore,
};

/// What a log says of itself, written with every batch.
#[derive(Debug, Clone, Copy)]
pub struct Seal {
    /// Which log it was when the chain began.
    pub epoch: Epoch,
    /// The last position.
    pub position: Position,
    /// Events up to this position were written before there were checksums.
    pub checked_after: Position,
    /// The link of the last batch; `None` when there has been no batch with checksums.
    pub chain: Option<Checksum>,
    /// Events at positions before the first there can be.
    pub before_first: u64,
}

/// An event as its row stands in the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Where.
    pub position: Position,
    /// The event, or why it cannot be read.
    pub event: Result<Arc<EventEnvelope>, String>,
    /// What its checksum says of it.
    pub check: Check,
    /// The checksum itself; empty when there is none.
    pub checksum: Vec<u8>,
    /// At the first event of a batch, the link of the batch before it; else empty.
    pub chain: Vec<u8>,
}

/// A snapshot that is kept, or a record; `K` names it.
#[derive(Debug, Clone)]
pub struct Kept<K> {
    /// Whose.
    pub key: K,
    /// What its checksum says of it.
    pub check: Check,
}

/// A store as an audit sees it. Reading it must not change it.
#[async_trait]
pub trait Inspect: Send + Sync + 'static {
    /// What is wrong with how the store keeps its rows: indexes that do not lead to them, pages that cannot be read. Empty
    /// where the database has tools of its own for that.
    async fn structure(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// What the log says of itself; `None` when this store keeps no checksums.
    async fn seal(&self) -> Result<Option<Seal>, StoreError>;

    /// The log after a position, at most `limit` entries, in order.
    async fn entries(&self, after: Position, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Snapshots of streams after one, in the order of their ids, at most `limit`.
    async fn snapshots(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<Kept<StreamId>>, StoreError>;

    /// Idempotency records after a key, in the order of scopes and keys, at most `limit`.
    async fn records(
        &self,
        after: Option<IdempotencyKey>,
        limit: usize,
    ) -> Result<Vec<Kept<IdempotencyKey>>, StoreError>;
}

/// Nothing of it outlives the process, so nothing has a checksum.
#[async_trait]
impl Inspect for MemoryStore {
    async fn seal(&self) -> Result<Option<Seal>, StoreError> {
        Ok(None)
    }

    async fn entries(&self, after: Position, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let entry = |event: Arc<EventEnvelope>| LogEntry {
            position: event.position,
            event: Ok(event),
            check: Check::Absent,
            checksum: Vec::new(),
            chain: Vec::new(),
        };
        Ok(self.read_all(&LogQuery::after(after, limit)).await?.into_events().into_iter().map(entry).collect())
    }

    async fn snapshots(&self, _: Option<StreamId>, _: usize) -> Result<Vec<Kept<StreamId>>, StoreError> {
        Ok(Vec::new())
    }

    async fn records(&self, _: Option<IdempotencyKey>, _: usize) -> Result<Vec<Kept<IdempotencyKey>>, StoreError> {
        Ok(Vec::new())
    }
}
