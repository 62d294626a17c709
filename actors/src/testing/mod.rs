//! What tests of the engine, of stores and of aggregates are made of.

mod counter;
mod faulty_store;
mod gate;
mod given_when_then;
mod manual_clock;

pub mod contract;
pub mod row_contract;

pub use counter::{Counter, CounterCommand, CounterEvent, CounterRejection};
pub use faulty_store::{AppendFault, FaultyStore};
pub use gate::Gate;
pub use given_when_then::{After, Given, Outcome, given, nth_second};
pub use manual_clock::ManualClock;
