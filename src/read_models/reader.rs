//! What readers of the read models need: the rows, and how far each read model has come.

use std::sync::Arc;

use ordo_actors::{event::Position, row_store::RowStore};
use tokio::sync::watch;

/// Where a read model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Which generation of rows readers are to read.
    pub generation: u32,
    /// Everything up to here is in them.
    pub position: Position,
}

/// How far a read model has come, for those who wait for it. Whoever writes its rows, or sees them written by another
/// process, tells it after each commit.
#[derive(Debug, Clone)]
pub struct ReadModelGate(watch::Receiver<Standing>);

impl ReadModelGate {
    /// Makes a gate, and the end that opens it.
    #[must_use]
    pub fn new(standing: Standing) -> (watch::Sender<Standing>, Self) {
        let (sender, receiver) = watch::channel(standing);
        (sender, Self(receiver))
    }

    /// Where the read model stands now.
    #[must_use]
    pub fn now(&self) -> Standing {
        *self.0.borrow()
    }

    /// Waits until the read model has come this far, for as long as it takes. Nothing when it has stopped for good before.
    pub async fn reached(&self, position: Position) -> Option<Standing> {
        let mut standing = self.0.clone();
        standing.wait_for(|standing| standing.position >= position).await.ok().map(|standing| *standing)
    }
}

/// The read models, for those who read them.
#[derive(Clone)]
pub struct ReadModels {
    /// Their rows.
    pub rows: Arc<dyn RowStore>,
    /// How far the current orders are.
    pub current_orders: ReadModelGate,
    /// How far the history is.
    pub order_history: ReadModelGate,
    /// How far the customers are.
    pub customer_orders: ReadModelGate,
    /// How far the demand is.
    pub inventory_demand: ReadModelGate,
}
