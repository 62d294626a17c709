//! A trip: flight and hotel can be undone; a gift needs no undoing, because it must be given.

use std::time::Duration;

use ordo_actors::{
    event::StreamId,
    saga::{Saga, SagaDefinition, SagaEvent, StepPolicy, StepRule, StepStarted},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub const FLIGHT: &str = "book_flight";
pub const HOTEL: &str = "book_hotel";
pub const GIFT: &str = "give_gift";

const TRIP: &[StepRule] = &[StepRule { name: FLIGHT, has_undo: true }, StepRule { name: HOTEL, has_undo: true }];
const PRESENT: &[StepRule] = &[StepRule { name: GIFT, has_undo: false }];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    pub kind: String,
}

impl SagaDefinition for Trip {
    const TYPE: &'static str = "Trip";

    fn steps(&self) -> &'static [StepRule] {
        if self.kind == "trip" { TRIP } else { PRESENT }
    }
}

pub type TripSaga = Saga<Trip>;
pub type TripEvent = SagaEvent<Trip>;

pub fn trip() -> Trip {
    Trip { kind: "trip".into() }
}

pub fn present() -> Trip {
    Trip { kind: "present".into() }
}

pub const SAGA: StreamId = StreamId(Uuid::from_u128(7));

pub fn key(step: &str) -> String {
    format!("{SAGA}:{step}")
}

pub fn started(step: &str, attempt: u32) -> TripEvent {
    SagaEvent::StepStarted(StepStarted { step: step.into(), attempt, idempotency_key: key(step) })
}

/// Two attempts, no pauses, an hour.
pub const POLICY: StepPolicy = StepPolicy {
    attempts: 2,
    undo_attempts: 2,
    first_pause: Duration::ZERO,
    longest_pause: Duration::from_secs(1),
    call_timeout: Duration::from_secs(10),
    deadline: Duration::from_hours(1),
};
