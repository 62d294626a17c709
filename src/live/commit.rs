//! The events of one commit, and the order that they leave behind.

use std::sync::Arc;

use ordo_actors::{
    aggregate::{rehydrate::Loaded, stream_cache::StreamCache},
    log::{
        event::EventEnvelope,
        store::{EventStore, StoreError},
    },
    projection::{StreamChange, TakeError},
};

use super::live_event::{LargeOrders, LiveEvent};
use crate::order::{CustomerId, Order};

/// Whether two events that follow one another in a stream were committed together: the log holds them side by side, with one
/// time and one command. Needs nothing but the log, so it is the same whenever they are read.
#[must_use]
pub fn are_of_one_commit(event: &EventEnvelope, next: &EventEnvelope) -> bool {
    event.aggregate_id == next.aggregate_id
        && event.position.plus(1) == next.position
        && event.timestamp == next.timestamp
        && event.metadata == next.metadata
}

/// Events of one commit, or of a part of one, and the order after them.
pub struct FoldedCommit<'a> {
    events: &'a [Arc<EventEnvelope>],
    /// How many of the events could be folded: the first ones.
    folded: usize,
    /// The order after those; nothing when there are none.
    after: Option<Arc<Loaded<Order>>>,
}

impl<'a> FoldedCommit<'a> {
    /// Folds the events of one commit. Events that cannot be read are logged and leave no order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of(
        events: &'a [Arc<EventEnvelope>],
        states: &StreamCache<Order>,
        store: &dyn EventStore,
    ) -> Result<Self, StoreError> {
        let mut folded = events.len();
        while folded > 0 {
            match StreamChange::of(events[..folded].to_vec(), states, store).await {
                Ok(change) => return Ok(Self { events, folded, after: Some(change.after) }),
                Err(TakeError::Unprocessable { stream, version, reason, .. }) => {
                    log::error!("order<{stream}@{version}> cannot be shown: {reason}");
                    folded = events[..folded - 1].partition_point(|event| event.version < version);
                }
                Err(TakeError::Store(StoreError::Corrupt(reason))) => {
                    log::error!("order<{}@{}> cannot be shown: {reason}", events[0].aggregate_id, events[0].version);
                    folded = 0;
                }
                Err(TakeError::Store(
                    StoreError::Unavailable(reason) | StoreError::Unknown(reason) | StoreError::Broken(reason),
                )) => return Err(StoreError::Unavailable(reason)),
            }
        }
        Ok(Self { events, folded, after: None })
    }

    /// Whose order it is; nothing when none of the events could be read.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.after.as_ref().and_then(|after| after.state.customer_id())
    }

    /// The events as subscribers get them; the last of them with the order if the commit ends there.
    pub fn live_events(&self, ends: bool, room: &LargeOrders) -> impl Iterator<Item = LiveEvent> {
        self.events.iter().enumerate().map(move |(index, event)| {
            let after = self.after.as_deref().filter(|_| index < self.folded);
            let is_last = index + 1 == self.events.len();
            LiveEvent::new(event, after, ends && is_last, room)
        })
    }
}
