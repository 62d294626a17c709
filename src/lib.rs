//! The order application on the engine.

pub mod order;
