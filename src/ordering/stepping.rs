//! The way of an order from draft to its end, step by step and without a saga.

use ordo_actors::aggregate::request::Answered;

use super::{
    command_runner::{ByHand, Orders},
    error::OrderingError,
    options::Call,
    outcome::{Effect, Present},
    use_cases::Ordering,
};
use crate::order::{OrderCommand, Reference};

impl<O: Orders> Ordering<'_, O> {
    /// Freezes the items.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn submit<P: Present>(&self, call: &Call<'_, P>) -> Result<Answered<P::Answer>, OrderingError> {
        self.commands.run(call, OrderCommand::SubmitOrder, Effect::Current).await
    }

    /// Notes that the stock is held.
    ///
    /// # Errors
    /// The order's saga is at work; see [`OrderingError`].
    pub async fn reserve<P: Present>(
        &self,
        call: &Call<'_, P>,
        reservation_id: Option<Reference>,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.manual_step(call, OrderCommand::MarkReserved { reservation_id }).await
    }

    /// Notes that the order is paid and being fulfilled.
    ///
    /// # Errors
    /// The order's saga is at work; see [`OrderingError`].
    pub async fn process<P: Present>(
        &self,
        call: &Call<'_, P>,
        payment_id: Option<Reference>,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.manual_step(call, OrderCommand::StartProcessing { payment_id }).await
    }

    /// Notes that the order has been shipped.
    ///
    /// # Errors
    /// The order's saga is at work; see [`OrderingError`].
    pub async fn complete<P: Present>(
        &self,
        call: &Call<'_, P>,
        tracking_number: Option<Reference>,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.manual_step(call, OrderCommand::CompleteOrder { tracking_number }).await
    }

    async fn manual_step<P: Present>(
        &self,
        call: &Call<'_, P>,
        command: OrderCommand,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        match self.commands.by_hand(call, command).await? {
            ByHand::Answered(answered) => Ok(answered),
            ByHand::SagaAtWork { saga_id, saga } => {
                let order = self.observe(call).await?.state;
                Err(OrderingError::SagaAtWork { order, saga_id, saga })
            }
        }
    }
}
