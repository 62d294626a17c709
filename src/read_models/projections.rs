//! The read models at work: one projection actor each.

use std::sync::Arc;

use ordo_actors::projection::{
    ProjectionActor, ProjectionHandle, ReadModel,
    progress::{MakeModel, ProjectionParts},
};

use super::{
    current_orders::CurrentOrders,
    customer_orders::CustomerOrders,
    inventory_demand::InventoryDemand,
    order_history::OrderHistory,
    order_projection::OrderProjection,
    reader::{ReadModelProgress, ReadModels},
    saga_list::SagaList,
};

/// The read models, for those who read them and for those who run them.
#[derive(Clone)]
pub struct Projections {
    /// For readers.
    pub models: ReadModels,
    /// For operators, in a fixed order.
    pub handles: Vec<ProjectionHandle>,
}

/// Every read model's name and how a fresh one is made.
fn makers() -> [MakeModel; 5] {
    fn maker<M: ReadModel + Default>() -> MakeModel {
        Arc::new(|| Box::new(M::default()))
    }
    [
        maker::<OrderProjection<CurrentOrders>>(),
        maker::<OrderProjection<OrderHistory>>(),
        maker::<OrderProjection<CustomerOrders>>(),
        maker::<OrderProjection<InventoryDemand>>(),
        maker::<SagaList>(),
    ]
}

/// Makes a fresh read model of every kind.
#[must_use]
pub fn all() -> Vec<Box<dyn ReadModel>> {
    makers().iter().map(|make| make()).collect()
}

impl Projections {
    /// Starts all of them on the current arbiter.
    #[must_use]
    pub fn start(parts: &ProjectionParts) -> Self {
        let started = makers().map(|make| ProjectionActor::start_with(parts.clone(), make));
        let progress = |handle: &ProjectionHandle| -> Arc<dyn ReadModelProgress> { Arc::new(handle.clone()) };
        let [current_orders, order_history, customer_orders, inventory_demand, sagas] = &started;
        let models = ReadModels {
            rows: Arc::clone(&parts.rows),
            current_orders: progress(current_orders),
            order_history: progress(order_history),
            customer_orders: progress(customer_orders),
            inventory_demand: progress(inventory_demand),
            sagas: progress(sagas),
        };
        Self { models, handles: started.into() }
    }

    /// The projection of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ProjectionHandle> {
        self.handles.iter().find(|projection| projection.name() == name)
    }
}
