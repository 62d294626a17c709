//! The contract of [`EventStore`](crate::log::store::EventStore) as a suite: one named test per rule, run against every store by
//! [`store_contract!`](crate::store_contract), and by [`durable_store_contract!`](crate::durable_store_contract) against
//! those that outlive their process.

#![expect(missing_docs, reason = "the name of a case is the rule it proves")]

mod fixture;
mod list;

pub mod building;

pub mod append;
pub mod batches;
pub mod concurrency;
pub mod durability;
pub mod idempotency;
pub mod kinds;
pub mod metadata;
pub mod payloads;
pub mod queries;
pub mod snapshots;
pub mod versions;

pub use fixture::ContractFixture;
