//! Why an order says no.

use super::{
    ids::{LineId, Reference},
    invalid::InvalidValue,
    state::OrderState,
};

/// The rule that forbids a command. Nothing has happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRejection {
    /// Nobody has created the order.
    #[error("there is no such order")]
    NotFound,
    /// The order has no such line (any more).
    #[error("the order has no line {line_id}")]
    LineNotFound {
        /// Which line was asked for.
        line_id: LineId,
    },
    /// Nothing was returned under this name.
    #[error("the order has no return {return_id}")]
    ReturnNotFound {
        /// Which return was asked for.
        return_id: Reference,
    },
    /// The id is taken.
    #[error("the order exists already")]
    AlreadyExists {
        /// Where that order is.
        state: OrderState,
    },
    /// The order is too far on, or not far enough.
    #[error("this needs an order in state {needed}, not {state}")]
    WrongState {
        /// Where it must be.
        needed: OrderState,
        /// Where it is.
        state: OrderState,
    },
    /// What has been shipped can be returned, not cancelled.
    #[error("a completed order cannot be cancelled")]
    AlreadyCompleted,
    /// There is nothing to submit.
    #[error("an order without items cannot be submitted")]
    Empty,
    /// The draft is full.
    #[error("an order cannot have more than {limit} lines")]
    TooManyLines {
        /// The most it may have.
        limit: usize,
    },
    /// The same step was taken before, with another reference of the partner's.
    #[error("{}", already(*state, field, recorded.as_ref()))]
    AlreadyRecorded {
        /// Where the order is.
        state: OrderState,
        /// Which reference.
        field: &'static str,
        /// What it is; a step may have been taken without one.
        recorded: Option<Reference>,
    },
    /// The name was used for other items.
    #[error("return {return_id} is about other items")]
    ReturnIdTaken {
        /// The name.
        return_id: Reference,
    },
    /// More comes back than was shipped.
    #[error("of line {line_id} only {left} can still be returned, not {asked}")]
    MoreThanLeft {
        /// Which line.
        line_id: LineId,
        /// How many were to come back.
        asked: u64,
        /// How many still can.
        left: u32,
        /// The last of the command's entries about that line, from 0.
        entry: usize,
    },
    /// The return has been paid back.
    #[error("return {return_id} was refunded by {refund_id}")]
    AlreadyRefunded {
        /// Which return.
        return_id: Reference,
        /// By which refund.
        refund_id: Reference,
    },
    /// The amount is not what the return is worth.
    #[error("the return is worth {due}, not {given}")]
    RefundDiffers {
        /// What must be paid back, in minor units.
        due: i64,
        /// What was, in minor units.
        given: i64,
    },
    /// A value of the command is wrong whatever the order holds, or together with what it holds.
    #[error("{pointer} {problem}")]
    Invalid {
        /// Which value: a JSON pointer into the command.
        pointer: String,
        /// What is wrong with it.
        problem: InvalidValue,
    },
}

/// What the caller can do about a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// Look elsewhere: the order, the line or the return does not exist.
    NotFound,
    /// Choose another id.
    AlreadyExists,
    /// Look at the order again: what it is now forbids the command.
    StateConflict,
    /// Correct the command.
    Invalid,
}

impl OrderRejection {
    pub(super) fn invalid(pointer: impl Into<String>, problem: InvalidValue) -> Self {
        Self::Invalid { pointer: pointer.into(), problem }
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound | Self::LineNotFound { .. } | Self::ReturnNotFound { .. } => RejectionKind::NotFound,
            Self::AlreadyExists { .. } => RejectionKind::AlreadyExists,
            Self::WrongState { .. }
            | Self::AlreadyCompleted
            | Self::Empty
            | Self::TooManyLines { .. }
            | Self::AlreadyRecorded { .. }
            | Self::ReturnIdTaken { .. }
            | Self::MoreThanLeft { .. }
            | Self::AlreadyRefunded { .. } => RejectionKind::StateConflict,
            Self::RefundDiffers { .. } | Self::Invalid { .. } => RejectionKind::Invalid,
        }
    }

    /// Which field of the command is to blame, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> Option<String> {
        match self {
            Self::Invalid { pointer, .. } => Some(pointer.clone()),
            Self::RefundDiffers { .. } => Some("/refund_cents".into()),
            Self::MoreThanLeft { entry, .. } => Some(format!("/items/{entry}/quantity")),
            Self::ReturnIdTaken { .. } => Some("/return_id".into()),
            Self::AlreadyRecorded { field, .. } => Some(format!("/{field}")),
            Self::NotFound
            | Self::LineNotFound { .. }
            | Self::ReturnNotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::WrongState { .. }
            | Self::AlreadyCompleted
            | Self::Empty
            | Self::TooManyLines { .. }
            | Self::AlreadyRefunded { .. } => None,
        }
    }

    /// Where the order is, when that is the reason.
    #[must_use]
    pub fn state(&self) -> Option<OrderState> {
        match self {
            Self::AlreadyExists { state } | Self::WrongState { state, .. } | Self::AlreadyRecorded { state, .. } => {
                Some(*state)
            }
            Self::Empty | Self::TooManyLines { .. } => Some(OrderState::Draft),
            Self::AlreadyCompleted
            | Self::ReturnIdTaken { .. }
            | Self::MoreThanLeft { .. }
            | Self::AlreadyRefunded { .. } => Some(OrderState::Completed),
            Self::NotFound
            | Self::LineNotFound { .. }
            | Self::ReturnNotFound { .. }
            | Self::RefundDiffers { .. }
            | Self::Invalid { .. } => None,
        }
    }
}

fn already(state: OrderState, field: &str, recorded: Option<&Reference>) -> String {
    match recorded {
        Some(reference) => format!("the order is {state} already, with {field} {reference}"),
        None => format!("the order is {state} already, without a {field}"),
    }
}
