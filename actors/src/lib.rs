#![cfg_attr(feature = "sqlite", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "An event-sourcing engine made of actors. Its README opens with a counter in a SQLite file."
)]
#![warn(missing_docs)]

// Time, what is counted, and why there may be no answer.
pub mod clock;
pub mod failure;
pub mod metrics;
pub mod retry;

// The engine, from the log upwards.
pub mod log;

pub mod aggregate;

pub mod projection;

pub mod saga;

// Where logs and rows are kept.
pub mod stores;

#[cfg(feature = "testing")]
pub mod testing;

// What an embedder names, in one place. Everything else is reached through its room.
pub use self::log::{
    appender::{Appender, AppenderLimits},
    event::{EventEnvelope, Position, StreamId, Version},
    event_feed::EventFeed,
    store::EventStore,
};
pub use aggregate::{
    Aggregate, DecodeError, DomainEvent, EventKind,
    engine::{Engine, EngineParts, Lifespan},
    request::{Answered, CommandOutcome, Request},
};
pub use clock::{Clock, SystemClock};
pub use failure::Failure;
pub use metrics::EngineMetrics;
pub use projection::{ProjectionActor, ProjectionHandle, ProjectionMetrics, ReadModel, Sources, TakeError};
