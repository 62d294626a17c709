//! What a read model is to the engine: events in, row changes out. The projection actor does the rest.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::{EventStore, StoreError},
    },
    projection::row_store::{RowChange, RowStore, Table},
};

/// Where a read model looks while it takes events in.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The log, for the beginning of a stream it does not remember.
    pub log: &'a dyn EventStore,
    /// Its rows as they were committed last.
    pub rows: &'a dyn RowStore,
    /// The generation it writes.
    pub generation: u32,
    /// Where the log ends, as far as this process has heard.
    pub head: Position,
}

/// A fold of the log into rows.
///
/// It remembers nothing of its changes: they may not be committed, and then the same events come again. The log and the
/// committed rows are enough to go on. The same events give the same rows, however they are cut into calls.
#[async_trait]
pub trait ReadModel: Send + 'static {
    /// Its name, for operators and for its checkpoint.
    fn name(&self) -> &'static str;

    /// The tables it writes; nobody else does.
    fn tables(&self) -> &'static [&'static Table];

    /// Takes events in, in position order, and gives the changes they make, each touched row once.
    ///
    /// # Errors
    /// A store failed, or one event cannot be taken in. Either way the call had no effect.
    async fn take(&mut self, events: &[Arc<EventEnvelope>], sources: Sources<'_>) -> Result<Vec<RowChange>, TakeError>;
}

/// Why events were not taken in.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A store failed: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This event cannot be taken in: park its stream and go on without it.
    #[error("the event at position {position} cannot be taken in: {reason}")]
    Unprocessable {
        /// Its stream.
        stream: StreamId,
        /// Its version.
        version: Version,
        /// Its position.
        position: Position,
        /// Why.
        reason: String,
    },
}

impl TakeError {
    /// Says why this event cannot be taken in.
    #[must_use]
    pub fn unprocessable(event: &EventEnvelope, reason: String) -> Self {
        Self::Unprocessable { stream: event.aggregate_id, version: event.version, position: event.position, reason }
    }
}
