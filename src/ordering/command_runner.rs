//! How commands get to orders: plainly, or only while no saga moves the order.

use ordo_actors::{
    aggregate::{
        engine::Engine,
        rehydrate::{Loaded, Until, rehydrate},
        request::{Answer, Answered, ExtraWrites, Failure, Intent, Request, always},
    },
    log::{
        event::{StreamId, Version},
        store::{EventStore, ExpectedVersion, StreamWrite},
    },
    saga::{SagaDefinition, SagaState},
};
use std::sync::Arc;

use super::{
    error::OrderingError,
    options::Call,
    outcome::{Effect, Present, Recorded, record},
};
use crate::{
    fulfilment::{Fulfilment, FulfilmentSaga, saga_of},
    order::{Order, OrderCommand, OrderId},
};

/// Events of a saga read at a time.
const PAGE: usize = 200;

/// The way to the orders. A server bounds the requests under way and the time for an answer.
pub trait Orders {
    /// Asks the actor of an order.
    ///
    /// # Errors
    /// The request was not let in, or the machinery failed.
    fn ask<R: Answer>(
        &self,
        order: OrderId,
        request: Request<Order, R>,
    ) -> impl Future<Output = Result<Answered<R>, OrderingError>>;
}

impl Orders for Arc<Engine<Order>> {
    async fn ask<R: Answer>(&self, order: OrderId, request: Request<Order, R>) -> Result<Answered<R>, OrderingError> {
        Ok(Engine::ask(self, order, request).await?)
    }
}

/// What became of a step by hand.
#[derive(Debug)]
pub enum ByHand<R> {
    /// The order has answered.
    Answered(Answered<R>),
    /// Nothing was changed: the order's saga is at work.
    SagaAtWork {
        /// Which saga.
        saga_id: StreamId,
        /// Where it is.
        saga: SagaState,
    },
}

/// Runs commands at orders.
pub struct CommandRunner<'a, O> {
    /// The orders.
    pub orders: &'a O,
    /// Where sagas are read.
    pub store: &'a dyn EventStore,
}

impl<O: Orders> CommandRunner<'_, O> {
    /// Runs a command whether or not a saga is at work: for those that sagas do not give.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn run<P: Present>(
        &self,
        call: &Call<'_, P>,
        command: OrderCommand,
        effect: Effect,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.ask(call, command, effect, None).await.map(answer)
    }

    /// Runs a command that a saga gives as well, unless the order's saga is at work: the commit itself demands that the order has
    /// no saga. An order whose saga has ended is open to steps by hand again, and so is one whose saga cannot be.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn by_hand<P: Present>(
        &self,
        call: &Call<'_, P>,
        command: OrderCommand,
    ) -> Result<ByHand<P::Answer>, OrderingError> {
        let saga_id = saga_of(call.order);
        if !call.options.dry_run {
            let without_saga = always(vec![no_saga(saga_id)]);
            match self.ask(call, command.clone(), Effect::Current, Some(without_saga)).await {
                Ok(answered) => return Ok(ByHand::Answered(answer(answered))),
                Err(OrderingError::Failed(failure)) if self.was_lost_to_saga(saga_id, &failure).await? => {}
                Err(error) => return Err(error),
            }
        }
        let saga = self.find_saga(saga_id).await?.map(|saga| saga.state.state());
        match saga.filter(|saga| !saga.has_ended()) {
            Some(saga) => Ok(ByHand::SagaAtWork { saga_id, saga }),
            None => self.run(call, command, Effect::Current).await.map(ByHand::Answered),
        }
    }

    /// Runs a command, with writes to other streams in the same commit.
    pub(super) async fn ask<P: Present>(
        &self,
        call: &Call<'_, P>,
        command: OrderCommand,
        effect: Effect,
        extra_writes: Option<ExtraWrites<Order>>,
    ) -> Result<Answered<Recorded<P::Answer>>, OrderingError> {
        let options = call.options;
        let is_new = matches!(command, OrderCommand::CreateOrder(_)) && !options.dry_run;
        let (intent, effect) = if options.dry_run {
            (Intent::DryRun(command), Effect::DryRun)
        } else {
            (Intent::Execute(command), effect)
        };
        let request = Request {
            if_version: options.if_version.clone(),
            idempotency: options.idempotency.clone(),
            metadata: options.metadata.clone(),
            assume_new_stream: is_new,
            extra_writes,
            ..Request::new(intent, record(call.order, effect, call.present.clone()))
        };
        self.orders.ask(call.order, request).await
    }

    /// Whether a commit that demanded that there is no saga failed because there is one. Those behind it in its group lose with
    /// it, perhaps again and again.
    pub(super) async fn was_lost_to_saga(&self, saga_id: StreamId, failure: &Failure) -> Result<bool, OrderingError> {
        match failure {
            Failure::ExtraWriteConflict { .. } => Ok(true),
            Failure::Contended(_) => Ok(self.load_saga(saga_id).await?.is_some()),
            Failure::Overloaded
            | Failure::Unavailable(_)
            | Failure::Unknown(_)
            | Failure::KeyReused
            | Failure::OtherType(_)
            | Failure::Unreadable(_)
            | Failure::Panicked => Ok(false),
        }
    }

    /// Reads a saga whose id follows from an order's; nothing when it has not been started.
    ///
    /// # Errors
    /// Another stream has its id, or the store failed.
    pub async fn load_saga(&self, saga_id: StreamId) -> Result<Option<Loaded<FulfilmentSaga>>, OrderingError> {
        match rehydrate::<FulfilmentSaga>(self.store, saga_id, Until::Now, PAGE).await {
            Ok(saga) => Ok(Some(saga).filter(|saga| saga.version != Version::NONE)),
            Err(Failure::OtherType(_)) => Err(OrderingError::SagaIdTaken { saga_id }),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Reads a saga by an id that a client named, or for those who do without one; nothing when the id is not that of a saga.
    ///
    /// # Errors
    /// The store failed.
    pub async fn find_saga(&self, id: StreamId) -> Result<Option<Loaded<FulfilmentSaga>>, OrderingError> {
        match self.load_saga(id).await {
            Err(OrderingError::SagaIdTaken { .. }) => Ok(None),
            found => found,
        }
    }
}

/// The demand that an order has no saga.
fn no_saga(saga_id: StreamId) -> StreamWrite {
    StreamWrite {
        stream: saga_id,
        aggregate_type: Fulfilment::TYPE.into(),
        expected: ExpectedVersion::NoStream,
        events: Vec::new(),
        snapshot: None,
    }
}

pub(super) fn answer<R>(answered: Answered<Recorded<R>>) -> Answered<R> {
    let Answered { answer, position, replayed } = answered;
    Answered { answer: answer.answer, position, replayed }
}
