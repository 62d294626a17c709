//! What fulfilment does to the world: calls to partners, and commits that move saga and order together.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ordo_actors::{
    appender::Appender,
    clock::Clock,
    registry::Engine,
    request::{Failure, Outcome, Request, always},
    saga::{StepOutcome, StepPolicy, StepStanding},
    saga_effects::{CommitError, SagaCommit, SagaEffects},
};

use super::{
    FulfilmentSaga,
    answer::OTHER_AMOUNT,
    order_part::order_part,
    partner::{CallKey, Charge, Parcel, Refund, Reply, Reservation, Standing},
    plan::{Fulfilment, PAY, REFUND, RESERVE, SHIP},
    settings::Partners,
};
use crate::order::Order;

/// How patient fulfilment is with its partners.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long one call may take; what has not answered by then is unknown. Longer than what a partner over HTTP is given.
    pub call_timeout: Duration,
    /// How long after its start a step is given up and the order's fulfilment undone: the longest a reservation waits for its
    /// payment.
    pub step_deadline: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { call_timeout: Duration::from_secs(12), step_deadline: Duration::from_mins(15) }
    }
}

/// The effects of fulfilment.
pub struct FulfilmentEffects {
    /// Who is asked.
    pub partners: Partners,
    /// The orders.
    pub orders: Arc<Engine<Order>>,
    /// Where a saga's own events go.
    pub appender: Appender,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How patient.
    pub patience: Patience,
}

/// A step nobody knows is a mistake in this code, told as an outcome that needs an operator in the end.
fn no_such_step(step: &str) -> String {
    format!("there is no step {step}")
}

#[async_trait]
impl SagaEffects for FulfilmentEffects {
    type Definition = Fulfilment;

    fn policy(&self, _: &'static str) -> StepPolicy {
        StepPolicy {
            call_timeout: self.patience.call_timeout,
            deadline: self.patience.step_deadline,
            ..StepPolicy::default()
        }
    }

    async fn call(&self, step: &'static str, key: &str, saga: &FulfilmentSaga) -> StepOutcome {
        let Some(plan) = saga.definition() else { return StepOutcome::Unknown(no_such_step(step)) };
        let key = CallKey(key.to_owned());
        let reply = match step {
            RESERVE => self.partners.inventory.reserve(&key, &reservation(plan)).await,
            PAY => self.partners.payments.charge(&key, &charge(plan)).await,
            SHIP => self.partners.shipping.ship(&key, &parcel(plan)).await,
            REFUND => self.partners.payments.refund(&key, &refund(plan)).await,
            _ => return StepOutcome::Unknown(no_such_step(step)),
        };
        if matches!(&reply, Reply::Unknown(reason) if reason == OTHER_AMOUNT) {
            log::warn!(order = plan.order_id.to_string(), key = key.0.as_str(); "{step}: {OTHER_AMOUNT}; see what it has taken");
        }
        still_contradicted(saga, step, outcome(reply))
    }

    /// A partner that has named another amount is not believed when it says `done` without any: the same call again has the
    /// same effect and the same answer, and that one names the amount.
    async fn look_up(&self, step: &'static str, key: &str, saga: &FulfilmentSaga) -> StepStanding {
        let key = CallKey(key.to_owned());
        let standing = match step {
            RESERVE => self.partners.inventory.look_up(&key).await,
            PAY | REFUND => self.partners.payments.look_up(&key).await,
            SHIP => self.partners.shipping.look_up(&key).await,
            _ => return StepStanding::Unknown(no_such_step(step)),
        };
        let contradicted = is_contradicted(saga, step);
        match standing {
            Standing::Done(_) if contradicted => StepStanding::Unheard,
            Standing::Unknown(reason) if contradicted => {
                StepStanding::Unknown(format!("{OTHER_AMOUNT}; then: {reason}"))
            }
            Standing::Done(reference) => StepStanding::Done(reference.to_string()),
            Standing::Refused(reason) => StepStanding::Refused(reason),
            Standing::Undone => StepStanding::Refused("it was undone".into()),
            Standing::Unheard => StepStanding::Unheard,
            Standing::Unknown(reason) => StepStanding::Unknown(reason),
        }
    }

    async fn undo(&self, step: &'static str, key: &str, of: &str, saga: &FulfilmentSaga) -> StepOutcome {
        let Some(plan) = saga.definition() else { return StepOutcome::Unknown(no_such_step(step)) };
        let (key, of) = (CallKey(key.to_owned()), CallKey(of.to_owned()));
        let reply = match step {
            RESERVE => self.partners.inventory.release(&key, &of, &reservation(plan)).await,
            PAY => self.partners.payments.void(&key, &of, &charge(plan)).await,
            SHIP => self.partners.shipping.call_back(&key, &of, &parcel(plan)).await,
            _ => return StepOutcome::Unknown(no_such_step(step)),
        };
        outcome(reply)
    }

    async fn commit(&self, commit: SagaCommit<'_, Fulfilment>) -> Result<(), CommitError> {
        let part = if commit.alone { None } else { order_part(commit.saga, commit.events) };
        let Some((part, plan)) = part.zip(commit.saga.definition()) else {
            return commit.append_alone(&self.appender, self.clock.now()).await;
        };
        let order = plan.order_id;
        let request = Request {
            metadata: commit.metadata(),
            not_before: commit.not_before,
            alongside: Some(always(vec![commit.write])),
            ..Request::execute(part, |outcome: &Outcome<'_, Order>| match outcome {
                Outcome::Accepted { .. } => None,
                Outcome::Rejected { rejection, .. } => Some(rejection.to_string()),
                Outcome::VersionMismatch { version, .. } => Some(format!("the order is at version {version}")),
            })
        };
        match self.orders.ask(order, request).await {
            Ok(answered) => answered.answer.map_or(Ok(()), |reason| Err(CommitError::Unwanted(reason))),
            Err(Failure::ConflictAlongside { .. }) => Err(CommitError::Conflict),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn outcome(reply: Reply) -> StepOutcome {
    match reply {
        Reply::Done(reference) => StepOutcome::Done(reference.to_string()),
        Reply::Refused(reason) => StepOutcome::Refused(reason),
        Reply::NotDone { reason, retry_after } => StepOutcome::NotDone { error: reason, retry_after },
        Reply::Unknown(reason) => StepOutcome::Unknown(reason),
    }
}

/// Whether the partner of a step has answered with another amount, and has not corrected itself since.
fn is_contradicted(saga: &FulfilmentSaga, step: &str) -> bool {
    saga.step(step).and_then(|step| step.error.as_deref()).is_some_and(|error| error.starts_with(OTHER_AMOUNT))
}

/// What is not known for another reason is still not known for the first one, too.
fn still_contradicted(saga: &FulfilmentSaga, step: &str, outcome: StepOutcome) -> StepOutcome {
    let and_then = |error: String| {
        if error.starts_with(OTHER_AMOUNT) || !is_contradicted(saga, step) {
            error
        } else {
            format!("{OTHER_AMOUNT}; then: {error}")
        }
    };
    match outcome {
        StepOutcome::Unknown(error) => StepOutcome::Unknown(and_then(error)),
        StepOutcome::NotDone { error, retry_after } => StepOutcome::NotDone { error: and_then(error), retry_after },
        StepOutcome::Done(_) | StepOutcome::Refused(_) => outcome,
    }
}

fn goods(plan: &Fulfilment) -> Vec<(crate::order::ProductId, u64)> {
    plan.goods.iter().map(|goods| (goods.product_id.clone(), goods.quantity)).collect()
}

fn reservation(plan: &Fulfilment) -> Reservation {
    Reservation { order_id: plan.order_id, goods: goods(plan) }
}

fn charge(plan: &Fulfilment) -> Charge {
    Charge { order_id: plan.order_id, amount_cents: plan.amount_cents, currency: plan.currency }
}

fn parcel(plan: &Fulfilment) -> Parcel {
    Parcel { order_id: plan.order_id, goods: goods(plan) }
}

fn refund(plan: &Fulfilment) -> Refund {
    Refund {
        order_id: plan.order_id,
        payment_id: plan.payment_id.clone(),
        amount_cents: plan.amount_cents,
        currency: plan.currency,
    }
}
