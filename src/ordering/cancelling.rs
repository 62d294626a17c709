//! Cancelling an order, by its saga when there is one at work.

use std::time::Duration;

use ordo_actors::{
    aggregate::request::Answered,
    saga::{SagaCommand, context::SagaRefusal},
};

use super::{
    command_runner::{ByHand, Orders},
    error::OrderingError,
    options::Call,
    outcome::{Effect, Present},
    use_cases::Ordering,
};
use crate::order::{OrderCommand, Reason, Reference};

/// Why an order is cancelled.
#[derive(Debug, Clone)]
pub struct Cancellation {
    /// Why.
    pub reason: Reason,
    /// Who wants it.
    pub cancelled_by: Option<Reference>,
}

impl Cancellation {
    fn command(&self) -> OrderCommand {
        OrderCommand::CancelOrder { reason: self.reason.clone(), cancelled_by: self.cancelled_by.clone() }
    }
}

impl<O: Orders> Ordering<'_, O> {
    /// Cancels an order. A saga at work undoes what it has done and cancels the order at its end: waits for that at most for
    /// `wait`; the effect is [`Effect::Cancelling`] when it is not done by then.
    ///
    /// # Errors
    /// See [`OrderingError`].
    pub async fn cancel<P: Present>(
        &self,
        call: &Call<'_, P>,
        cancellation: &Cancellation,
        wait: Duration,
    ) -> Result<Answered<P::Answer>, OrderingError> {
        let saga_id = match self.commands.by_hand(call, cancellation.command()).await? {
            ByHand::Answered(answered) => return Ok(answered),
            ByHand::SagaAtWork { saga_id, .. } => saga_id,
        };
        if call.options.dry_run {
            return self.commands.run(call, cancellation.command(), Effect::Current).await;
        }
        let seen = self.observe(call).await?;
        if !seen.is_as_demanded {
            return Err(OrderingError::VersionMismatch(seen.version));
        }
        let by_saga = SagaCommand::Cancel {
            reason: cancellation.reason.to_string(),
            requested_by: cancellation.cancelled_by.as_ref().map(ToString::to_string),
        };
        match self.sagas.ask(saga_id, by_saga).await {
            Ok(_) => {}
            // It has ended meanwhile: the order says what that means.
            Err(SagaRefusal::Rejected(_)) => {
                return self.commands.run(call, cancellation.command(), Effect::Current).await;
            }
            Err(SagaRefusal::Failed(failure)) => return Err(failure.into()),
        }
        let has_ended = self.wait_settled(saga_id, None, wait).await?.has_ended();
        let effect = if has_ended { Effect::Current } else { Effect::Cancelling };
        self.read_as(call.order, call.present.clone(), effect).await
    }
}
