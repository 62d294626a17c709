//! Placing an order.

use ordo_actors::aggregate::request::Answered;

use super::{
    command_runner::Orders,
    error::OrderingError,
    options::Call,
    outcome::{Effect, Present},
    use_cases::Ordering,
};
use crate::order::{CreateOrder, OrderCommand};

impl<O: Orders> Ordering<'_, O> {
    /// Places an order with all its items, in one commit.
    ///
    /// # Errors
    /// A version was demanded, which an order that is to be created does not have yet; see [`OrderingError`].
    pub async fn place<P: Present>(
        &self,
        call: &Call<'_, P>,
        create: CreateOrder,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        if !call.options.if_version.is_empty() {
            return Err(OrderingError::HasNoVersion);
        }
        self.commands.run(call, OrderCommand::CreateOrder(create), Effect::Placed).await
    }
}
