//! The contract of [`RowStore`](crate::projection::row_store::RowStore) as a suite: one named test per rule, run against every store by
//! [`row_store_contract!`](crate::row_store_contract), and by
//! [`durable_row_store_contract!`](crate::durable_row_store_contract) against those that outlive their process.
//!
//! A store must hold the tables of [`tables`] before a case begins.

#![expect(missing_docs, reason = "the name of a case is the rule it proves")]

mod fixture;
mod list;

pub mod building;
pub mod tables;

pub mod atomicity;
pub mod checkpoints;
pub mod conditions;
pub mod cursors;
pub mod durability;
pub mod generations;
pub mod letters;
pub mod pages;
pub mod rows;

pub use fixture::RowFixture;
