//! What can happen to a saga, as it is stored: the names and the fields here are the log's format.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use super::definition::SagaDefinition;
use crate::aggregate::{DecodeError, DomainEvent, EventKind};

/// Lists every event once: its stored name is its variant's name, its payload the type behind it.
macro_rules! saga_events {
    ($($(#[$doc:meta])* $name:ident ( $payload:ty ),)+) => {
        /// Something that happened to a saga.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum SagaEvent<D> {
            $($(#[$doc])* $name($payload),)+
        }

        impl<D: SagaDefinition> DomainEvent for SagaEvent<D> {
            const KINDS: &'static [EventKind] = &[$((stringify!($name), 1),)+];

            fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            fn encode(&self) -> serde_json::Result<Box<RawValue>> {
                match self {
                    $(Self::$name(payload) => to_raw_value(payload),)+
                }
            }

            fn decode(event_type: &str, payload: &RawValue) -> Result<Self, DecodeError> {
                match event_type {
                    $(stringify!($name) => read(event_type, payload).map(Self::$name),)+
                    _ => Err(DecodeError::UnknownType(event_type.to_owned())),
                }
            }
        }
    };
}

saga_events! {
    /// It began, with all that it needs to know.
    SagaStarted(D),
    /// A call is about to be made.
    StepStarted(StepStarted),
    /// A partner did what was asked.
    StepCompleted(StepCompleted),
    /// A partner did not, or nobody knows.
    StepFailed(StepFailed),
    /// What was done is to be undone.
    CompensationStarted(CompensationStarted),
    /// A step was undone.
    CompensationStepCompleted(CompensationStepCompleted),
    /// A step was not undone, or nobody knows.
    CompensationStepFailed(CompensationStepFailed),
    /// Every step is done.
    SagaCompleted(SagaCompleted),
    /// Every step that was started is undone.
    SagaFailed(SagaFailed),
    /// It goes on when an operator says how.
    SagaStuck(SagaStuck),
    /// An operator had the stuck step tried again.
    StepRetried(StepRetried),
    /// An operator took care of the stuck step.
    StepSkipped(StepSkipped),
    /// An operator left a note.
    SagaAnnotated(SagaAnnotated),
}

fn read<T: DeserializeOwned>(event_type: &str, payload: &RawValue) -> Result<T, DecodeError> {
    serde_json::from_str(payload.get())
        .map_err(|source| DecodeError::Payload { event_type: event_type.to_owned(), source })
}

/// A call is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Which step.
    pub step: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The key of the call.
    pub idempotency_key: String,
}

/// A partner did what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCompleted {
    /// Which step.
    pub step: String,
    /// The partner's reference for what was done.
    pub reference: String,
}

/// What is known of a call that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedHow {
    /// The partner said no, for good: nothing will ever come of its key.
    Refused,
    /// Certainly nothing has happened so far.
    NotDone,
    /// It may or may not have happened.
    Unknown,
}

/// A partner did not do what was asked, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailed {
    /// Which step.
    pub step: String,
    /// Which attempt.
    pub attempt: u32,
    /// What is known of it.
    pub outcome: FailedHow,
    /// Why.
    pub error: String,
    /// When the next attempt is due, or the next question; absent when there will be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

/// What was done is to be undone, the last step first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationStarted {
    /// Why.
    pub reason: String,
    /// Who asked for it; nothing when the saga did so by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// A step was undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationStepCompleted {
    /// Which step.
    pub step: String,
    /// What the partner calls the undoing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A step was not undone, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationStepFailed {
    /// Which step.
    pub step: String,
    /// Which attempt at undoing it, from 1.
    pub attempt: u32,
    /// What is known of it.
    pub outcome: FailedHow,
    /// Why.
    pub error: String,
    /// When the next attempt is due; absent when there will be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

/// Every step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SagaCompleted {}

/// Every step that was started is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaFailed {
    /// Why the saga did not go on.
    pub reason: String,
}

/// It goes on when an operator says how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaStuck {
    /// The step that is in the way.
    pub step: String,
    /// What happened last.
    pub error: String,
}

/// An operator had the stuck step tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRetried {
    /// Who.
    pub by: String,
}

/// An operator took care of the stuck step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSkipped {
    /// Which step.
    pub step: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An operator left a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaAnnotated {
    /// Who.
    pub by: String,
    /// The note.
    pub note: String,
}
