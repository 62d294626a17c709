//! The order application on the engine: an event-sourced order management server.
//!
//! Arrows between its modules only point down; docs/architecture.md draws the layers.

pub mod application;
pub mod audit;
pub mod cli;
pub mod config;
pub mod fulfilment;
pub mod guard;
pub mod http;
pub mod import;
pub mod live;
pub mod migration;
pub mod order;
pub mod ordering;
pub mod partner_sim;
pub mod read_models;
pub mod telemetry;
