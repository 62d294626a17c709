//! From the order's no to a problem.

use serde_json::Value;

use super::error::{Fault, Problem, ProblemKind};
use crate::order::{Order, OrderRejection, RejectionKind};

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
