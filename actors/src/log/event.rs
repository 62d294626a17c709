//! What the log is made of: streams, versions, positions and the envelope around every event.

use std::{borrow::Cow, fmt, sync::Arc};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    aggregate::{DecodeError, DomainEvent},
    log::decoded::Decoded,
};

/// The name of an event type or an aggregate type: static when the code knows it, owned when it came from a store.
pub type Name = Cow<'static, str>;

/// Names one stream: the events of one aggregate. An id belongs to one aggregate type only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub Uuid);

/// The number of an event within its stream: 1, 2, ... without a hole. Zero is the stream that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

/// The number of an event within the whole log: 1, 2, ... without a hole, in commit order. Zero is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// The identity of a log, drawn when it is created. A position means nothing in a log of another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Uuid);

/// Where the log ends, and which log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub epoch: Epoch,
    /// The position of the last event, or zero.
    pub position: Position,
}

impl StreamId {
    /// Makes an id that sorts by the time it was made (UUID version 7): stores append such streams side by side.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Version {
    /// The version of a stream that has no event.
    pub const NONE: Self = Self(0);

    /// The version `events` further on.
    #[must_use]
    pub const fn plus(self, events: u64) -> Self {
        Self(self.0 + events)
    }
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The position `events` further on.
    #[must_use]
    pub const fn plus(self, events: u64) -> Self {
        Self(self.0 + events)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who and what caused an event. Everything is optional: a log is readable without it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Ties together all that one outside request led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The event or command that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// The command whose decision this event is; the same for all events of one commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// An event as it stands in the log. Serializes to the JSON that clients see.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventEnvelope {
    /// Unique over all logs.
    pub event_id: Uuid,
    /// What happened, in the past tense: `OrderCreated`.
    pub event_type: Name,
    /// Which shape `payload` has; counts up from 1 per event type.
    pub schema_version: u32,
    /// The stream.
    pub aggregate_id: StreamId,
    /// What kind of aggregate the stream belongs to: `Order`.
    pub aggregate_type: Name,
    /// Its number in the stream.
    pub version: Version,
    /// Its number in the log.
    pub position: Position,
    /// When it was decided, by the clock of the process that decided it; microseconds, UTC.
    pub timestamp: DateTime<Utc>,
    /// The event itself, a JSON object, kept as text.
    pub payload: Box<RawValue>,
    /// Who and what caused it; shared by the events of a commit.
    pub metadata: Arc<Metadata>,
    /// What the payload was decoded into, if anybody has.
    #[serde(skip)]
    pub decoded: Decoded,
}

impl PartialEq for EventEnvelope {
    fn eq(&self, other: &Self) -> bool {
        self.event_id == other.event_id
            && self.event_type == other.event_type
            && self.schema_version == other.schema_version
            && self.aggregate_id == other.aggregate_id
            && self.aggregate_type == other.aggregate_type
            && self.version == other.version
            && self.position == other.position
            && self.timestamp == other.timestamp
            && self.payload.get() == other.payload.get()
            && self.metadata == other.metadata
    }
}

impl EventEnvelope {
    /// The typed event. The payload is decoded once, however many readers share the envelope.
    ///
    /// # Errors
    /// The type is unknown or the payload does not fit it.
    pub fn typed<E: DomainEvent>(&self) -> Result<Arc<E>, Arc<DecodeError>> {
        self.decoded.get(&self.event_type, &self.payload)
    }

    /// Says that it is not what was written, and where it stands.
    #[must_use]
    pub fn altered(&self) -> String {
        let Self { aggregate_id, version, position, .. } = self;
        format!("the event at position {position} ({aggregate_id}@{version}) is not what was written")
    }
}

/// Cuts a time to whole microseconds: the precision every store keeps, so that what was written is what is read.
#[must_use]
pub fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
