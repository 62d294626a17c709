//! The order application on the engine.
