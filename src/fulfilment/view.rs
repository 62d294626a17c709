//! A saga as clients see it.

use chrono::{DateTime, Utc};
use ordo_actors::{
    log::event::StreamId,
    saga::{SagaState, Step, StepState},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    FulfilmentSaga,
    plan::{self, Kind},
    schema::{self, StepName},
};
use crate::order::{OrderId, Reference, schema as values};

/// A saga. What is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Saga)]
pub struct SagaView<'a> {
    /// Which saga.
    #[schema(value_type = values::Id)]
    pub saga_id: StreamId,
    /// Of which order.
    #[schema(value_type = values::OrderId)]
    pub order_id: OrderId,
    /// What it does.
    pub kind: Kind,
    /// Where it is. It ends `Completed`, or `Failed` with everything undone; `Stuck` waits for an operator.
    #[schema(value_type = schema::SagaState)]
    pub state: SagaState,
    /// The steps that are done and stand, in order.
    #[schema(value_type = Vec<StepName>)]
    pub completed_steps: Vec<&'a str>,
    /// What the inventory calls the stock it set aside.
    #[schema(required)]
    pub reservation_id: Option<&'a str>,
    /// What the payment provider calls the payment.
    #[schema(required)]
    pub payment_id: Option<&'a str>,
    /// What the carrier calls the parcel.
    #[schema(required)]
    pub tracking_number: Option<&'a str>,
    /// Of a refund: which return.
    #[schema(required)]
    pub return_id: Option<&'a Reference>,
    /// Why it does not go on, or what is in the way.
    #[schema(required)]
    pub failure_reason: Option<&'a str>,
    /// Every step that was started, in order.
    pub steps: Vec<StepView<'a>>,
    /// When it was started.
    #[schema(value_type = values::Time)]
    pub started_at: DateTime<Utc>,
    /// When something happened to it last.
    #[schema(value_type = values::Time)]
    pub updated_at: DateTime<Utc>,
}

/// A step that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SagaStep)]
pub struct StepView<'a> {
    /// Its name.
    #[schema(value_type = StepName)]
    pub step: &'a str,
    /// Where it is. `NotDone` is called again, `Unknown` is asked about first.
    #[schema(value_type = schema::StepState)]
    pub state: StepState,
    /// How often its call was begun.
    #[schema(minimum = 1)]
    pub attempts: u32,
    /// How often undoing it failed.
    pub undo_failures: u32,
    /// What the partner calls what came of it.
    #[schema(required)]
    pub reference: Option<&'a str>,
    /// The key its call carries.
    pub idempotency_key: &'a str,
    /// What happened last that should not have.
    #[schema(required)]
    pub error: Option<&'a str>,
    /// When it is tried next.
    #[schema(required, value_type = Option<values::Time>)]
    pub retry_at: Option<DateTime<Utc>>,
}

impl<'a> SagaView<'a> {
    /// A saga that somebody has started.
    #[must_use]
    pub fn of(saga_id: StreamId, saga: &'a FulfilmentSaga) -> Option<Self> {
        let started = saga.definition()?;
        let done = saga.steps().iter().filter(|step| step.state == StepState::Completed);
        let payment = saga.reference(plan::Step::Pay).or(started.payment_id.as_ref().map(Reference::as_str));
        Some(Self {
            saga_id,
            order_id: started.order_id,
            kind: started.kind,
            state: saga.state(),
            completed_steps: done.map(|step| step.name.as_str()).collect(),
            reservation_id: saga.reference(plan::Step::Reserve),
            payment_id: payment,
            tracking_number: saga.reference(plan::Step::Ship),
            return_id: started.return_id.as_ref(),
            failure_reason: saga.stuck().map(|(_, error)| error).or(saga.reason()),
            steps: saga.steps().iter().map(step_view).collect(),
            started_at: saga.started_at(),
            updated_at: saga.updated_at(),
        })
    }
}

fn step_view(step: &Step) -> StepView<'_> {
    StepView {
        step: &step.name,
        state: step.state,
        attempts: step.attempt,
        undo_failures: step.undo_failures,
        reference: step.reference.as_deref(),
        idempotency_key: &step.key,
        error: step.error.as_deref(),
        retry_at: step.retry_at,
    }
}
