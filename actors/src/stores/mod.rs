//! The stores behind the engine's contracts, [`EventStore`](crate::log::store::EventStore) and
//! [`RowStore`](crate::projection::row_store::RowStore).

pub mod memory;
