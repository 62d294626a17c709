//! Orders that were folded lately, so that their next event need not read their stream again.

use std::sync::Arc;

use lru::LruCache;
use ordo_actors::log::event::Version;

use crate::order::{Order, OrderId};

/// Most orders and lines together that one read model remembers: about 10 MB.
const MOST_REMEMBERED: usize = 50_000;

/// An order at a version.
#[derive(Debug, Clone, Default)]
pub struct KnownOrder {
    /// The fold of its events.
    pub order: Order,
    /// The last one folded in.
    pub version: Version,
}

impl KnownOrder {
    fn weight(&self) -> usize {
        1 + self.order.lines().len()
    }
}

/// The orders used last, within a limit of memory.
#[derive(Debug)]
pub struct RememberedOrders {
    orders: LruCache<OrderId, Arc<KnownOrder>>,
    weight: usize,
    limit: usize,
}

impl Default for RememberedOrders {
    fn default() -> Self {
        Self::with_limit(MOST_REMEMBERED)
    }
}

impl RememberedOrders {
    /// Remembers orders and lines up to a number of both together.
    pub fn with_limit(limit: usize) -> Self {
        Self { orders: LruCache::unbounded(), weight: 0, limit }
    }

    pub fn get(&mut self, id: OrderId) -> Option<Arc<KnownOrder>> {
        self.orders.get(&id).map(Arc::clone)
    }

    /// Remembers an order in place of what it was, and forgets those not used for longest.
    pub fn put(&mut self, id: OrderId, order: Arc<KnownOrder>) {
        self.weight += order.weight();
        if let Some(before) = self.orders.put(id, order) {
            self.weight -= before.weight();
        }
        while self.weight > self.limit
            && let Some((_, oldest)) = self.orders.pop_lru()
        {
            self.weight -= oldest.weight();
        }
    }

    pub fn clear(&mut self) {
        self.orders.clear();
        self.weight = 0;
    }
}
