//! A saga: steps taken at partners outside, each with an undo, as an event-sourced aggregate of its own. The aggregate is pure: no
//! clock, no I/O. The supervisor, its actors and their runners do what it decides.
//!
//! ```text
//!                    a step is done, the next one starts            the last one is done
//!            +-----------------------------------------+----------------------------------------> Completed
//!  Start -> Running --- refused, out of attempts or time, cancelled ---> Compensating ---> Failed
//!            |  ^                                                          |  ^
//!            |  | retry        a step without an undo failed;              |  | retry, skip
//!            +--+----------->  an undo failed for good  -----> Stuck <-----+--+
//!
//!  state + now -> next -> Action -> (the runner acts) -> SagaCommand -> decide -> events -> (one commit) -> evolve -> state
//! ```
//!
//! **Invariant:** a step is in the log before its partner is called, with the key of the call; the same call is always made with
//! the same key. What became of a call that this process has not made itself, or has heard nothing sure about, is asked of the
//! partner first.
//!
//! **Invariant:** what is compensated is everything that was started and not refused, the last first, whether or not its outcome
//! is known: an undo ends the key of its call.
//!
//! After Garcia-Molina and Salem, "Sagas" (1987), with the steps and the log of a durable execution.

// Pure: what a saga is made of, what can be asked of it, what happened, what is next.
mod definition;

mod command;
mod event;
mod state;

mod action;
mod compensating;
mod decide;

// At work: what an application does for its sagas, one run, all runs.
pub mod effects;

pub mod context;
pub mod limits;
pub mod metrics;

mod actor;
mod runner;
pub mod supervisor;

pub use action::{Action, CallKnowledge};
pub use command::{CallStatus, SagaCommand, SagaRejection, StepOutcome};
pub use definition::{SagaDefinition, SagaStep, StepPolicy};
pub use event::{
    CompensationStarted, CompensationStepCompleted, CompensationStepFailed, FailedHow, SagaAnnotated, SagaCompleted,
    SagaEvent, SagaFailed, SagaStuck, StepCompleted, StepFailed, StepRetried, StepSkipped, StepStarted,
};
pub use state::{Saga, SagaState, Step, StepState};
