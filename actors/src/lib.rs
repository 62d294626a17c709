#![doc = include_str!("../README.md")]

pub mod aggregate;
mod aggregate_actor;
pub mod appender;
pub mod clock;
pub mod event;
pub mod memory_store;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
