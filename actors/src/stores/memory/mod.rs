//! A log and rows that live and die with the process: for tests, demos and benchmarks.

mod rows;
mod store;

pub use rows::MemoryRows;
pub use store::MemoryStore;
