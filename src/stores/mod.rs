//! The stores behind the engine's one contract.
//!
//! ```text
//!   EventStore, RowStore -+- sqlite     one file, one process
//!   (ordo-actors)         `- postgres   one database, any number of processes
//! ```
//! A store knows streams, events and JSON text, and rows of the tables it is handed; it has never heard of an order.

pub mod postgres;
pub mod row_sql;
pub mod sqlite;
