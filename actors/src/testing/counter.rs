use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use crate::aggregate::{Aggregate, DecodeError, DomainEvent, EventKind};

/// The aggregate the engine is tested on: it counts up to [`Counter::LIMIT`] and never below zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// What it shows.
    pub value: u64,
    /// How many events it has seen.
    pub changes: u64,
    /// When it changed last.
    pub changed_at: Option<DateTime<Utc>>,
}

/// What can be asked of a [`Counter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CounterCommand {
    /// Count up by so much.
    Increment(u64),
    /// Count down by so much.
    Decrement(u64),
    /// Count up by one, so many times: as many events.
    IncrementEach(u64),
    /// Go back to zero; a counter at zero stays quiet.
    Reset,
    /// Ask for nothing: no event.
    Touch,
    /// Panic while deciding.
    Panic,
}

/// What has happened to a [`Counter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CounterEvent {
    /// It went up.
    Incremented {
        /// By so much.
        by: u64,
    },
    /// It went down.
    Decremented {
        /// By so much.
        by: u64,
    },
    /// It went back to zero.
    Reset,
}

/// Why a [`Counter`] said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CounterRejection {
    /// It would pass [`Counter::LIMIT`].
    #[error("the counter stands at {value} and ends at {}", Counter::LIMIT)]
    AboveLimit {
        /// Where it stands.
        value: u64,
    },
    /// It would fall below zero.
    #[error("the counter stands at {value} and cannot fall below zero")]
    BelowZero {
        /// Where it stands.
        value: u64,
    },
}

impl Counter {
    /// Where it ends.
    pub const LIMIT: u64 = 1_000_000;

    fn room_for(&self, by: u64) -> Result<(), CounterRejection> {
        let fits = self.value.checked_add(by).is_some_and(|value| value <= Self::LIMIT);
        if fits { Ok(()) } else { Err(CounterRejection::AboveLimit { value: self.value }) }
    }

    fn decrement(&self, by: u64) -> Result<Vec<CounterEvent>, CounterRejection> {
        if by > self.value {
            return Err(CounterRejection::BelowZero { value: self.value });
        }
        Ok(vec![CounterEvent::Decremented { by }])
    }
}

impl Aggregate for Counter {
    const TYPE: &'static str = "Counter";
    const SNAPSHOT_SCHEMA: u32 = 1;

    type Command = CounterCommand;
    type Event = CounterEvent;
    type Rejection = CounterRejection;

    fn decide(&self, command: &CounterCommand) -> Result<Vec<CounterEvent>, CounterRejection> {
        match *command {
            CounterCommand::Increment(by) => self.room_for(by).map(|()| vec![CounterEvent::Incremented { by }]),
            CounterCommand::IncrementEach(times) => {
                self.room_for(times).map(|()| (0..times).map(|_| CounterEvent::Incremented { by: 1 }).collect())
            }
            CounterCommand::Decrement(by) => self.decrement(by),
            CounterCommand::Reset if self.value == 0 => Ok(vec![]),
            CounterCommand::Reset => Ok(vec![CounterEvent::Reset]),
            CounterCommand::Touch => Ok(vec![]),
            CounterCommand::Panic => panic!("the counter was told to panic"),
        }
    }

    /// Tests say how heavy a counter is: a byte for each it has counted.
    fn weight(&self) -> usize {
        usize::try_from(self.value).unwrap_or(usize::MAX)
    }

    fn evolve(&mut self, event: &CounterEvent, at: DateTime<Utc>) {
        match event {
            CounterEvent::Incremented { by } => self.value += by,
            CounterEvent::Decremented { by } => self.value -= by,
            CounterEvent::Reset => self.value = 0,
        }
        self.changes += 1;
        self.changed_at = Some(at);
    }
}

#[derive(Serialize, Deserialize)]
struct By {
    by: u64,
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

impl DomainEvent for CounterEvent {
    const KINDS: &'static [EventKind] = &[("Incremented", 1), ("Decremented", 1), ("Reset", 1)];

    fn event_type(&self) -> &'static str {
        match self {
            Self::Incremented { .. } => "Incremented",
            Self::Decremented { .. } => "Decremented",
            Self::Reset => "Reset",
        }
    }

    fn encode(&self) -> serde_json::Result<Box<RawValue>> {
        match *self {
            Self::Incremented { by } | Self::Decremented { by } => to_raw_value(&By { by }),
            Self::Reset => to_raw_value(&Nothing {}),
        }
    }

    fn decode(event_type: &str, payload: &RawValue) -> Result<Self, DecodeError> {
        match event_type {
            "Incremented" => read(event_type, payload).map(|By { by }| Self::Incremented { by }),
            "Decremented" => read(event_type, payload).map(|By { by }| Self::Decremented { by }),
            "Reset" => read(event_type, payload).map(|Nothing {}| Self::Reset),
            unknown => Err(DecodeError::UnknownType(unknown.to_owned())),
        }
    }
}

fn read<T: DeserializeOwned>(event_type: &str, payload: &RawValue) -> Result<T, DecodeError> {
    serde_json::from_str(payload.get())
        .map_err(|source| DecodeError::Payload { event_type: event_type.to_owned(), source })
}
