//! A saga: steps taken at partners outside, each with an undo, as an event-sourced aggregate of its own. Pure: no clock, no I/O.
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

mod action;
mod command;
mod compensating;
mod decide;
mod definition;
mod event;
mod state;

pub use action::{Action, Knowledge};
pub use command::{SagaCommand, SagaRejection, StepOutcome, StepStanding};
pub use definition::{SagaDefinition, StepPolicy, StepRule};
pub use event::{
    CompensationStarted, CompensationStepCompleted, CompensationStepFailed, FailedHow, SagaAnnotated, SagaCompleted,
    SagaEvent, SagaFailed, SagaStuck, StepCompleted, StepFailed, StepRetried, StepSkipped, StepStarted,
};
pub use state::{Saga, SagaState, Step, StepState};
