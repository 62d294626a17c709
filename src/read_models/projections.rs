//! The read models at work: one projection actor each.

use std::sync::Arc;

use ordo_actors::projection::{ProjectionActor, ProjectionHandle, ReadModel, progress::ProjectionParts};

use super::{
    current_orders::CurrentOrders, customer_orders::CustomerOrders, inventory_demand::InventoryDemand,
    order_history::OrderHistory, order_projection::OrderProjection, reader::ReadModels, saga_list::SagaList,
    stream_states::StreamStates,
};

/// The read models there are, in the order in which operators see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadModelKind {
    /// Orders that have not ended.
    CurrentOrders,
    /// Orders that have.
    OrderHistory,
    /// Customers and their orders.
    CustomerOrders,
    /// Products and the demand for them.
    InventoryDemand,
    /// Sagas.
    Sagas,
}

impl ReadModelKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::CurrentOrders, Self::OrderHistory, Self::CustomerOrders, Self::InventoryDemand, Self::Sagas];

    /// A fresh read model of this kind, which shares these states.
    #[must_use]
    pub fn make(self, states: &StreamStates) -> Box<dyn ReadModel> {
        let (orders, sagas) = (Arc::clone(&states.orders), Arc::clone(&states.sagas));
        match self {
            Self::CurrentOrders => Box::new(OrderProjection::<CurrentOrders>::sharing(orders)),
            Self::OrderHistory => Box::new(OrderProjection::<OrderHistory>::sharing(orders)),
            Self::CustomerOrders => Box::new(OrderProjection::<CustomerOrders>::sharing(orders)),
            Self::InventoryDemand => Box::new(OrderProjection::<InventoryDemand>::sharing(orders)),
            Self::Sagas => Box::new(SagaList::sharing(sagas)),
        }
    }
}

/// Makes a fresh read model of every kind.
#[must_use]
pub fn all() -> Vec<Box<dyn ReadModel>> {
    let states = StreamStates::default();
    ReadModelKind::ALL.iter().map(|kind| kind.make(&states)).collect()
}

/// The read models, for those who read them and for those who run them.
#[derive(Clone)]
pub struct Projections {
    /// For readers.
    pub models: ReadModels,
    /// For operators, in a fixed order.
    pub handles: Vec<ProjectionHandle>,
}

impl Projections {
    /// Starts all of them on the current arbiter.
    #[must_use]
    pub fn start(parts: &ProjectionParts, states: &StreamStates) -> Self {
        let handles = ReadModelKind::ALL.map(|kind| {
            let states = states.clone();
            ProjectionActor::start_with(parts.clone(), Arc::new(move || kind.make(&states)))
        });
        let models = ReadModels::new(Arc::clone(&parts.rows), |kind| Arc::new(handles[kind as usize].clone()));
        Self { models, handles: handles.into() }
    }

    /// The projection of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ProjectionHandle> {
        self.handles.iter().find(|projection| projection.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_number() {
        for (number, kind) in ReadModelKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
