//! The contract of rows on the rows in memory.

use std::sync::Arc;

use ordo_actors::{projection::row_store::RowStore, stores::memory::MemoryRows};

mod contract {
    use super::{Arc, MemoryRows, RowStore};

    ordo_actors::row_store_contract!(|| async { Arc::new(MemoryRows::new()) as Arc<dyn RowStore> });
}
