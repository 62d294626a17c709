//! What events change: each stream before and after its events in one call.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    aggregate::{
        Aggregate,
        rehydrate::{Loaded, fold},
        request::Failure,
        stream_cache::StreamCache,
    },
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::{EventStore, StoreError},
    },
    projection::{Sources, TakeError},
};

/// Streams that one reader folds, and reads back where it must, at the same time.
const FOLDED_AT_ONCE: usize = 16;

/// A reader that is further behind the log than so many events folds on states of its own.
const FAR_BEHIND: u64 = 16_384;

/// Bytes of the states that a reader far behind the log keeps for itself.
const OWN_BYTES: usize = 8 << 20;

/// One stream before and after some of its events.
#[derive(Debug)]
pub struct StreamChange<A> {
    /// Which stream.
    pub stream: StreamId,
    /// Its state before the first of the events.
    pub before: Arc<Loaded<A>>,
    /// Its state after the last of them.
    pub after: Arc<Loaded<A>>,
    /// The events, in the order of their versions.
    pub events: Vec<Arc<EventEnvelope>>,
}

/// The states that a reader folds on: shared with all readers while it is near the end of the log, its own while it is far
/// behind, as most of a rebuild is. So catching up does not drop what the others need.
pub struct ReaderStates<A> {
    shared: Arc<StreamCache<A>>,
    own: StreamCache<A>,
}

impl<A: Aggregate> ReaderStates<A> {
    /// Shares this cache.
    #[must_use]
    pub fn sharing(shared: Arc<StreamCache<A>>) -> Self {
        Self { shared, own: StreamCache::new(OWN_BYTES) }
    }

    /// The states that all readers share.
    #[must_use]
    pub fn shared(&self) -> &StreamCache<A> {
        &self.shared
    }

    /// The states for a reader at a position of a log that ends at `head`.
    #[must_use]
    pub fn at(&self, position: Position, head: Position) -> &StreamCache<A> {
        if is_far(position, head) { &self.own } else { &self.shared }
    }

    /// What events of aggregates of this type, in the order of the log, change: one entry for each stream. Others are passed
    /// over.
    ///
    /// # Errors
    /// As [`StreamChange::of`], for the first stream that has one.
    pub async fn changes(
        &mut self,
        events: &[Arc<EventEnvelope>],
        sources: Sources<'_>,
    ) -> Result<Vec<StreamChange<A>>, TakeError> {
        let position = events.last().map_or(sources.head, |last| last.position);
        if !is_far(position, sources.head) {
            self.own.clear();
        }
        let states = self.at(position, sources.head);
        stream::iter(by_stream::<A>(events))
            .map(|events| StreamChange::of(events, states, sources.log))
            .buffered(FOLDED_AT_ONCE)
            .try_collect()
            .await
    }
}

fn is_far(position: Position, head: Position) -> bool {
    head > position.plus(FAR_BEHIND)
}

/// The events of aggregates of one type, stream by stream.
fn by_stream<A: Aggregate>(events: &[Arc<EventEnvelope>]) -> Vec<Vec<Arc<EventEnvelope>>> {
    let mut streams: Vec<Vec<Arc<EventEnvelope>>> = Vec::new();
    let mut places = HashMap::new();
    for event in events.iter().filter(|event| event.aggregate_type == A::TYPE) {
        let place = *places.entry(event.aggregate_id).or_insert(streams.len());
        match streams.get_mut(place) {
            Some(stream) => stream.push(Arc::clone(event)),
            None => streams.push(vec![Arc::clone(event)]),
        }
    }
    streams
}

impl<A: Aggregate> StreamChange<A> {
    /// What events of one stream, at least one, change. Folds only what no reader of the cache has folded yet.
    ///
    /// # Errors
    /// The store failed; or an event cannot be folded, or what is before the first one cannot.
    pub async fn of(
        events: Vec<Arc<EventEnvelope>>,
        states: &StreamCache<A>,
        log: &dyn EventStore,
    ) -> Result<Self, TakeError> {
        let (first, last) = (&events[0], &events[events.len() - 1]);
        let stream = first.aggregate_id;
        let before = before(first, states, log).await?;
        let versions = (before.version.0 + 1..).map(Version);
        let follow_on = events.iter().zip(versions).all(|(event, version)| event.version == version);
        if follow_on && let Some(after) = states.get(stream, last.version) {
            return Ok(Self { stream, before, after, events });
        }
        let mut after = Loaded::clone(&before);
        for event in &events {
            fold(&mut after, event).map_err(|error| TakeError::unprocessable(event, error.to_string()))?;
        }
        let after = Arc::new(after);
        states.put(stream, Arc::clone(&after));
        Ok(Self { stream, before, after, events })
    }
}

/// The state before an event.
async fn before<A: Aggregate>(
    first: &EventEnvelope,
    states: &StreamCache<A>,
    log: &dyn EventStore,
) -> Result<Arc<Loaded<A>>, TakeError> {
    let stream = first.aggregate_id;
    match states.at(log, stream, Version(first.version.0.saturating_sub(1))).await {
        Ok(before) => Ok(before),
        Err(Failure::Unavailable(reason)) => Err(StoreError::Unavailable(reason).into()),
        Err(Failure::Unknown(reason)) => Err(StoreError::Unknown(reason).into()),
        Err(
            failure @ (Failure::Overloaded
            | Failure::Contended(_)
            | Failure::ExtraWriteConflict { .. }
            | Failure::KeyReused
            | Failure::OtherType(_)
            | Failure::Unreadable(_)
            | Failure::Panicked),
        ) => {
            // A log that cannot be read at all is no fault of this stream's.
            log.read_stream(stream, first.version, 1).await?;
            Err(TakeError::unprocessable(first, failure.to_string()))
        }
    }
}
