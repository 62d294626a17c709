//! A trip: flight and hotel can be undone; a gift needs no undoing, because it must be given.

use std::time::Duration;

use ordo_actors::{
    log::event::StreamId,
    saga::{Saga, SagaDefinition, SagaEvent, SagaStep, StepPolicy, StepStarted},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TripStep {
    Flight,
    Hotel,
    Gift,
}

pub use TripStep::{Flight as FLIGHT, Gift as GIFT, Hotel as HOTEL};

impl SagaStep for TripStep {
    fn name(self) -> &'static str {
        match self {
            Self::Flight => "book_flight",
            Self::Hotel => "book_hotel",
            Self::Gift => "give_gift",
        }
    }

    fn has_undo(self) -> bool {
        match self {
            Self::Flight | Self::Hotel => true,
            Self::Gift => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    pub kind: String,
}

impl SagaDefinition for Trip {
    const TYPE: &'static str = "Trip";

    type Step = TripStep;

    fn steps(&self) -> &'static [TripStep] {
        if self.kind == "trip" { &[FLIGHT, HOTEL] } else { &[GIFT] }
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

pub fn key(step: TripStep) -> String {
    format!("{SAGA}:{}", step.name())
}

pub fn started(step: TripStep, attempt: u32) -> TripEvent {
    SagaEvent::StepStarted(StepStarted { step: step.name().into(), attempt, idempotency_key: key(step) })
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
