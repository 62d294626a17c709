//! What OpenAPI says of sagas. The engine knows nothing of OpenAPI: its part is written here once more, and the tests hold it to
//! what the engine writes.

use ordo_actors::saga::{SagaState as State, SagaStep};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::plan::{Fulfilment, Step};
use crate::order::schema::{Time, one_of};

/// Where a saga is that was started.
pub struct SagaState;

impl PartialSchema for SagaState {
    fn schema() -> RefOr<Schema> {
        let states = [State::Running, State::Compensating, State::Completed, State::Failed, State::Stuck];
        let doc = "Where a saga is. It ends Completed, or Failed with everything undone; Stuck waits for an operator.";
        one_of(states.map(State::name), doc).into()
    }
}

impl ToSchema for SagaState {}

/// The name of a step.
pub struct StepName;

impl PartialSchema for StepName {
    fn schema() -> RefOr<Schema> {
        one_of([Step::Reserve, Step::Pay, Step::Ship, Step::Refund].map(Step::name), "A step of a saga.").into()
    }
}

impl ToSchema for StepName {}

/// Where a step is.
#[derive(ToSchema)]
pub enum StepState {
    /// Its call may be under way.
    Started,
    /// It is to be called again.
    NotDone,
    /// It is to be asked about.
    Unknown,
    /// It was done.
    Completed,
    /// The partner said no.
    Refused,
    /// It was undone.
    Undone,
    /// An operator took care of it.
    Skipped,
}

/// What is known of a call that did not succeed.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum FailedHow {
    /// The partner said no, for good.
    Refused,
    /// Certainly nothing has happened so far.
    NotDone,
    /// It may or may not have happened.
    Unknown,
}

/// A call is about to be made.
#[derive(ToSchema)]
pub struct StepStarted {
    /// Which step.
    pub step: StepName,
    /// Which attempt.
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// The key of the call.
    pub idempotency_key: String,
}

/// A partner did what was asked.
#[derive(ToSchema)]
pub struct StepCompleted {
    /// Which step.
    pub step: StepName,
    /// The partner's reference for what was done.
    pub reference: String,
}

/// A partner did not do what was asked, or nobody knows.
#[derive(ToSchema)]
pub struct StepFailed {
    /// Which step.
    pub step: StepName,
    /// Which attempt.
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// What is known of it.
    pub outcome: FailedHow,
    /// Why.
    pub error: String,
    /// When the next attempt is due, or the next question; absent when there will be none.
    #[schema(required = false)]
    pub retry_at: Time,
}

/// What was done is to be undone, the last step first.
#[derive(ToSchema)]
pub struct CompensationStarted {
    /// Why.
    pub reason: String,
    /// Who wanted it.
    #[schema(required = false)]
    pub requested_by: String,
}

/// A step was undone.
#[derive(ToSchema)]
pub struct CompensationStepCompleted {
    /// Which step.
    pub step: StepName,
    /// What the partner calls the undoing.
    #[schema(required = false)]
    pub reference: String,
}

/// A step was not undone, or nobody knows.
#[derive(ToSchema)]
pub struct CompensationStepFailed {
    /// Which step.
    pub step: StepName,
    /// Which attempt at undoing it.
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// What is known of it.
    pub outcome: FailedHow,
    /// Why.
    pub error: String,
    /// When the next attempt is due; absent when there will be none.
    #[schema(required = false)]
    pub retry_at: Time,
}

/// Every step is done.
#[derive(ToSchema)]
pub struct SagaCompleted {}

/// Every step that was started is undone.
#[derive(ToSchema)]
pub struct SagaFailed {
    /// Why the saga did not go on.
    pub reason: String,
}

/// It goes on when an operator says how.
#[derive(ToSchema)]
pub struct SagaStuck {
    /// The step that is in the way.
    pub step: StepName,
    /// What happened last.
    pub error: String,
}

/// An operator had the stuck step tried again.
#[derive(ToSchema)]
pub struct StepRetried {
    /// Who.
    pub by: String,
}

/// An operator took care of the stuck step.
#[derive(ToSchema)]
pub struct StepSkipped {
    /// Which step.
    pub step: StepName,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An operator left a note.
#[derive(ToSchema)]
pub struct SagaAnnotated {
    /// Who.
    pub by: String,
    /// The note.
    pub note: String,
}

/// Adds the schema of every event's payload under the event's name, and those they are made of.
pub fn payload_schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    add::<Fulfilment>(schemas);
    add::<StepStarted>(schemas);
    add::<StepCompleted>(schemas);
    add::<StepFailed>(schemas);
    add::<CompensationStarted>(schemas);
    add::<CompensationStepCompleted>(schemas);
    add::<CompensationStepFailed>(schemas);
    add::<SagaCompleted>(schemas);
    add::<SagaFailed>(schemas);
    add::<SagaStuck>(schemas);
    add::<StepRetried>(schemas);
    add::<StepSkipped>(schemas);
    add::<SagaAnnotated>(schemas);
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;
    use ordo_actors::{
        aggregate::DomainEvent,
        log::event::StreamId,
        saga::{
            CompensationStarted, CompensationStepCompleted, CompensationStepFailed, FailedHow, SagaAnnotated,
            SagaCompleted, SagaEvent, SagaFailed, SagaStuck, StepCompleted, StepFailed, StepRetried, StepSkipped,
            StepStarted,
        },
    };
    use serde_json::Value;

    use super::{
        super::plan::{Goods, Kind},
        *,
    };
    use crate::order::{Currency, ProductId};

    /// Every event, with all that may be absent, or with none of it. Every field is named: a new one does not compile.
    fn events(whole: bool) -> Vec<SagaEvent<Fulfilment>> {
        let text = |text: &str| text.to_owned();
        let some = |word: &str| Some(word.to_owned()).filter(|_| whole);
        let time = Some(DateTime::UNIX_EPOCH).filter(|_| whole);
        let reference = || crate::order::Reference::new("R-1").ok().filter(|_| whole);
        let goods = Goods { product_id: ProductId::new("widget").unwrap(), quantity: 1 };
        vec![
            SagaEvent::SagaStarted(Fulfilment {
                kind: Kind::Fulfilment,
                order_id: StreamId::generate(),
                goods: if whole { vec![goods] } else { Vec::new() },
                amount_cents: 1,
                currency: Currency::USD,
                payment_id: reference(),
                return_id: reference(),
            }),
            SagaEvent::StepStarted(StepStarted { step: text("s"), attempt: 1, idempotency_key: text("k") }),
            SagaEvent::StepCompleted(StepCompleted { step: text("s"), reference: text("r") }),
            SagaEvent::StepFailed(StepFailed {
                step: text("s"),
                attempt: 1,
                outcome: FailedHow::NotDone,
                error: text("e"),
                retry_at: time,
            }),
            SagaEvent::CompensationStarted(CompensationStarted { reason: text("r"), requested_by: some("ann") }),
            SagaEvent::CompensationStepCompleted(CompensationStepCompleted { step: text("s"), reference: some("r") }),
            SagaEvent::CompensationStepFailed(CompensationStepFailed {
                step: text("s"),
                attempt: 1,
                outcome: FailedHow::NotDone,
                error: text("e"),
                retry_at: time,
            }),
            SagaEvent::SagaCompleted(SagaCompleted {}),
            SagaEvent::SagaFailed(SagaFailed { reason: text("r") }),
            SagaEvent::SagaStuck(SagaStuck { step: text("s"), error: text("e") }),
            SagaEvent::StepRetried(StepRetried { by: text("ann") }),
            SagaEvent::StepSkipped(StepSkipped { step: text("s"), by: text("ann"), reason: text("r") }),
            SagaEvent::SagaAnnotated(SagaAnnotated { by: text("ann"), note: text("n") }),
        ]
    }

    fn names(value: &Value) -> BTreeSet<&str> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn every_event_of_a_saga_has_exactly_the_fields_described() {
        let mut schemas = Vec::new();
        payload_schemas(&mut schemas);
        let kinds: BTreeSet<_> = SagaEvent::<Fulfilment>::KINDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(kinds, events(true).iter().map(DomainEvent::event_type).collect());
        for (whole, least) in events(true).iter().zip(events(false)) {
            let (_, schema) = schemas.iter().find(|(name, _)| name == whole.event_type()).unwrap();
            let schema = serde_json::to_value(schema).unwrap();
            let payload: Value = serde_json::from_str(whole.encode().unwrap().get()).unwrap();
            assert_eq!(names(&payload), names(&schema["properties"]), "{}", whole.event_type());
            let payload: Value = serde_json::from_str(least.encode().unwrap().get()).unwrap();
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(names(&payload), required, "{}", whole.event_type());
        }
    }

    #[test]
    fn the_states_described_are_those_of_the_engine() {
        use ordo_actors::saga::StepState as Of;
        let schema = serde_json::to_value(StepState::schema()).unwrap();
        let states = [Of::Started, Of::NotDone, Of::Unknown, Of::Completed, Of::Refused, Of::Undone, Of::Skipped];
        assert_eq!(schema["enum"], serde_json::to_value(states).unwrap());
        let schema = serde_json::to_value(super::FailedHow::schema()).unwrap();
        let outcomes = [FailedHow::Refused, FailedHow::NotDone, FailedHow::Unknown];
        assert_eq!(schema["enum"], serde_json::to_value(outcomes).unwrap());
    }
}
