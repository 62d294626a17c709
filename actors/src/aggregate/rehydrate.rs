//! From the store back into memory: the newest snapshot, if one helps, and the events after it.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Aggregate, DecodeError, request::Failure},
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::{EventStore, MAX_READ, Snapshot},
    },
};

/// An aggregate in memory.
#[derive(Debug, Clone)]
pub struct Loaded<A> {
    /// The fold of its stream up to `version`.
    pub state: A,
    /// The last version folded in.
    pub version: Version,
    /// The position of the last event folded in that is known to be durable.
    pub position: Position,
    /// The time of the last event folded in.
    pub last_at: DateTime<Utc>,
}

impl<A: Aggregate> Default for Loaded<A> {
    fn default() -> Self {
        Self { state: A::default(), version: Version::NONE, position: Position::START, last_at: DateTime::UNIX_EPOCH }
    }
}

/// What a snapshot's JSON holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct SnapshotBody<S> {
    pub last_at: DateTime<Utc>,
    pub state: S,
}

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the end.
    Now,
    /// Up to a version, itself included.
    Version(Version),
    /// Up to a time, itself included.
    Time(DateTime<Utc>),
}

impl Until {
    fn includes(self, version: Version, at: DateTime<Utc>) -> bool {
        match self {
            Self::Now => true,
            Self::Version(last) => version <= last,
            Self::Time(last) => at <= last,
        }
    }
}

/// Reads an aggregate up to a point. `page` events are read at a time, 1 to [`MAX_READ`]; a stream that fits in one page is
/// read without looking for a snapshot, so `page` is best the number of events between two snapshots.
///
/// # Errors
/// The store failed, the stream belongs to another aggregate type, or an event of it cannot be read or panics.
pub async fn rehydrate<A: Aggregate>(
    store: &dyn EventStore,
    stream: StreamId,
    until: Until,
    page: usize,
) -> Result<Loaded<A>, Failure> {
    let page = page.clamp(1, MAX_READ);
    let mut loaded = Loaded::default();
    let mut events = store.read_stream(stream, Version(1), page).await?;
    if !events.is_last()
        && let Some(snapshot) = store.snapshot(stream).await?
        && let Some(restored) = restore(&snapshot, &events[0])
        && until.includes(restored.version, restored.last_at)
    {
        loaded = restored;
        events = store.read_stream(stream, loaded.version.plus(1), page).await?;
    }
    loop {
        let is_last = events.is_last();
        for event in events {
            if !until.includes(event.version, event.timestamp) {
                return Ok(loaded);
            }
            fold(&mut loaded, &event).map_err(|error| error.of(&event))?;
        }
        if is_last {
            return Ok(loaded);
        }
        events = store.read_stream(stream, loaded.version.plus(1), page).await?;
    }
}

/// Folds one event in.
///
/// # Errors
/// See [`FoldError`]; after a panic the state may be half moved.
pub fn fold<A: Aggregate>(loaded: &mut Loaded<A>, event: &EventEnvelope) -> Result<(), FoldError> {
    if event.aggregate_type != A::TYPE {
        return Err(FoldError::OtherType(event.aggregate_type.clone().into_owned()));
    }
    if event.version != loaded.version.plus(1) {
        return Err(FoldError::Hole { event: event.version, state: loaded.version });
    }
    let state = &mut loaded.state;
    catch_unwind(AssertUnwindSafe(|| {
        let decoded = event.typed::<A::Event>()?;
        state.evolve(&decoded, event.timestamp);
        Ok(())
    }))
    .map_err(|_| FoldError::Panicked)?
    .map_err(FoldError::Decode)?;
    loaded.version = event.version;
    loaded.position = event.position;
    loaded.last_at = event.timestamp;
    Ok(())
}

/// Why an event does not fold onto a state.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FoldError {
    /// It is of an aggregate of another type.
    #[error("the event belongs to an aggregate of type {0}")]
    OtherType(String),
    /// It is not the next one of the stream.
    #[error("version {event} follows {state}")]
    Hole {
        /// The version of the event.
        event: Version,
        /// The version of the state.
        state: Version,
    },
    /// Its payload cannot be read.
    #[error("{}", with_cause(_0))]
    Decode(Arc<DecodeError>),
    /// The code that reads it, or folds it, panicked.
    #[error("the event could not be folded: a panic")]
    Panicked,
}

fn with_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

impl FoldError {
    /// What it means to the reader of a whole stream.
    fn of(self, event: &EventEnvelope) -> Failure {
        let EventEnvelope { aggregate_id, version, .. } = event;
        match self {
            Self::OtherType(other) => Failure::OtherType(other),
            Self::Hole { event, state } => {
                Failure::Unreadable(format!("stream {aggregate_id} has version {event} after {state}"))
            }
            Self::Decode(error) => Failure::Unreadable(format!("{aggregate_id}@{version}: {error}")),
            Self::Panicked => Failure::Panicked,
        }
    }
}

/// A snapshot that this code did not write, or that does not parse, is no snapshot.
fn restore<A: Aggregate>(snapshot: &Snapshot, first: &EventEnvelope) -> Option<Loaded<A>> {
    if snapshot.schema != A::SNAPSHOT_SCHEMA || first.aggregate_type != A::TYPE {
        return None;
    }
    let body: SnapshotBody<A> = serde_json::from_str(snapshot.state.get())
        .inspect_err(|error| log::warn!("a snapshot is ignored: {error}"))
        .ok()?;
    Some(Loaded { state: body.state, version: snapshot.version, position: snapshot.position, last_at: body.last_at })
}
