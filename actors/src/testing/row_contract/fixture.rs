use std::sync::Arc;

use crate::projection::row_store::RowStore;

/// A store of rows to try out, with whatever must live as long as it does: a directory, a server, a database to drop.
///
/// A maker returns a fresh one, with empty tables, for every case.
pub trait RowFixture: Sized + Send + Sync + 'static {
    /// The store.
    fn rows(&self) -> Arc<dyn RowStore>;

    /// Closes the store and opens it again, as a new process would. Only a durable store can.
    fn reopen(self) -> impl Future<Output = Self> + Send {
        async { panic!("this store keeps nothing to open again") }
    }
}

impl RowFixture for Arc<dyn RowStore> {
    fn rows(&self) -> Arc<dyn RowStore> {
        Arc::clone(self)
    }
}
