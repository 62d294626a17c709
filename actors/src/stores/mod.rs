//! The stores behind the engine's contracts, [`EventStore`](crate::log::store::EventStore) and
//! [`RowStore`](crate::projection::row_store::RowStore).
//!
//! ```text
//!   memory     gone with the process
//!   sqlite     one file, one process                           feature `sqlite`
//!   postgres   one database, any number of processes           feature `postgres`
//! ```
//! A store knows streams, events and JSON text, and rows of the tables it is handed. One suite of contracts proves all three.

pub mod memory;

#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "postgres")]
pub mod postgres;

// Of both databases: the tables to be made, and statements about rows.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod row_sql;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod schema;
