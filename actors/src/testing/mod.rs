//! What tests of the engine, of stores and of aggregates are made of.

pub mod contract;
pub mod row_contract;
