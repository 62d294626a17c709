//! From the no of an order, or of the use case around it, to a problem.

use ordo_actors::log::event::Version;
use serde_json::Value;

use super::error::{Fault, Problem, ProblemKind};
use crate::{
    order::{Order, OrderRejection, OrderState, RejectionKind},
    ordering::OrderingError,
};

/// The problem that tells a client why the order said no.
#[must_use]
pub fn problem_of(rejection: &OrderRejection, order: &Order) -> Problem {
    let kind = match rejection.kind() {
        RejectionKind::NotFound => ProblemKind::NotFound,
        RejectionKind::AlreadyExists | RejectionKind::StateConflict => ProblemKind::StateConflict,
        RejectionKind::Invalid => {
            let pointer = rejection.pointer().unwrap_or_default();
            let detail = match rejection {
                OrderRejection::Invalid { problem, .. } => problem.to_string(),
                other => other.to_string(),
            };
            return Problem::validation(&[Fault { pointer, detail }]);
        }
    };
    let mut problem = Problem::new(kind, rejection.to_string());
    if let Some(state) = rejection.state().or_else(|| order.state()) {
        problem = problem.with("state", Value::String(state.to_string()));
    }
    match rejection.pointer() {
        Some(pointer) => problem.with("pointer", pointer.into()),
        None => problem,
    }
}

/// The problem of an order that no saga begins with, because it was moved on by hand.
#[must_use]
pub fn moved_by_hand(state: OrderState) -> Problem {
    problem_of(&OrderRejection::WrongState { needed: OrderState::Submitted, state }, &Order::Absent)
}

impl From<OrderingError> for Problem {
    fn from(error: OrderingError) -> Self {
        match error {
            OrderingError::SagaAtWork { order, saga_id, saga } => {
                let detail = format!("the order is being fulfilled; its saga is {saga}. Cancel the order, or wait");
                Problem::new(ProblemKind::StateConflict, detail)
                    .with("state", order.map(OrderState::name).into())
                    .with("saga_id", saga_id.to_string().into())
                    .with("saga_state", saga.name().into())
            }
            OrderingError::MovedByHand(state) => moved_by_hand(state),
            OrderingError::SagaIdTaken { saga_id } => {
                let detail = "the order cannot be fulfilled: another stream has the id of its saga";
                Problem::new(ProblemKind::StateConflict, detail).with("saga_id", saga_id.to_string().into())
            }
            OrderingError::VersionMismatch(version) => Problem::version(version),
            OrderingError::HasNoVersion => {
                Problem::new(ProblemKind::VersionConflict, "an order that is to be created has no version yet")
                    .with("version", Version::NONE.0.into())
            }
            OrderingError::NotAdmitted => {
                Problem::new(ProblemKind::Overloaded, "too many requests are under way; nothing was changed")
            }
            OrderingError::Failed(failure) => failure.into(),
            OrderingError::Store(error) => error.into(),
        }
    }
}
