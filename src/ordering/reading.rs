//! Looking at one order, now or as it was, and at its saga.

use ordo_actors::{
    aggregate::{
        rehydrate::{Loaded, Until, rehydrate},
        request::{Answered, CommandOutcome, Intent, Request},
    },
    log::event::{StreamId, Version},
};
use serde::{Deserialize, Serialize};

use super::{
    command_runner::{Orders, answer},
    error::OrderingError,
    options::{Call, CommandOptions},
    outcome::{Effect, Present, record},
    use_cases::Ordering,
};
use crate::{
    fulfilment::{FulfilmentSaga, saga_of},
    order::{Order, OrderId, OrderState},
};

/// Events of an order read at a time.
const PAGE: usize = 1000;

/// An order as it was.
#[derive(Debug)]
pub enum PastOrder {
    /// This is how it was.
    Found(Box<Loaded<Order>>),
    /// It has not come to that version.
    NotYet {
        /// The version that was asked for.
        asked: Version,
        /// The version it is at.
        version: Version,
    },
    /// It was placed later.
    NotAtThatTime,
    /// There is no such order.
    NotFound,
}

/// Where an order is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderSnapshot {
    pub version: Version,
    /// At a version that the caller demanded, or none was.
    pub is_as_demanded: bool,
    /// None when the order does not exist.
    pub state: Option<OrderState>,
}

impl<O: Orders> Ordering<'_, O> {
    /// Shows the order as its actor knows it, with everything acknowledged before.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn read<P: Present>(&self, order: OrderId, present: P) -> Result<Answered<P::Answer>, OrderingError> {
        self.read_as(order, present, Effect::Current).await
    }

    pub(super) async fn read_as<P: Present>(
        &self,
        order: OrderId,
        present: P,
        effect: Effect,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        let request = Request::new(Intent::Read, record(order, effect, present));
        self.commands.orders.ask(order, request).await.map(answer)
    }

    /// Reads the order as it was, from the store.
    ///
    /// # Errors
    /// The store failed, or the id is that of another kind of stream.
    pub async fn as_it_was(&self, order: OrderId, until: Until) -> Result<PastOrder, OrderingError> {
        let loaded: Loaded<Order> = rehydrate(self.commands.store, order, until, PAGE).await?;
        Ok(match until {
            Until::Time(_) if loaded.state == Order::Absent => PastOrder::NotAtThatTime,
            Until::Now | Until::Version(_) if loaded.state == Order::Absent => PastOrder::NotFound,
            Until::Version(asked) if loaded.version != asked => PastOrder::NotYet { asked, version: loaded.version },
            Until::Now | Until::Version(_) | Until::Time(_) => PastOrder::Found(Box::new(loaded)),
        })
    }

    /// The saga that has this id, or that fulfils the order of this id.
    ///
    /// # Errors
    /// Another stream has the id of the order's saga, or the store failed.
    pub async fn saga(&self, id: StreamId) -> Result<Option<(StreamId, Loaded<FulfilmentSaga>)>, OrderingError> {
        if let Some(saga) = self.commands.find_saga(id).await? {
            return Ok(Some((id, saga)));
        }
        let saga_id = saga_of(id);
        Ok(self.commands.load_saga(saga_id).await?.map(|saga| (saga_id, saga)))
    }

    /// Observes where the order is, and whether that is where the caller demanded.
    pub(super) async fn observe<P: Present>(&self, call: &Call<'_, P>) -> Result<OrderSnapshot, OrderingError> {
        let CommandOptions { if_version, .. } = call.options;
        let request = Request { if_version: if_version.clone(), ..Request::read(snapshot) };
        Ok(self.commands.orders.ask(call.order, request).await?.answer)
    }
}

fn snapshot(outcome: &CommandOutcome<'_, Order>) -> OrderSnapshot {
    match outcome {
        CommandOutcome::Accepted { state, version, .. } | CommandOutcome::Rejected { state, version, .. } => {
            OrderSnapshot { version: *version, is_as_demanded: true, state: state.state() }
        }
        CommandOutcome::VersionMismatch { state, version } => {
            OrderSnapshot { version: *version, is_as_demanded: false, state: state.state() }
        }
    }
}
