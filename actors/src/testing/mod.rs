//! What tests of the engine, of stores and of aggregates are made of.

pub mod contract;
