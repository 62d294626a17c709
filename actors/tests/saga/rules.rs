//! One rule each: given these events, when this command, then those events.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ordo_actors::{
    saga::{
        Action, CallKnowledge, CompensationStarted, CompensationStepCompleted, CompensationStepFailed, FailedHow,
        SagaAnnotated, SagaCommand, SagaCompleted, SagaEvent, SagaFailed, SagaRejection, SagaState, SagaStep,
        SagaStuck, StepCompleted, StepFailed, StepOutcome, StepPolicy, StepRetried, StepSkipped, StepStarted,
    },
    testing::{Given, given, nth_second},
};

use crate::toy::{FLIGHT, GIFT, HOTEL, POLICY, SAGA, TripEvent, TripSaga, TripStep, key, present, started, trip};

fn running() -> Vec<TripEvent> {
    vec![SagaEvent::SagaStarted(trip()), started(FLIGHT, 1)]
}

fn giving() -> Vec<TripEvent> {
    vec![SagaEvent::SagaStarted(present()), started(GIFT, 1)]
}

fn completed(step: TripStep) -> TripEvent {
    SagaEvent::StepCompleted(StepCompleted { step: step.name().into(), reference: "R".into() })
}

fn at_hotel() -> Vec<TripEvent> {
    [running(), vec![completed(FLIGHT), started(HOTEL, 1)]].concat()
}

fn failed(step: TripStep, outcome: FailedHow, error: &str, retry_at: Option<DateTime<Utc>>) -> TripEvent {
    SagaEvent::StepFailed(StepFailed { step: step.name().into(), attempt: 1, outcome, error: error.into(), retry_at })
}

fn compensation(reason: &str, requested_by: Option<&str>) -> TripEvent {
    SagaEvent::CompensationStarted(CompensationStarted {
        reason: reason.into(),
        requested_by: requested_by.map(Into::into),
    })
}

fn undone(step: TripStep) -> TripEvent {
    let reference = Some("U".into());
    SagaEvent::CompensationStepCompleted(CompensationStepCompleted { step: step.name().into(), reference })
}

fn ended(reason: &str) -> TripEvent {
    SagaEvent::SagaFailed(SagaFailed { reason: reason.into() })
}

fn stuck(step: TripStep, error: &str) -> TripEvent {
    SagaEvent::SagaStuck(SagaStuck { step: step.name().into(), error: error.into() })
}

fn cancelled() -> Vec<TripEvent> {
    [at_hotel(), vec![compensation("rain", Some("ada"))]].concat()
}

fn record(step: TripStep, outcome: StepOutcome) -> SagaCommand<crate::toy::Trip> {
    SagaCommand::Record { step, outcome, at: now(), policy: POLICY }
}

fn record_undo(step: TripStep, outcome: StepOutcome) -> SagaCommand<crate::toy::Trip> {
    SagaCommand::RecordUndo { step, outcome, at: now(), policy: POLICY }
}

fn now() -> DateTime<Utc> {
    nth_second(100)
}

fn done() -> StepOutcome {
    StepOutcome::Done("R".into())
}

fn refused() -> StepOutcome {
    StepOutcome::Refused("full".into())
}

fn not_done() -> StepOutcome {
    StepOutcome::NotDone { error: "busy".into(), retry_after: None }
}

fn unknown() -> StepOutcome {
    StepOutcome::Unknown("silence".into())
}

fn cancel() -> SagaCommand<crate::toy::Trip> {
    SagaCommand::Cancel { reason: "rain".into(), requested_by: Some("ada".into()) }
}

fn next(events: Vec<TripEvent>, now: DateTime<Utc>, knowledge: CallKnowledge) -> Action<TripStep> {
    let mut action = None;
    let saga: Given<TripSaga> = given(events);
    saga.then_state(|saga| action = Some(saga.next(now, |_| POLICY, knowledge)));
    action.expect("a state")
}

#[test]
fn a_saga_starts_with_its_first_step_and_a_key_made_of_saga_and_step() {
    let start = SagaCommand::Start { saga_id: SAGA, definition: trip() };
    given::<TripSaga>([]).when(start).then(running());
    assert_eq!(key(FLIGHT), format!("{SAGA}:book_flight"));
}

#[test]
fn a_saga_starts_once() {
    let start = SagaCommand::Start { saga_id: SAGA, definition: trip() };
    given::<TripSaga>(running()).when(start).then_rejected(SagaRejection::AlreadyStarted);
}

#[test]
fn a_step_that_is_done_starts_the_next_one_in_the_same_commit() {
    given::<TripSaga>(running()).when(record(FLIGHT, done())).then([completed(FLIGHT), started(HOTEL, 1)]);
}

#[test]
fn the_last_step_completes_the_saga() {
    let end = SagaEvent::SagaCompleted(SagaCompleted {});
    given::<TripSaga>(at_hotel()).when(record(HOTEL, done())).then([completed(HOTEL), end]);
}

#[test]
fn an_outcome_that_comes_twice_or_for_another_step_changes_nothing() {
    given::<TripSaga>(at_hotel()).when(record(FLIGHT, done())).then_nothing();
    given::<TripSaga>(running()).when(record(HOTEL, done())).then_nothing();
}

#[test]
fn a_refusal_undoes_what_was_done_and_never_what_was_refused() {
    let reason = "book_hotel was refused: full";
    given::<TripSaga>(at_hotel())
        .when(record(HOTEL, refused()))
        .then([failed(HOTEL, FailedHow::Refused, "full", None), compensation(reason, None)])
        .when(record_undo(FLIGHT, StepOutcome::Done("U".into())))
        .then([undone(FLIGHT), ended(reason)]);
}

#[test]
fn a_refused_first_step_ends_the_saga_at_once() {
    let reason = "book_flight was refused: full";
    given::<TripSaga>(running()).when(record(FLIGHT, refused())).then([
        failed(FLIGHT, FailedHow::Refused, "full", None),
        compensation(reason, None),
        ended(reason),
    ]);
}

#[test]
fn what_was_not_done_is_called_again_with_the_same_key_and_what_is_unknown_is_asked_about() {
    let waiting = [running(), vec![failed(FLIGHT, FailedHow::NotDone, "busy", Some(now()))]].concat();
    assert_eq!(next(waiting.clone(), now(), CallKnowledge::Nothing), Action::Begin { step: FLIGHT });
    given::<TripSaga>(waiting).when(SagaCommand::Begin { step: FLIGHT }).then([started(FLIGHT, 2)]);
    let unsure = [running(), vec![failed(FLIGHT, FailedHow::Unknown, "silence", Some(now()))]].concat();
    assert_eq!(
        next(unsure.clone(), now(), CallKnowledge::Nothing),
        Action::QueryStatus { step: FLIGHT, key: key(FLIGHT) }
    );
    assert_eq!(next(unsure, now(), CallKnowledge::NotReceived), Action::Begin { step: FLIGHT });
}

#[test]
fn a_call_is_made_by_whoever_wrote_its_start_and_asked_about_by_everybody_else() {
    let call = Action::Call { step: FLIGHT, key: key(FLIGHT) };
    assert_eq!(next(running(), nth_second(2), CallKnowledge::Begun), call);
    assert_eq!(next(running(), nth_second(2), CallKnowledge::NotReceived), call);
    let ask = Action::QueryStatus { step: FLIGHT, key: key(FLIGHT) };
    assert_eq!(next(running(), nth_second(2), CallKnowledge::Nothing), ask);
    assert_eq!(next(running(), nth_second(999_999), CallKnowledge::Nothing), ask);
}

#[test]
fn nothing_happens_before_the_pause_is_over() {
    let later = nth_second(200);
    let waiting = [running(), vec![failed(FLIGHT, FailedHow::NotDone, "busy", Some(later))]].concat();
    assert_eq!(next(waiting.clone(), nth_second(199), CallKnowledge::Nothing), Action::WaitUntil(later));
    assert_eq!(next(waiting, later, CallKnowledge::Nothing), Action::Begin { step: FLIGHT });
}

#[test]
fn pauses_double_up_to_the_longest_and_heed_the_partner_up_to_there() {
    let seconds = Duration::from_secs;
    let policy = StepPolicy { first_pause: seconds(1), longest_pause: seconds(30), ..POLICY };
    assert_eq!([1, 2, 3, 6, 60].map(|nth| policy.pause_after(nth, None)), [1, 2, 4, 30, 30].map(seconds));
    assert_eq!(policy.pause_after(1, Some(seconds(7))), seconds(7));
    assert_eq!(policy.pause_after(1, Some(seconds(7000))), seconds(30));
}

#[test]
fn after_the_last_attempt_it_compensates_even_what_nobody_knows() {
    for (outcome, how, error) in [(not_done(), FailedHow::NotDone, "busy"), (unknown(), FailedHow::Unknown, "silence")]
    {
        let once = [running(), vec![failed(FLIGHT, how, error, Some(now()))]].concat();
        let reason = format!("book_flight failed 2 times: {error}");
        given::<TripSaga>(once)
            .when(record(FLIGHT, outcome))
            .then([failed(FLIGHT, how, error, None), compensation(&reason, None)])
            .then_state(|saga| {
                let undo = Action::Undo { step: FLIGHT, key: format!("{}:undo", key(FLIGHT)), of: key(FLIGHT) };
                assert_eq!(saga.next(now(), |_| POLICY, CallKnowledge::Nothing), undo);
            });
    }
}

#[test]
fn a_step_whose_time_is_over_is_given_up_and_undone() {
    let over = nth_second(3602);
    let waiting = [running(), vec![failed(FLIGHT, FailedHow::NotDone, "busy", Some(nth_second(9999)))]].concat();
    assert_eq!(next(waiting.clone(), now(), CallKnowledge::Nothing), Action::WaitUntil(over));
    assert_eq!(next(waiting.clone(), over, CallKnowledge::Nothing), Action::GiveUp { step: FLIGHT });
    given::<TripSaga>(waiting)
        .when(SagaCommand::GiveUp { step: FLIGHT })
        .then([compensation("book_flight was not done in time: busy", None)]);
}

#[test]
fn a_cancellation_compensates_at_once_and_the_call_that_was_out_is_still_noted() {
    given::<TripSaga>(at_hotel())
        .when(cancel())
        .then([compensation("rain", Some("ada"))])
        .when(record(HOTEL, done()))
        .then([completed(HOTEL)])
        .when(record_undo(HOTEL, StepOutcome::Done("U".into())))
        .then([undone(HOTEL)])
        .when(record_undo(FLIGHT, StepOutcome::Done("U".into())))
        .then([undone(FLIGHT), ended("rain")]);
}

#[test]
fn what_was_out_and_comes_to_nothing_is_noted_without_another_attempt() {
    given::<TripSaga>(cancelled()).when(record(HOTEL, not_done())).then([failed(
        HOTEL,
        FailedHow::NotDone,
        "busy",
        None,
    )]);
    given::<TripSaga>(cancelled()).when(record(HOTEL, refused())).then([failed(
        HOTEL,
        FailedHow::Refused,
        "full",
        None,
    )]);
}

#[test]
fn a_second_cancellation_changes_nothing_and_a_completed_saga_is_not_cancelled() {
    given::<TripSaga>(cancelled()).when(cancel()).then_nothing();
    let over = [at_hotel(), vec![completed(HOTEL), SagaEvent::SagaCompleted(SagaCompleted {})]].concat();
    given::<TripSaga>(over).when(cancel()).then_rejected(SagaRejection::Ended(SagaState::Completed));
    given::<TripSaga>([]).when(cancel()).then_rejected(SagaRejection::NotFound);
}

#[test]
fn a_step_that_nobody_wants_any_more_is_noted_and_undone() {
    let unwanted =
        SagaCommand::RecordUnwanted { step: HOTEL, reference: "R".into(), reason: "they stay at home".into() };
    given::<TripSaga>(at_hotel()).when(unwanted).then([completed(HOTEL), compensation("they stay at home", None)]);
}

#[test]
fn an_undo_that_fails_is_tried_again_and_then_it_is_stuck() {
    let undo_failed = |attempt, outcome, retry_at| {
        SagaEvent::CompensationStepFailed(CompensationStepFailed {
            step: HOTEL.name().into(),
            attempt,
            outcome,
            error: "busy".into(),
            retry_at,
        })
    };
    given::<TripSaga>(cancelled())
        .when(record_undo(HOTEL, not_done()))
        .then([undo_failed(1, FailedHow::NotDone, Some(now()))])
        .when(record_undo(HOTEL, not_done()))
        .then([undo_failed(2, FailedHow::NotDone, None), stuck(HOTEL, "busy")])
        .then_state(|saga| assert_eq!(saga.next(now(), |_| POLICY, CallKnowledge::Nothing), Action::Stuck));
}

fn undo_refused() -> Vec<TripEvent> {
    let refused = CompensationStepFailed {
        step: HOTEL.name().into(),
        attempt: 1,
        outcome: FailedHow::Refused,
        error: "full".into(),
        retry_at: None,
    };
    [cancelled(), vec![SagaEvent::CompensationStepFailed(refused), stuck(HOTEL, "full")]].concat()
}

#[test]
fn a_refused_undo_is_stuck_at_once() {
    let decided = undo_refused().split_off(cancelled().len());
    given::<TripSaga>(cancelled()).when(record_undo(HOTEL, refused())).then(decided);
}

#[test]
fn an_operator_has_the_stuck_undo_tried_again_with_another_key_when_the_first_was_refused() {
    given::<TripSaga>(undo_refused())
        .when(SagaCommand::Retry { by: "op".into() })
        .then([SagaEvent::StepRetried(StepRetried { by: "op".into() })])
        .then_state(|saga| {
            let undo = Action::Undo { step: HOTEL, key: format!("{}:undo:2", key(HOTEL)), of: key(HOTEL) };
            assert_eq!(saga.next(now(), |_| POLICY, CallKnowledge::Nothing), undo);
        });
}

#[test]
fn an_operator_skips_the_stuck_undo_and_the_others_go_on() {
    let skipped =
        SagaEvent::StepSkipped(StepSkipped { step: HOTEL.name().into(), by: "op".into(), reason: "by phone".into() });
    given::<TripSaga>(undo_refused())
        .when(SagaCommand::Skip { by: "op".into(), reason: "by phone".into() })
        .then([skipped])
        .when(record_undo(FLIGHT, StepOutcome::Done("U".into())))
        .then([undone(FLIGHT), ended("rain")]);
}

#[test]
fn only_a_stuck_saga_is_retried_or_skipped() {
    for command in [SagaCommand::Retry { by: "op".into() }, SagaCommand::Skip { by: "op".into(), reason: "x".into() }] {
        given::<TripSaga>(running()).when(command.clone()).then_rejected(SagaRejection::NotStuck(SagaState::Running));
        given::<TripSaga>([]).when(command).then_rejected(SagaRejection::NotFound);
    }
}

#[test]
fn a_note_can_always_be_left() {
    let note = SagaEvent::SagaAnnotated(SagaAnnotated { by: "op".into(), note: "called them".into() });
    for events in [running(), cancelled(), undo_refused()] {
        given::<TripSaga>(events)
            .when(SagaCommand::Annotate { by: "op".into(), note: "called them".into() })
            .then([note.clone()]);
    }
}

#[test]
fn an_operator_has_everything_undone() {
    given::<TripSaga>(at_hotel())
        .when(SagaCommand::ForceCompensate { by: "op".into(), reason: "fraud".into() })
        .then([compensation("fraud", Some("op"))]);
}

#[test]
fn a_step_without_an_undo_that_fails_is_stuck_and_cannot_be_cancelled() {
    given::<TripSaga>(giving())
        .when(record(GIFT, refused()))
        .then([failed(GIFT, FailedHow::Refused, "full", None), stuck(GIFT, "give_gift was refused: full")]);
    given::<TripSaga>(giving()).when(cancel()).then_rejected(SagaRejection::NoUndo);
}

#[test]
fn a_refused_step_is_retried_with_another_key() {
    let again = StepStarted { step: GIFT.name().into(), attempt: 2, idempotency_key: format!("{}:2", key(GIFT)) };
    given::<TripSaga>(giving())
        .when(record(GIFT, refused()))
        .then([failed(GIFT, FailedHow::Refused, "full", None), stuck(GIFT, "give_gift was refused: full")])
        .when(SagaCommand::Retry { by: "op".into() })
        .then([SagaEvent::StepRetried(StepRetried { by: "op".into() }), SagaEvent::StepStarted(again)]);
}
