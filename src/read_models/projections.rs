//! The read models at work: one projection actor each.

use std::sync::Arc;

use ordo_actors::projection::{ProjectionActor, ProjectionHandle, ReadModel, progress::ProjectionParts};

use super::{
    current_orders::CurrentOrders, customer_orders::CustomerOrders, inventory_demand::InventoryDemand,
    kind::ReadModelKind, order_history::OrderHistory, order_projection::OrderProjection, reader::ReadModels,
    saga_list::SagaList, stream_states::StreamStates,
};

/// A fresh read model of this kind, which shares these states.
fn make(kind: ReadModelKind, states: &StreamStates) -> Box<dyn ReadModel> {
    let (orders, sagas) = (Arc::clone(&states.orders), Arc::clone(&states.sagas));
    match kind {
        ReadModelKind::CurrentOrders => Box::new(OrderProjection::<CurrentOrders>::sharing(orders)),
        ReadModelKind::OrderHistory => Box::new(OrderProjection::<OrderHistory>::sharing(orders)),
        ReadModelKind::CustomerOrders => Box::new(OrderProjection::<CustomerOrders>::sharing(orders)),
        ReadModelKind::InventoryDemand => Box::new(OrderProjection::<InventoryDemand>::sharing(orders)),
        ReadModelKind::Sagas => Box::new(SagaList::sharing(sagas)),
    }
}

/// Makes a fresh read model of every kind.
#[must_use]
pub fn all() -> Vec<Box<dyn ReadModel>> {
    let states = StreamStates::default();
    ReadModelKind::ALL.iter().map(|kind| make(*kind, &states)).collect()
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
            ProjectionActor::start_with(parts.clone(), Arc::new(move || make(kind, &states)))
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
