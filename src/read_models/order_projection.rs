//! Between the engine and the read models of orders: events become orders before and after, and the changes are completed.

use std::{fmt, marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use ordo_actors::{
    aggregate::stream_cache::StreamCache,
    log::event::EventEnvelope,
    projection::{
        ReadModel, ReaderStates, Sources, TakeError,
        row_store::{RowChange, Table},
    },
};

use super::{
    changes::{Changes, OrderChange, OrderReadModel},
    stream_states::StreamStates,
};
use crate::order::Order;

/// Makes a read model of the engine out of a pure function of orders.
pub struct OrderProjection<M> {
    orders: ReaderStates<Order>,
    model: PhantomData<fn() -> M>,
}

impl<M> Default for OrderProjection<M> {
    fn default() -> Self {
        Self::sharing(StreamStates::default().orders)
    }
}

impl<M> OrderProjection<M> {
    /// Folds on these states.
    #[must_use]
    pub fn sharing(orders: Arc<StreamCache<Order>>) -> Self {
        Self { orders: ReaderStates::sharing(orders), model: PhantomData }
    }
}

impl<M: OrderReadModel> fmt::Debug for OrderProjection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderProjection({})", M::NAME)
    }
}

#[async_trait]
impl<M: OrderReadModel> ReadModel for OrderProjection<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn tables(&self) -> &'static [&'static Table] {
        M::TABLES
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>], sources: Sources<'_>) -> Result<Vec<RowChange>, TakeError> {
        let mut changes = M::Changes::default();
        for change in self.orders.changes(events, sources).await? {
            M::apply(&OrderChange::of(&change), &mut changes);
        }
        let shared = match changes.shared() {
            Some((table, keys)) if !keys.is_empty() => sources.rows.fetch(table, sources.generation, &keys).await?,
            _ => Vec::new(),
        };
        Ok(changes.finish(&shared))
    }
}
