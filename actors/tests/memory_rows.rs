//! The contract of rows on the rows in memory.

use std::sync::Arc;

use ordo_actors::{memory_rows::MemoryRows, row_store::RowStore};

mod contract {
    use super::{Arc, MemoryRows, RowStore};

    ordo_actors::row_store_contract!(|| async { Arc::new(MemoryRows::new()) as Arc<dyn RowStore> });
}
