//! The order application on the engine.

pub mod import;
pub mod order;
