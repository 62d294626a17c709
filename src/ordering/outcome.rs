//! What a command came to, as the order decided it.

use ordo_actors::{
    aggregate::request::{Answer, CommandOutcome},
    log::event::{StreamId, Version},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    fulfilment::{saga_of, saga_of_return},
    order::{Order, OrderEvent, OrderId, OrderRejection, OrderState},
};

/// What became of a request to an order.
#[derive(Debug)]
pub enum OrderOutcome<'a> {
    /// The order is as it was asked to be. Durable when the answer leaves, unless it was a dry run.
    Accepted(Accepted<'a>),
    /// A rule of the order says no.
    Rejected {
        /// Which one.
        rejection: &'a OrderRejection,
        /// The order as it is.
        order: &'a Order,
    },
    /// The order is not at a version that the caller demanded.
    VersionMismatch {
        /// The version it is at.
        version: Version,
        /// The order as it is.
        order: &'a Order,
    },
    /// The order was moved on by hand: no saga begins with it.
    MovedByHand(OrderState),
    /// There is no such order.
    NotFound,
}

/// An order that took a request.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// Which order.
    pub order_id: OrderId,
    /// What the request came to.
    pub effect: Effect,
    /// The order after it.
    pub order: &'a Order,
    /// Its version after it.
    pub version: Version,
    /// What happened; empty when the order was as wanted already.
    pub events: &'a [OrderEvent],
    /// The saga that begins with it, or that has been told to cancel the order.
    pub saga: Option<StreamId>,
}

/// What an accepted request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The order was placed.
    Placed,
    /// The order is as it was asked to be.
    Current,
    /// Items came back; a saga refunds them.
    Returned,
    /// The order's saga undoes what it has done, and then cancels the order.
    Cancelling,
    /// The order was submitted; the saga that fulfils it begins with that.
    Submitted,
    /// The saga that fulfils the order begins.
    Fulfilling,
    /// The order is shown as it would be. Nothing was stored.
    DryRun,
}

/// What a front end makes of an outcome. Must be pure: runs inside the order's actor, once per decision, so again after a conflict.
pub trait Present: Clone + Send + 'static {
    /// The answer; kept with an idempotency key and given again.
    type Answer: Answer;

    /// Makes the answer.
    fn present(&self, outcome: &OrderOutcome<'_>) -> Self::Answer;
}

/// An answer, and what the use case itself must know of it. Only the answer is kept with an idempotency key.
#[derive(Debug, Clone)]
pub(super) struct Recorded<R> {
    pub answer: R,
    /// The saga that began with this very commit: none when the answer is a repeated one.
    pub started: Option<StreamId>,
}

impl<R: Serialize> Serialize for Recorded<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.answer.serialize(serializer)
    }
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Recorded<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        R::deserialize(deserializer).map(|answer| Self { answer, started: None })
    }
}

/// Makes the renderer of a request.
pub(super) fn record<P: Present>(
    order_id: OrderId,
    effect: Effect,
    present: P,
) -> impl Fn(&CommandOutcome<'_, Order>) -> Recorded<P::Answer> + Send + 'static {
    move |decided| {
        let outcome = OrderOutcome::of(decided, order_id, effect);
        Recorded { answer: present.present(&outcome), started: outcome.started() }
    }
}

impl<'a> OrderOutcome<'a> {
    fn of(decided: &CommandOutcome<'a, Order>, order_id: OrderId, effect: Effect) -> Self {
        match *decided {
            CommandOutcome::Accepted { state: Order::Absent, .. }
            | CommandOutcome::VersionMismatch { state: Order::Absent, .. } => Self::NotFound,
            CommandOutcome::Accepted { state: order, version, events } => {
                let saga = saga_with(effect, order_id, order, events);
                let accepted = Accepted { order_id, effect, order, version, events, saga };
                let by_hand = moved_by_hand(order.state()).filter(|_| effect == Effect::Fulfilling);
                by_hand.map_or(Self::Accepted(accepted), Self::MovedByHand)
            }
            CommandOutcome::Rejected { rejection, state: order, .. } => Self::Rejected { rejection, order },
            CommandOutcome::VersionMismatch { state: order, version } => Self::VersionMismatch { version, order },
        }
    }

    fn started(&self) -> Option<StreamId> {
        match self {
            Self::Accepted(Accepted {
                effect: Effect::Submitted | Effect::Fulfilling | Effect::Returned,
                saga,
                ..
            }) => *saga,
            Self::Accepted(Accepted {
                effect: Effect::Placed | Effect::Current | Effect::Cancelling | Effect::DryRun,
                ..
            })
            | Self::Rejected { .. }
            | Self::VersionMismatch { .. }
            | Self::MovedByHand(_)
            | Self::NotFound => None,
        }
    }
}

fn saga_with(effect: Effect, order_id: OrderId, order: &Order, events: &[OrderEvent]) -> Option<StreamId> {
    match effect {
        Effect::Fulfilling | Effect::Cancelling => Some(saga_of(order_id)),
        Effect::Submitted => (order.state() == Some(OrderState::Submitted)).then(|| saga_of(order_id)),
        Effect::Returned => match events.first() {
            Some(OrderEvent::ItemsReturned(returned)) => Some(saga_of_return(order_id, &returned.return_id)),
            Some(_) | None => None,
        },
        Effect::Placed | Effect::Current | Effect::DryRun => None,
    }
}

/// The state of an order that was moved on by hand: it stays with those hands. Submitting it again would change nothing, and so
/// not tell.
pub(super) fn moved_by_hand(state: Option<OrderState>) -> Option<OrderState> {
    state.filter(|state| match state {
        OrderState::Reserved | OrderState::Processing => true,
        OrderState::Draft | OrderState::Submitted | OrderState::Completed | OrderState::Cancelled => false,
    })
}
