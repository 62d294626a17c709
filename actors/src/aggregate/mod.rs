//! Aggregates: a pure decider per stream, and an actor for each one in use.
//!
//! ```text
//!   Engine::ask -> (stream's address) -> mailbox -> actor: rehydrate, decide, gather -> appender -> verdicts -> answers
//!                                          |                                                |
//!                                          +- retired meanwhile: to the next incarnation    +- conflict: read, decide again
//! ```
//!
//! **Invariant:** at most one actor of an engine accepts requests of a stream.
//!
//! **Invariant:** no answer leaves an actor before all it depends on is durable.

// Pure: what an aggregate is, and what can be asked of it.
mod decider;
pub mod request;

// One request, one actor, all actors.
pub mod rehydrate;
pub mod stream_cache;

pub(crate) mod execution;
mod message;
mod version_checks;

mod actor;
pub mod engine;

pub use decider::{Aggregate, DecodeError, DomainEvent, EventKind};
