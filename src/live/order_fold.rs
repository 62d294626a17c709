//! Orders folded lately, within a limit of memory, so that the next event of an order needs no read.

use std::sync::Arc;

use lru::LruCache;
use ordo_actors::{
    aggregate::{
        rehydrate::{Loaded, Until, fold, rehydrate},
        request::Failure,
    },
    log::{
        event::EventEnvelope,
        store::{EventStore, StoreError},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::order::{Order, OrderId};

/// Events of a stream read at a time, when an order has to be read back.
const PAGE: usize = 200;

/// Folds events of many orders, each in the order of its versions.
pub struct OrderFold {
    orders: LruCache<OrderId, Loaded<Order>>,
    weight: usize,
    limit: usize,
    /// Held while more than the limit is remembered between two uses.
    large: Option<OwnedSemaphorePermit>,
}

impl OrderFold {
    /// Remembers orders and lines up to a number of both together.
    pub fn with_limit(limit: usize) -> Self {
        Self { orders: LruCache::unbounded(), weight: 0, limit, large: None }
    }

    /// Keeps what it remembers for the next use, unless one order alone is beyond the limit and there is no permit for that.
    pub fn shared(mut self, permits: &Arc<Semaphore>) -> Option<Self> {
        if self.weight <= self.limit {
            self.large = None;
        } else if self.large.is_none() {
            self.large = Some(Arc::clone(permits).try_acquire_owned().ok()?);
        }
        Some(self)
    }

    /// The order as it was after this event; nothing when the log holds something unreadable there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn past(
        &mut self,
        store: &dyn EventStore,
        event: &EventEnvelope,
    ) -> Result<Option<&Loaded<Order>>, StoreError> {
        let id = event.aggregate_id;
        let known = self.take(id);
        let after = match next(known, event) {
            Some(folded) => folded,
            None => rehydrate(store, id, Until::Version(event.version), PAGE).await,
        };
        match after {
            Ok(after) if after.version == event.version => Ok(Some(self.keep(id, after))),
            Ok(after) => {
                log::error!("order<{id}@{}> is missing: its stream ends at {}", event.version, after.version);
                Ok(None)
            }
            Err(Failure::Unavailable(reason) | Failure::Unknown(reason)) => Err(StoreError::Unavailable(reason)),
            Err(failure) => {
                log::error!("order<{id}@{}> cannot be shown: {failure}", event.version);
                Ok(None)
            }
        }
    }

    fn take(&mut self, id: OrderId) -> Option<Loaded<Order>> {
        let known = self.orders.pop(&id)?;
        self.weight -= weight(&known);
        Some(known)
    }

    fn keep(&mut self, id: OrderId, order: Loaded<Order>) -> &Loaded<Order> {
        let own = weight(&order);
        while self.weight + own > self.limit
            && let Some((_, oldest)) = self.orders.pop_lru()
        {
            self.weight -= weight(&oldest);
        }
        self.weight += own;
        self.orders.get_or_insert(id, || order)
    }
}

/// Folds an event onto the order before it; nothing when this is not the order before it.
fn next(known: Option<Loaded<Order>>, event: &EventEnvelope) -> Option<Result<Loaded<Order>, Failure>> {
    let mut order = known.unwrap_or_default();
    if order.version == event.version {
        return Some(Ok(order));
    }
    (order.version.plus(1) == event.version).then(|| fold(&mut order, event).map(|()| order))
}

fn weight(order: &Loaded<Order>) -> usize {
    1 + order.state.lines().len()
}
