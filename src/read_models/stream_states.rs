//! The states of orders and sagas that the readers of one process share.

use std::sync::Arc;

use ordo_actors::aggregate::stream_cache::StreamCache;

use crate::{fulfilment::FulfilmentSaga, order::Order};

/// Bytes of the states of orders kept for all readers together.
const ORDER_BYTES: usize = 64 << 20;

/// The same for sagas.
const SAGA_BYTES: usize = 8 << 20;

/// The states of streams, each folded once for all read models and live updates.
#[derive(Clone)]
pub struct StreamStates {
    /// Of orders.
    pub orders: Arc<StreamCache<Order>>,
    /// Of sagas.
    pub sagas: Arc<StreamCache<FulfilmentSaga>>,
}

impl Default for StreamStates {
    fn default() -> Self {
        Self { orders: Arc::new(StreamCache::new(ORDER_BYTES)), sagas: Arc::new(StreamCache::new(SAGA_BYTES)) }
    }
}
