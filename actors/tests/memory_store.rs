//! The store contract on the memory store.

use std::sync::Arc;

use ordo_actors::{memory_store::MemoryStore, store::EventStore};

mod contract {
    use super::{Arc, EventStore, MemoryStore};

    ordo_actors::store_contract!(|| async { Arc::new(MemoryStore::new()) as Arc<dyn EventStore> });
}
