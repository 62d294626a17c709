//! What fulfilment does to the world: calls to partners, and commits that move saga and order together.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ordo_actors::{
    aggregate::{
        engine::Engine,
        request::{CommandOutcome, Failure, Request, always},
    },
    clock::Clock,
    log::appender::Appender,
    saga::{
        CallStatus, SagaStep, StepOutcome, StepPolicy,
        effects::{CommitError, SagaCommit, SagaEffects},
    },
};

use super::{
    FulfilmentSaga,
    answer::OTHER_AMOUNT,
    call::Call,
    order_command::order_command_for,
    partner::CallKey,
    plan::{Fulfilment, Step},
    settings::Partners,
};
use crate::order::Order;

/// How long fulfilment waits for its partners.
#[derive(Debug, Clone, Copy)]
pub struct StepTimeouts {
    /// How long one call may take; what has not answered by then is unknown. Longer than what a partner over HTTP is given.
    pub call: Duration,
    /// How long after its start a step is given up and the order's fulfilment undone: the longest a reservation waits for its
    /// payment.
    pub step: Duration,
}

impl Default for StepTimeouts {
    fn default() -> Self {
        Self { call: Duration::from_secs(12), step: Duration::from_mins(15) }
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
    /// How long to wait for partners.
    pub timeouts: StepTimeouts,
}

#[async_trait]
impl SagaEffects for FulfilmentEffects {
    type Definition = Fulfilment;

    fn policy(&self, _: Step) -> StepPolicy {
        StepPolicy { call_timeout: self.timeouts.call, deadline: self.timeouts.step, ..StepPolicy::default() }
    }

    async fn call(&self, step: Step, key: &str, saga: &FulfilmentSaga) -> StepOutcome {
        let Some(plan) = saga.definition() else { return not_started() };
        let outcome = self.send(&plan.call(step.call_kind(), CallKey(key.to_owned()))).await;
        if matches!(&outcome, StepOutcome::Unknown(reason) if reason == OTHER_AMOUNT) {
            let (order, step) = (plan.order_id.to_string(), step.name());
            log::warn!(order = order, key = key; "{step}: {OTHER_AMOUNT}; see what it has taken");
        }
        still_contradicted(saga, step, outcome)
    }

    /// A partner that has named another amount is not believed when it says `done` without any: the same call again has the
    /// same effect and the same answer, and that one names the amount.
    async fn query_status(&self, step: Step, key: &str, saga: &FulfilmentSaga) -> CallStatus {
        let role = step.call_kind().partner();
        let status = self.partners.in_role(role).status(role, &CallKey(key.to_owned())).await;
        match status {
            CallStatus::Done(_) if is_contradicted(saga, step) => CallStatus::NotReceived,
            CallStatus::Unknown(reason) if is_contradicted(saga, step) => {
                CallStatus::Unknown(format!("{OTHER_AMOUNT}; then: {reason}"))
            }
            status => status,
        }
    }

    async fn undo(&self, step: Step, key: &str, of: &str, saga: &FulfilmentSaga) -> StepOutcome {
        let Some((plan, kind)) = saga.definition().zip(step.undo_kind()) else { return not_started() };
        self.send(&plan.call(kind, CallKey(key.to_owned())).undoing(CallKey(of.to_owned()))).await
    }

    async fn commit(&self, commit: SagaCommit<'_, Fulfilment>) -> Result<(), CommitError> {
        let part = if commit.alone { None } else { order_command_for(commit.saga, commit.events) };
        let Some((part, plan)) = part.zip(commit.saga.definition()) else {
            return commit.append_alone(&self.appender, self.clock.now()).await;
        };
        let order = plan.order_id;
        let request = Request {
            metadata: commit.metadata(),
            min_timestamp: commit.min_timestamp,
            extra_writes: Some(always(vec![commit.write])),
            ..Request::execute(part, |outcome: &CommandOutcome<'_, Order>| match outcome {
                CommandOutcome::Accepted { .. } => None,
                CommandOutcome::Rejected { rejection, .. } => Some(rejection.to_string()),
                CommandOutcome::VersionMismatch { version, .. } => Some(format!("the order is at version {version}")),
            })
        };
        match self.orders.ask(order, request).await {
            Ok(answered) => answered.answer.map_or(Ok(()), |reason| Err(CommitError::Unwanted(reason))),
            Err(Failure::ExtraWriteConflict { .. }) => Err(CommitError::Conflict),
            Err(failure) => Err(failure.into()),
        }
    }
}

impl FulfilmentEffects {
    async fn send(&self, call: &Call) -> StepOutcome {
        self.partners.in_role(call.kind.partner()).call(call).await
    }
}

/// The runner calls for sagas that were started only, and undoes steps that have an undo only.
fn not_started() -> StepOutcome {
    StepOutcome::Unknown("the saga has no plan for this call".into())
}

/// Whether the partner of a step has answered with another amount, and has not corrected itself since.
fn is_contradicted(saga: &FulfilmentSaga, step: Step) -> bool {
    saga.step(step).and_then(|step| step.error.as_deref()).is_some_and(|error| error.starts_with(OTHER_AMOUNT))
}

/// What is not known for another reason is still not known for the first one, too.
fn still_contradicted(saga: &FulfilmentSaga, step: Step, outcome: StepOutcome) -> StepOutcome {
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
