//! The stores behind the engine's one contract.
//!
//! ```text
//!   EventStore (ordo-actors) -+- sqlite     one file, one process
//!                             `- postgres   one database, any number of processes
//! ```
//! A store knows streams, events and JSON text; it has never heard of an order.

pub mod postgres;
pub mod sqlite;
