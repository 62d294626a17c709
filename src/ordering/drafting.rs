//! Changing the items of a draft.

use ordo_actors::aggregate::request::Answered;

use super::{
    command_runner::Orders,
    error::OrderingError,
    options::Call,
    outcome::{Effect, Present},
    use_cases::Ordering,
};
use crate::order::{LineId, NewItem, OrderCommand};

impl<O: Orders> Ordering<'_, O> {
    /// Adds an item; the order may have `most_lines` lines then.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn add_item<P: Present>(
        &self,
        call: &Call<'_, P>,
        item: NewItem,
        most_lines: usize,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.commands.run(call, OrderCommand::AddItem { item, most_lines }, Effect::Current).await
    }

    /// Gives a line another quantity; zero removes it.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn change_quantity<P: Present>(
        &self,
        call: &Call<'_, P>,
        line_id: LineId,
        quantity: i64,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.commands.run(call, OrderCommand::UpdateItemQuantity { line_id, quantity }, Effect::Current).await
    }

    /// Removes a line.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn remove_item<P: Present>(
        &self,
        call: &Call<'_, P>,
        line_id: LineId,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        self.commands.run(call, OrderCommand::RemoveItem { line_id }, Effect::Current).await
    }
}
