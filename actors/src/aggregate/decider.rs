//! The decider: a pure function from state and command to events, and a fold of events back into state.

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A kind of event the code can read: its type, and the newest schema version of it.
pub type EventKind = (&'static str, u32);

/// One consistency boundary: its state is the fold of its own stream and nothing else.
///
/// Both functions are pure: no clock, no ids, no I/O. `Default` is the state of a stream that has no event.
/// `Serialize` and `DeserializeOwned` serve snapshots. After Jérémie Chassaing's "functional event sourcing decider".
pub trait Aggregate: Clone + Default + Send + Sync + Unpin + Serialize + DeserializeOwned + 'static {
    /// The `aggregate_type` of its streams. A stream of another type is `Absent` to this aggregate.
    const TYPE: &'static str;
    /// Changes whenever the serialized state changes shape: a snapshot with another number is ignored.
    const SNAPSHOT_SCHEMA: u32;

    /// What can be asked of it, imperative.
    type Command: Send + 'static;
    /// What can have happened to it, past tense.
    type Event: DomainEvent;
    /// Why it said no.
    type Rejection: std::error::Error + Send + 'static;

    /// Decides what happens: nothing (the command changes nothing), some events, or a rejection.
    ///
    /// # Errors
    /// The rule that forbids the command in this state.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// About how many bytes the state holds in memory beyond its own size. Tells the engine which of many aggregates may stay.
    fn weight(&self) -> usize {
        0
    }

    /// Moves the state past one event, recorded `at` that time. Never rejects: the event has happened.
    fn evolve(&mut self, event: &Self::Event, at: DateTime<Utc>);
}

/// An event that can be written to a log and read back.
pub trait DomainEvent: Sized + Send + Sync + 'static {
    /// Every kind this code writes, at its newest schema version.
    const KINDS: &'static [EventKind];

    /// The name stored with the event; one of [`Self::KINDS`].
    fn event_type(&self) -> &'static str;

    /// Writes the payload, a JSON object.
    ///
    /// # Errors
    /// Only when the event holds something JSON cannot say.
    fn encode(&self) -> serde_json::Result<Box<RawValue>>;

    /// Reads a payload of the newest schema version back (upcasters have run before).
    ///
    /// # Errors
    /// The type is unknown or the payload does not fit it.
    fn decode(event_type: &str, payload: &RawValue) -> Result<Self, DecodeError>;

    /// The schema version this code writes for this event.
    fn schema_version(&self) -> u32 {
        let mine = self.event_type();
        Self::KINDS.iter().find(|(name, _)| *name == mine).map_or(1, |(_, version)| *version)
    }
}

/// Why a stored event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No reader for this type.
    #[error("no reader for event type {0:?}")]
    UnknownType(String),
    /// The payload does not have the shape the type demands.
    #[error("the payload of a {event_type} does not fit")]
    Payload {
        /// Which type.
        event_type: String,
        /// What serde found.
        source: serde_json::Error,
    },
}
