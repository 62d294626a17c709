//! x
pub mod application;
pub mod cli;
pub mod config;
pub mod http;
pub mod order;
pub mod stores;
pub mod telemetry;
