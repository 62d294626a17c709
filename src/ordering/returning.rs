//! Taking items back: a saga that begins in the same commit refunds them.

use ordo_actors::{
    aggregate::request::{Answered, Failure},
    log::store::StreamWrite,
};

use super::{
    command_runner::{Orders, answer},
    error::OrderingError,
    options::Call,
    outcome::{Effect, Present},
    use_cases::{JUST_STARTED, Ordering, start},
};
use crate::{
    fulfilment::{refund_of, saga_of_return},
    order::{Order, OrderCommand, OrderEvent, OrderId, ReturnItems},
};

impl<O: Orders> Ordering<'_, O> {
    /// Takes items of a completed order back and starts the refund, in one commit. Does not wait for the refund.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn return_items<P: Present>(
        &self,
        call: &Call<'_, P>,
        items: ReturnItems,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        let order = call.order;
        let refund = Box::new(move |state: &Order, events: &[OrderEvent]| refund(order, state, events));
        let answered =
            self.commands.ask(call, OrderCommand::ReturnItems(items), Effect::Returned, Some(refund)).await?;
        if let Some(saga) = answered.answer.started {
            self.ensure_running(saga, Some(JUST_STARTED)).await;
        }
        Ok(answer(answered))
    }
}

/// The start of the saga that refunds what has just come back, from the order after it.
fn refund(order: OrderId, state: &Order, events: &[OrderEvent]) -> Result<Vec<StreamWrite>, Failure> {
    let Some(OrderEvent::ItemsReturned(returned)) = events.first() else { return Ok(Vec::new()) };
    let plan = refund_of(order, state, &returned.return_id, returned.refund_cents);
    start(saga_of_return(order, &returned.return_id), plan)
}
