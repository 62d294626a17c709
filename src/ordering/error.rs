//! Why a use case got no answer from its order.

use ordo_actors::{
    aggregate::request::Failure,
    log::{
        event::{StreamId, Version},
        store::StoreError,
    },
    saga::SagaState,
};

use crate::order::OrderState;

/// Why a use case got no answer from its order. Unless it is a failure of an unknown outcome, nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OrderingError {
    /// The order's saga is at work: cancel the order, or wait.
    #[error("the order is being fulfilled; its saga is {saga}")]
    SagaAtWork {
        /// Where the order is.
        order: Option<OrderState>,
        /// Which saga.
        saga_id: StreamId,
        /// Where it is.
        saga: SagaState,
    },
    /// The order was moved on by hand: no saga begins with it.
    #[error("the order is {0} already")]
    MovedByHand(OrderState),
    /// Another stream has the id of the order's saga, in a log older than the rule that nobody may choose such an id. The order
    /// cannot be fulfilled; steps by hand go on.
    #[error("another stream has the id of the order's saga")]
    SagaIdTaken {
        /// That id.
        saga_id: StreamId,
    },
    /// The order is not at a version that the caller demanded: read it first.
    #[error("the order is at version {0}")]
    VersionMismatch(Version),
    /// A version was demanded of an order that is to be created.
    #[error("an order that is to be created has no version yet")]
    HasNoVersion,
    /// Too many requests are under way: try again a little later.
    #[error("too many requests are under way")]
    NotAdmitted,
    /// The machinery failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
