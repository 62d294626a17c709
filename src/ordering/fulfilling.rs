//! Fulfilling an order: submits it and starts its saga, in one commit.

use std::time::Duration;

use ordo_actors::{
    aggregate::request::{Answered, Failure},
    log::event::StreamId,
    saga::SagaState,
};

use super::{
    command_runner::{Orders, answer},
    error::OrderingError,
    options::{Call, CommandOptions},
    outcome::{Effect, Present, moved_by_hand},
    use_cases::{JUST_STARTED, Ordering, start},
};
use crate::{
    fulfilment::{fulfilment_of, saga_of},
    order::{Order, OrderCommand},
};

/// What became of a request to fulfil an order.
#[derive(Debug)]
pub enum FulfilOutcome<R> {
    /// The order has a saga, begun by this request or by another one.
    Saga {
        /// Which saga.
        saga_id: StreamId,
        /// Where it was when the caller waited no longer.
        state: SagaState,
        /// The caller's idempotency key was used before.
        replayed: bool,
    },
    /// The order has answered: it says no, or it was a dry run.
    Order(Answered<R>),
}

/// How the start of a saga went.
enum Begun<R> {
    /// It was started.
    Started(Answered<R>),
    /// The order has one: another request was faster.
    ByAnother,
    /// The order says no.
    Refused(Answered<R>),
}

impl<O: Orders> Ordering<'_, O> {
    /// Has an order fulfilled by its saga, started now unless it has one, and waits for the saga at most for `wait`. The saga does
    /// not depend on the waiting.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn fulfil<P: Present>(
        &self,
        call: &Call<'_, P>,
        wait: Duration,
    ) -> Result<FulfilOutcome<P::Answer>, OrderingError> {
        let saga_id = saga_of(call.order);
        let has_saga = self.commands.load_saga(saga_id).await?.is_some();
        if call.options.dry_run && !has_saga {
            return self.try_to_begin(call).await.map(FulfilOutcome::Order);
        }
        let replayed = self.was_key_used(call.options).await?;
        let mut begun_at = None;
        if !has_saga {
            match self.begin(call, Effect::Fulfilling).await? {
                Begun::Started(_) => begun_at = Some(JUST_STARTED),
                Begun::ByAnother => {}
                Begun::Refused(answered) => return Ok(FulfilOutcome::Order(answered)),
            }
        }
        let state = self.wait_settled(saga_id, begun_at, wait).await?;
        Ok(FulfilOutcome::Saga { saga_id, state, replayed })
    }

    /// Submits an order and starts its saga. Does not wait for the saga.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn submit_and_fulfil<P: Present>(
        &self,
        call: &Call<'_, P>,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        match self.begin(call, Effect::Submitted).await? {
            Begun::Started(answered) => {
                self.ensure_running(saga_of(call.order), Some(JUST_STARTED)).await;
                Ok(answered)
            }
            Begun::Refused(answered) => Ok(answered),
            Begun::ByAnother => self.submit(call).await,
        }
    }

    /// What starting the saga would come to.
    async fn try_to_begin<P: Present>(&self, call: &Call<'_, P>) -> Result<Answered<P::Answer>, OrderingError> {
        if let Some(state) = moved_by_hand(self.observe(call).await?.state) {
            return Err(OrderingError::MovedByHand(state));
        }
        self.submit(call).await
    }

    /// Submits an order and starts its saga, in one commit: from a draft with items, or a submitted order. The plan is made of
    /// the state that the order decides on.
    async fn begin<P: Present>(&self, call: &Call<'_, P>, effect: Effect) -> Result<Begun<P::Answer>, OrderingError> {
        let (order, saga_id) = (call.order, saga_of(call.order));
        let plan = Box::new(move |state: &Order, _: &[_]| start(saga_id, fulfilment_of(order, state)));
        match self.commands.ask(call, OrderCommand::SubmitOrder, effect, Some(plan)).await {
            Ok(answered) if answered.answer.started.is_some() => Ok(Begun::Started(answer(answered))),
            // An order that its saga has moved on refuses to start one.
            Ok(answered) => match self.commands.load_saga(saga_id).await? {
                Some(_) => Ok(Begun::ByAnother),
                None => Ok(Begun::Refused(answer(answered))),
            },
            Err(OrderingError::Failed(failure)) if self.commands.was_lost_to_saga(saga_id, &failure).await? => {
                // Fails when it was lost to another stream in the saga's place.
                self.commands.load_saga(saga_id).await?;
                Ok(Begun::ByAnother)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the key of a request was used before, for this very request.
    async fn was_key_used(&self, options: &CommandOptions) -> Result<bool, OrderingError> {
        let Some(used) = &options.idempotency else { return Ok(false) };
        match self.commands.store.idempotency(&used.key).await? {
            Some(record) if record.fingerprint != used.fingerprint => Err(Failure::KeyReused.into()),
            record => Ok(record.is_some()),
        }
    }
}
