//! What can be asked of a saga, what partners answer it, and why it says no.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    definition::{SagaDefinition, StepPolicy},
    state::SagaState,
};
use crate::log::event::StreamId;

/// The outcome of a call. Named by what the saga does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It is done: go on. The text is the partner's reference.
    Done(String),
    /// The partner says no, for good: compensate.
    Refused(String),
    /// Certainly nothing has happened so far: call again.
    NotDone {
        /// Why.
        error: String,
        /// What the partner asked for, if it did.
        retry_after: Option<Duration>,
    },
    /// It may or may not have happened: look it up.
    Unknown(String),
}

/// What a partner knows of the key of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStatus {
    /// It was done.
    Done(String),
    /// It was refused.
    Refused(String),
    /// It was undone, or its undo came before it: the key has no effect any more.
    Undone,
    /// The partner has never heard of it: call.
    NotReceived,
    /// The partner is still at it, or could not be asked.
    Unknown(String),
}

/// A request to a saga.
#[derive(Debug, Clone, PartialEq)]
pub enum SagaCommand<D: SagaDefinition> {
    /// Begins it, with its first step.
    Start {
        /// Its stream: the beginning of every key.
        saga_id: StreamId,
        /// What it is to do.
        definition: D,
    },
    /// Begins another attempt at a step that was not done.
    Begin {
        /// Which step.
        step: D::Step,
    },
    /// Records the outcome of a call, or the answer to a query of its status.
    Record {
        /// Which step.
        step: D::Step,
        /// Its outcome.
        outcome: StepOutcome,
        /// When.
        at: DateTime<Utc>,
        /// How patient to be.
        policy: StepPolicy,
    },
    /// Notes that a step was done and that what it was done for does not want it any more.
    RecordUnwanted {
        /// Which step.
        step: D::Step,
        /// The partner's reference.
        reference: String,
        /// Why it is not wanted.
        reason: String,
    },
    /// Records the outcome of an undo.
    RecordUndo {
        /// Which step.
        step: D::Step,
        /// Its outcome.
        outcome: StepOutcome,
        /// When.
        at: DateTime<Utc>,
        /// How patient to be.
        policy: StepPolicy,
    },
    /// Gives up a step whose time is over.
    GiveUp {
        /// Which step.
        step: D::Step,
    },
    /// Undoes everything, at once.
    Cancel {
        /// Why.
        reason: String,
        /// Who wants it.
        requested_by: Option<String>,
    },
    /// An operator: tries the stuck step again.
    Retry {
        /// Who.
        by: String,
    },
    /// An operator: goes on without the stuck step, which was taken care of otherwise.
    Skip {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An operator: undoes everything, also what is stuck on its way.
    ForceCompensate {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An operator: leaves a note.
    Annotate {
        /// Who.
        by: String,
        /// The note.
        note: String,
    },
}

/// The rule that forbids a command. Nothing has happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SagaRejection {
    /// Nobody has started it.
    #[error("there is no such saga")]
    NotFound,
    /// It was started before.
    #[error("the saga exists already")]
    AlreadyStarted,
    /// It has come to its end.
    #[error("the saga is {0} already")]
    Ended(SagaState),
    /// Only a stuck saga needs an operator's decision.
    #[error("the saga is {0}, not stuck")]
    NotStuck(SagaState),
    /// What it does cannot be undone.
    #[error("what the saga does cannot be undone")]
    NoUndo,
}
