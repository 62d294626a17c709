use std::sync::Arc;

use crate::log::store::EventStore;

/// A store to try out, with whatever must live as long as it does: a directory, a server, a database to drop.
///
/// A maker returns a fresh one, with an empty log, for every case.
pub trait ContractFixture: Sized + Send + Sync + 'static {
    /// The store.
    fn store(&self) -> Arc<dyn EventStore>;

    /// Closes the store and opens the same log again, as a new process would. Only a durable store can.
    fn reopen(self) -> impl Future<Output = Self> + Send {
        async { panic!("this store keeps nothing to open again") }
    }
}

impl ContractFixture for Arc<dyn EventStore> {
    fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(self)
    }
}
