//! The order application on the engine.

pub mod application;
pub mod cli;
pub mod config;
pub mod http;
pub mod import;
pub mod order;
pub mod telemetry;
