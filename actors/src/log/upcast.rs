//! Old events, read as if they were new: once, at the store, for every consumer.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::{
    aggregate::{Aggregate, DomainEvent, EventKind},
    log::{
        decoded::Decoded,
        event::{EventEnvelope, Head, StreamId, Version},
        store::{
            Commit, EventPage, EventStore, IdempotencyKey, IdempotencyRecord, LogQuery, Snapshot, StoreError,
            StoredKind, Verdict,
        },
    },
};

/// Turns a payload of one schema version into one of the next. Pure.
pub type Upcast = fn(&RawValue) -> serde_json::Result<Box<RawValue>>;

/// The steps from every old schema version to the next, by aggregate type, event type and version.
#[derive(Debug, Clone, Default)]
pub struct Upcasters {
    steps: HashMap<(&'static str, &'static str, u32), Upcast>,
}

impl Upcasters {
    /// No steps: every event is of the newest version.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the step from schema version `from` of an event type to the version after it.
    #[must_use]
    pub fn with(mut self, aggregate_type: &'static str, event_type: &'static str, from: u32, step: Upcast) -> Self {
        self.steps.insert((aggregate_type, event_type, from), step);
        self
    }

    /// Adds all steps of another set.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.steps.extend(others.steps);
        self
    }

    fn step(&self, aggregate_type: &str, event_type: &str, from: u32) -> Option<Upcast> {
        self.steps.get(&(aggregate_type, event_type, from)).copied()
    }

    /// Takes an event through every step there is; one that needs none comes back untouched.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a step cannot read the payload.
    pub fn upcast(&self, event: Arc<EventEnvelope>) -> Result<Arc<EventEnvelope>, StoreError> {
        if self.step(&event.aggregate_type, &event.event_type, event.schema_version).is_none() {
            return Ok(event);
        }
        let mut event = Arc::unwrap_or_clone(event);
        while let Some(step) = self.step(&event.aggregate_type, &event.event_type, event.schema_version) {
            event.decoded = Decoded::default();
            event.payload = step(&event.payload).map_err(|error| unreadable(&event, &error))?;
            event.schema_version += 1;
        }
        Ok(Arc::new(event))
    }

    fn upcast_all(&self, events: EventPage) -> Result<EventPage, StoreError> {
        if self.steps.is_empty() {
            return Ok(events);
        }
        events.try_map(|event| self.upcast(event))
    }
}

fn unreadable(event: &EventEnvelope, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!(
        "the {} at position {} does not read as schema version {}: {error}",
        event.event_type, event.position, event.schema_version
    ))
}

/// A store whose readers see every event at its newest schema version. What it appends and counts as kinds is what the store
/// below holds.
#[derive(Clone)]
pub struct Upcasting {
    store: Arc<dyn EventStore>,
    upcasters: Upcasters,
}

impl Upcasting {
    /// Reads this store through these upcasters.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, upcasters: Upcasters) -> Self {
        Self { store, upcasters }
    }
}

impl fmt::Debug for Upcasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upcasting").field("upcasters", &self.upcasters).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for Upcasting {
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        self.store.append(batch).await
    }

    async fn read_stream(&self, stream: StreamId, from: Version, limit: usize) -> Result<EventPage, StoreError> {
        self.upcasters.upcast_all(self.store.read_stream(stream, from, limit).await?)
    }

    async fn read_all(&self, query: &LogQuery) -> Result<EventPage, StoreError> {
        self.upcasters.upcast_all(self.store.read_all(query).await?)
    }

    async fn versions(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        self.store.versions(streams).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.store.head().await
    }

    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        self.store.snapshot(stream).await
    }

    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.store.idempotency(key).await
    }

    async fn forget_idempotency(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.store.forget_idempotency(before, limit).await
    }

    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError> {
        self.store.kinds().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    fn check(&self) -> Result<(), StoreError> {
        self.store.check()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn appended_elsewhere(&self) {
        self.store.appended_elsewhere().await;
    }
}

/// What the code can read: an aggregate type and the kinds of its events.
pub type Readable = (&'static str, &'static [EventKind]);

/// What the code can read of one aggregate.
#[must_use]
pub fn readable<A: Aggregate>() -> Readable {
    (A::TYPE, A::Event::KINDS)
}

/// Refuses a log that holds an event the code has no reader for. To be called at start, before anything reads.
///
/// # Errors
/// The kinds that cannot be read, all of them; or the store could not be asked.
pub async fn refuse_unreadable(
    store: &dyn EventStore,
    readable: &[Readable],
    upcasters: &Upcasters,
) -> Result<(), UnreadableLog> {
    let mut kinds: Vec<_> = store
        .kinds()
        .await?
        .into_iter()
        .filter_map(|kind| why_unreadable(&kind, readable, upcasters).map(|why| UnreadableKind { kind, why }))
        .collect();
    kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
    if kinds.is_empty() { Ok(()) } else { Err(UnreadableLog::Kinds(UnreadableKinds(kinds))) }
}

fn why_unreadable(kind: &StoredKind, readable: &[Readable], upcasters: &Upcasters) -> Option<Why> {
    let mut of_aggregate = readable.iter().filter(|(name, _)| *name == kind.aggregate_type).peekable();
    if of_aggregate.peek().is_none() {
        return Some(Why::UnknownAggregateType);
    }
    let mut kinds = of_aggregate.flat_map(|(_, kinds)| kinds.iter());
    let Some((_, newest)) = kinds.find(|(name, _)| *name == kind.event_type) else {
        return Some(Why::UnknownEventType);
    };
    if kind.schema_version > *newest {
        return Some(Why::NewerThan(*newest));
    }
    (kind.schema_version..*newest)
        .find(|from| upcasters.step(&kind.aggregate_type, &kind.event_type, *from).is_none())
        .map(Why::NoUpcasterFrom)
}

/// Why a log was refused at start.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableLog {
    /// It holds events without a reader.
    #[error("the log holds events this program cannot read: {0}")]
    Kinds(UnreadableKinds),
    /// It could not be looked at.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every kind of a log that has no reader, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableKinds(pub Vec<UnreadableKind>);

/// A kind that has no reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableKind {
    /// Which.
    pub kind: StoredKind,
    /// What is missing.
    pub why: Why,
}

/// What is missing to read a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No aggregate of this type is known.
    UnknownAggregateType,
    /// The aggregate has no such event.
    UnknownEventType,
    /// Newer code has written it; this is the newest schema version this code knows.
    NewerThan(u32),
    /// The chain of upcasters breaks at this schema version.
    NoUpcasterFrom(u32),
}

impl fmt::Display for UnreadableKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{kind}")?;
        }
        Ok(())
    }
}

impl fmt::Display for UnreadableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoredKind { aggregate_type, event_type, schema_version } = &self.kind;
        write!(f, "{aggregate_type}/{event_type} version {schema_version} (")?;
        match self.why {
            Why::UnknownAggregateType => write!(f, "unknown aggregate type")?,
            Why::UnknownEventType => write!(f, "unknown event type")?,
            Why::NewerThan(newest) => write!(f, "newer than version {newest}, the newest known")?,
            Why::NoUpcasterFrom(version) => write!(f, "no upcaster from version {version}")?,
        }
        write!(f, ")")
    }
}
