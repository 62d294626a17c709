#![doc = include_str!("../README.md")]

pub mod aggregate;
mod aggregate_actor;
pub mod appender;
mod backlog;
pub mod checksum;
pub mod clock;
mod dead_letter;
pub mod event;
pub mod event_feed;
pub mod event_page;
mod generations;
pub mod inspection;
pub mod memory_rows;
pub mod memory_store;
mod message;
pub mod metrics;
pub mod projection;
pub mod projection_actor;
pub mod projection_progress;
mod projector;
#[cfg(test)]
mod projector_tests;
pub mod registry;
pub mod rehydrate;
pub mod request;
pub mod retry;
pub mod row_store;
pub mod saga;
mod sharded;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod upcast;
mod version_checks;
mod work;
