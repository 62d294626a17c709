//! stub
#![allow(missing_docs, clippy::all, clippy::pedantic)]
use crate::{event::*, store::*};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc};
#[derive(Default)]
struct Inner {
    log: Vec<Arc<EventEnvelope>>,
    streams: HashMap<StreamId, Vec<u64>>,
    snaps: HashMap<StreamId, Snapshot>,
    keys: HashMap<IdempotencyKey, IdempotencyRecord>,
}
pub struct MemoryStore {
    inner: RwLock<Inner>,
    epoch: Epoch,
}
impl MemoryStore {
    pub fn new() -> Self {
        Self { inner: Default::default(), epoch: Epoch(uuid::Uuid::now_v7()) }
    }
}
#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        let mut inner = self.inner.write();
        let inner = &mut *inner;
        Ok(batch
            .into_iter()
            .map(|mut commit| {
                if let Some(r) = commit.idempotency.as_ref().and_then(|r| inner.keys.get(&r.key)) {
                    return Verdict::Duplicate(r.clone());
                }
                let base: Vec<_> = commit
                    .writes
                    .iter()
                    .map(|w| Version(inner.streams.get(&w.stream).map_or(0, |s| s.len() as u64)))
                    .collect();
                for (w, b) in commit.writes.iter().zip(&base) {
                    if !w.expected.accepts(*b) {
                        return Verdict::Conflict { stream: w.stream, actual: *b };
                    }
                }
                let head = Position(inner.log.len() as u64);
                let events: Vec<_> = commit.take_envelopes(&base, head).into_iter().map(Arc::new).collect();
                for e in &events {
                    inner.streams.entry(e.aggregate_id).or_default().push(e.position.0);
                    inner.log.push(e.clone());
                }
                let position = Position(inner.log.len() as u64);
                for w in commit.writes {
                    if let Some(mut s) = w.snapshot {
                        s.position = position;
                        inner.snaps.insert(w.stream, s);
                    }
                }
                if let Some(mut r) = commit.idempotency {
                    r.position = position;
                    inner.keys.insert(r.key.clone(), r);
                }
                Verdict::Appended { events, position }
            })
            .collect())
    }
    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Arc<EventEnvelope>>, StoreError> {
        let inner = self.inner.read();
        Ok(inner.streams.get(&stream).map_or(vec![], |s| {
            s.iter().skip(from.0.max(1) as usize - 1).take(limit).map(|p| inner.log[*p as usize - 1].clone()).collect()
        }))
    }
    async fn read_all(&self, q: &LogQuery) -> Result<Vec<Arc<EventEnvelope>>, StoreError> {
        let inner = self.inner.read();
        Ok(inner.log.iter().skip(q.after.0 as usize).filter(|e| q.matches(e)).take(q.limit).cloned().collect())
    }
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(Head { epoch: self.epoch, position: Position(self.inner.read().log.len() as u64) })
    }
    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.inner.read().snaps.get(&stream).cloned())
    }
    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        Ok(self.inner.read().keys.get(key).cloned())
    }
    async fn forget_idempotency(&self, _: DateTime<Utc>, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError> {
        Ok(vec![])
    }
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
