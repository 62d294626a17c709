//! A store that lives and dies with the process: for tests, demos and benchmarks.
//!
//! Nothing in it is copied as it grows: the log is a list of chunks, and streams and keys are in trees. A vector or a hash map
//! that doubles at millions of entries stops every writer for as long as the copy takes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use uuid::Uuid;

use crate::log::{
    event::{Epoch, EventEnvelope, Head, Position, StreamId, Version},
    store::{
        Commit, EventPage, EventStore, IdempotencyKey, IdempotencyRecord, LogQuery, Snapshot, StoreError, StoredKind,
        StreamWrite, Verdict,
    },
};

/// Events per chunk of the log, and most events looked at before a reader lets writers pass.
const CHUNK: usize = 4096;

/// Chunks a reader goes through before it lets other tasks of its thread run.
const CHUNKS_PER_TURN: usize = 16;

/// Keys forgotten before readers and writers may pass.
const KEYS_PER_TURN: usize = 256;

/// An [`EventStore`] in memory. Nothing survives the process; everything else is promised as by the durable stores.
///
/// An append costs the same however long the log is. Readers see a commit whole or not at all, and hold the lock for at most
/// a few thousand events at a time.
#[derive(Debug)]
pub struct MemoryStore {
    epoch: Epoch,
    state: RwLock<State>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Makes an empty log with an epoch of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { epoch: Epoch(Uuid::new_v4()), state: RwLock::new(State::new()) }
    }

    async fn filter_stream(&self, stream: StreamId, from: Version, query: &LogQuery) -> EventPage {
        let mut found = EventPage::default();
        let mut from = from;
        while found.has_room(query.limit) {
            let Some(seen) = self.state.read().filter_stream(stream, from, query, &mut found) else {
                return found.ended(true);
            };
            from = seen.plus(1);
            tokio::task::yield_now().await;
        }
        found
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        // The lock is taken per commit, so a reader waits for one commit and not for the batch.
        let mut after_loser = false;
        let judge = |commit| {
            let verdict = self.state.write().commit(commit, after_loser);
            after_loser = !matches!(verdict, Verdict::Appended { .. });
            verdict
        };
        Ok(batch.into_iter().map(judge).collect())
    }

    async fn read_stream(&self, stream: StreamId, from: Version, limit: usize) -> Result<EventPage, StoreError> {
        let query = LogQuery { stream: Some(stream), limit, ..LogQuery::default() };
        Ok(self.filter_stream(stream, from, &query).await)
    }

    async fn read_all(&self, query: &LogQuery) -> Result<EventPage, StoreError> {
        if let Some(stream) = query.stream {
            let from = self.state.read().first_version_after(stream, query.after);
            return Ok(self.filter_stream(stream, from, query).await);
        }
        let mut found = EventPage::default();
        let mut after = query.after;
        for turn in 1_usize.. {
            if !found.has_room(query.limit) {
                return Ok(found);
            }
            let Some(seen) = self.state.read().log.filter_chunk(after, query, &mut found) else { break };
            after = seen;
            if turn % CHUNKS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(found.ended(true))
    }

    async fn versions(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        let state = self.state.read();
        Ok(streams.iter().map(|stream| state.end_of(*stream)).collect())
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Ok(Head { epoch: self.epoch, position: self.state.read().log.head() })
    }

    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.state.read().streams.get(&stream).and_then(|stream| stream.snapshot.as_deref().cloned()))
    }

    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        Ok(self.state.read().records.get(key).cloned())
    }

    async fn forget_idempotency(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        while forgotten < limit {
            let wanted = (limit - forgotten).min(KEYS_PER_TURN);
            let now = self.state.write().forget_keys(before, wanted);
            forgotten += now;
            if now < wanted {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError> {
        Ok(self.state.read().kinds.iter().cloned().collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Debug)]
struct State {
    log: Log,
    streams: BTreeMap<StreamId, Stream>,
    records: BTreeMap<Arc<IdempotencyKey>, IdempotencyRecord>,
    /// The keys in the order in which they may be forgotten; the number tells apart those of one microsecond.
    keys_by_time: BTreeMap<(DateTime<Utc>, u64), Arc<IdempotencyKey>>,
    keys_ever: u64,
    kinds: HashSet<StoredKind>,
}

impl State {
    fn new() -> Self {
        Self {
            log: Log::default(),
            streams: BTreeMap::new(),
            records: BTreeMap::new(),
            keys_by_time: BTreeMap::new(),
            keys_ever: 0,
            kinds: HashSet::new(),
        }
    }

    fn commit(&mut self, mut commit: Commit, after_loser: bool) -> Verdict {
        if let Some(first) = commit.idempotency.as_ref().and_then(|record| self.records.get(&record.key)) {
            return Verdict::Duplicate(first.clone());
        }
        let mut base = Vec::with_capacity(commit.writes.len());
        for write in &commit.writes {
            let actual = self.end_of(write.stream);
            if !write.expected.accepts(actual, after_loser) {
                return Verdict::Conflict { stream: write.stream, actual };
            }
            base.push(actual);
        }
        let events: Vec<_> = commit.take_envelopes(&base, self.log.head()).into_iter().map(Arc::new).collect();
        for event in &events {
            self.push(event);
        }
        for write in commit.writes {
            self.keep_snapshot(write);
        }
        let position = self.log.head();
        if let Some(record) = commit.idempotency {
            self.keep_record(IdempotencyRecord { position, ..record });
        }
        Verdict::Appended { events, position }
    }

    fn end_of(&self, stream: StreamId) -> Version {
        self.streams.get(&stream).map_or(Version::NONE, |stream| stream.end)
    }

    fn push(&mut self, event: &Arc<EventEnvelope>) {
        let kind = StoredKind {
            aggregate_type: event.aggregate_type.clone(),
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
        };
        if !self.kinds.contains(&kind) {
            self.kinds.insert(kind);
        }
        self.streams
            .entry(event.aggregate_id)
            .or_insert_with(|| Stream::starting_at(event.position))
            .push(event.version, event.position);
        self.log.push(Arc::clone(event));
    }

    fn keep_snapshot(&mut self, write: StreamWrite) {
        let Some(snapshot) = write.snapshot else { return };
        let Some(stream) = self.streams.get_mut(&write.stream) else { return };
        if let Some(position) = stream.position_of(snapshot.version) {
            stream.snapshot = Some(Box::new(Snapshot { position, ..snapshot }));
        }
    }

    fn keep_record(&mut self, record: IdempotencyRecord) {
        let key = Arc::new(record.key.clone());
        self.keys_ever += 1;
        self.keys_by_time.insert((record.recorded_at, self.keys_ever), Arc::clone(&key));
        self.records.insert(key, record);
    }

    fn forget_keys(&mut self, before: DateTime<Utc>, limit: usize) -> usize {
        let mut forgotten = 0;
        while forgotten < limit {
            let Some(oldest) = self.keys_by_time.first_entry() else { break };
            if oldest.key().0 >= before {
                break;
            }
            let key = oldest.remove();
            self.records.remove(&key);
            forgotten += 1;
        }
        forgotten
    }

    fn events_of(&self, stream: StreamId, from: Version) -> impl Iterator<Item = &Arc<EventEnvelope>> {
        let stream = self.streams.get(&stream);
        stream.into_iter().flat_map(move |stream| stream.positions_from(from)).filter_map(|at| self.log.get(at))
    }

    /// Adds matching events from a version on to `found` while it has room, looking at no more than a chunk of them.
    /// Tells how far it has looked, or `None` at the end of the stream.
    fn filter_stream(
        &self,
        stream: StreamId,
        from: Version,
        query: &LogQuery,
        found: &mut EventPage,
    ) -> Option<Version> {
        let mut seen = None;
        for event in self.events_of(stream, from).take(CHUNK) {
            if !found.has_room(query.limit) {
                break;
            }
            seen = Some(event.version);
            if query.matches(event) {
                found.push(Arc::clone(event));
            }
        }
        seen
    }

    fn first_version_after(&self, stream: StreamId, after: Position) -> Version {
        self.streams.get(&stream).map_or(Version::NONE, |stream| stream.first_version_after(after))
    }
}

/// The events in position order, in chunks that are never moved.
#[derive(Debug, Default)]
struct Log {
    chunks: Vec<Vec<Arc<EventEnvelope>>>,
}

impl Log {
    fn head(&self) -> Position {
        let Some(last) = self.chunks.last() else { return Position::START };
        Position(((self.chunks.len() - 1) * CHUNK + last.len()) as u64)
    }

    fn push(&mut self, event: Arc<EventEnvelope>) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(event);
        }
    }

    fn get(&self, position: Position) -> Option<&Arc<EventEnvelope>> {
        let index = index_after(Position(position.0.checked_sub(1)?))?;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// Adds matching events after a position to `found` while it has room, looking no further than the end of their chunk.
    /// Tells how far it has looked, or `None` when there is nothing more to find.
    fn filter_chunk(&self, after: Position, query: &LogQuery, found: &mut EventPage) -> Option<Position> {
        let index = index_after(after)?;
        let rest = self.chunks.get(index / CHUNK)?.get(index % CHUNK..)?;
        if rest.is_empty() {
            return None;
        }
        for event in rest.iter().filter(|event| query.matches(event)) {
            if !found.has_room(query.limit) {
                break;
            }
            found.push(Arc::clone(event));
        }
        Some(after.plus(rest.len() as u64))
    }
}

/// Where the event after a position lies in the log.
fn index_after(position: Position) -> Option<usize> {
    usize::try_from(position.0).ok()
}

/// Where the events of one stream lie in the log: as runs, because the events of a commit lie side by side.
#[derive(Debug)]
struct Stream {
    end: Version,
    /// The position of version 1.
    first: Position,
    /// Where a run starts that does not go on from the one before.
    jumps: Vec<(Version, Position)>,
    snapshot: Option<Box<Snapshot>>,
}

impl Stream {
    fn starting_at(first: Position) -> Self {
        Self { end: Version::NONE, first, jumps: Vec::new(), snapshot: None }
    }

    fn push(&mut self, version: Version, position: Position) {
        if self.run_at(version).is_none_or(|(start, at)| at.plus(version.0 - start.0) != position) {
            self.jumps.push((version, position));
        }
        self.end = version;
    }

    /// The run a version lies in, or would.
    fn run_at(&self, version: Version) -> Option<(Version, Position)> {
        let jumps = self.jumps.partition_point(|(start, _)| *start <= version);
        match jumps.checked_sub(1) {
            Some(last) => self.jumps.get(last).copied(),
            None => (version > Version::NONE).then_some((Version(1), self.first)),
        }
    }

    fn position_of(&self, version: Version) -> Option<Position> {
        let (start, at) = self.run_at(version).filter(|_| version <= self.end)?;
        Some(at.plus(version.0 - start.0))
    }

    fn positions_from(&self, from: Version) -> impl Iterator<Item = Position> {
        (from.0.max(1)..=self.end.0).filter_map(|version| self.position_of(Version(version)))
    }

    fn first_version_after(&self, after: Position) -> Version {
        let jumps = self.jumps.partition_point(|(_, at)| *at <= after);
        let (start, at) = jumps.checked_sub(1).map_or((Version(1), self.first), |last| self.jumps[last]);
        let next = if at > after { start } else { start.plus(after.0 - at.0).plus(1) };
        let following = self.jumps.get(jumps).map_or(self.end.plus(1), |(start, _)| *start);
        next.min(following)
    }
}
