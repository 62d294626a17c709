use chrono::TimeZone;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    fulfilment::call::CallKind,
    order::{Currency, OrderId},
};

const LONGEST: Duration = Duration::from_mins(5);

fn call() -> Call {
    let order_id: OrderId = ordo_actors::log::event::StreamId(Uuid::from_u128(7));
    let terms = Terms::Money { amount_cents: 100, currency: Currency::USD };
    Call::new(CallKey("k:1".into()), CallKind::Charge, order_id, terms)
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 2, 29, 12, 0, 0).unwrap()
}

fn answer(status: u16, body: &Value) -> Answer {
    let content_type = if status < 300 { "application/json" } else { "application/problem+json; charset=utf-8" };
    Answer { status, content_type: content_type.into(), retry_after: None, body: body.to_string().into() }
}

fn outcome(answer: &Answer) -> StepOutcome {
    answer.outcome(&call(), now(), LONGEST)
}

fn done() -> Value {
    let order_id = Uuid::from_u128(7).to_string();
    json!({"key": "k:1", "order_id": order_id, "status": "done", "reference": "pay-1", "amount_cents": 100, "currency": "USD"})
}

fn done_but(member: &str, value: Value) -> Answer {
    let mut body = done();
    body[member] = value;
    answer(200, &body)
}

#[test]
fn an_answer_that_speaks_of_this_very_call_is_believed() {
    let reference = "pay-1".to_owned();
    assert_eq!(outcome(&answer(200, &done())), StepOutcome::Done(reference.clone()));
    assert_eq!(outcome(&answer(201, &done())), StepOutcome::Done(reference.clone()));
    assert_eq!(outcome(&done_but("more", json!("than we know"))), StepOutcome::Done(reference));
}

#[test]
fn an_answer_that_does_not_leaves_the_outcome_open() {
    for (member, value) in [
        ("key", json!("k:2")),
        ("order_id", json!(Uuid::from_u128(8).to_string())),
        ("order_id", json!("none")),
        ("amount_cents", json!(101)),
        ("amount_cents", json!(100.5)),
        ("amount_cents", Value::Null),
        ("currency", json!("EUR")),
        ("currency", Value::Null),
        ("status", json!("pending")),
        ("reference", json!("")),
        ("reference", json!("a\nb")),
        ("reference", json!("x".repeat(129))),
        ("reference", json!(1)),
    ] {
        let reply = outcome(&done_but(member, value.clone()));
        assert!(matches!(reply, StepOutcome::Unknown(_)), "{member} {value}: {reply:?}");
    }
}

#[test]
fn what_is_no_answer_at_all_leaves_the_outcome_open() {
    for body in ["", "{", "[]", "null", "done", "\u{0}", "{\"status\":\"done\"}"] {
        let reply = outcome(&Answer { status: 200, body: body.into(), ..Answer::default() });
        assert!(matches!(reply, StepOutcome::Unknown(_)), "{body}: {reply:?}");
    }
    for status in [100, 204, 301, 302, 307, 400, 401, 403, 404, 405, 408, 413, 500, 501, 502, 504, 599] {
        let reply = outcome(&answer(status, &json!({"title": "x"})));
        assert!(matches!(reply, StepOutcome::Unknown(_)), "{status}: {reply:?}");
    }
}

#[test]
fn a_refusal_is_a_problem_with_a_reason() {
    for status in [402, 409, 422] {
        let problem = answer(status, &json!({"title": "No", "detail": "no money", "key": "k:1"}));
        assert_eq!(outcome(&problem), StepOutcome::Refused("no money".into()));
        let html = Answer { content_type: "text/html".into(), ..problem };
        assert!(matches!(outcome(&html), StepOutcome::Unknown(_)));
    }
}

#[test]
fn a_refusal_of_another_call_is_not_believed() {
    for problem in [json!({"key": "k:2"}), json!({"order_id": Uuid::from_u128(8).to_string()})] {
        assert!(matches!(outcome(&answer(409, &problem)), StepOutcome::Unknown(_)));
    }
}

#[test]
fn a_reason_is_short_printable_and_never_empty() {
    let refused = |detail: &str| match outcome(&answer(409, &json!({"detail": detail}))) {
        StepOutcome::Refused(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(" a\nb\u{7} "), "a b");
    assert_eq!(refused(&"é".repeat(1_000)).chars().count(), LONGEST_REASON);
    assert_eq!(refused("\t"), "refused by the partner with 409");
}

#[test]
fn a_busy_partner_has_done_nothing_and_says_for_how_long_within_reason() {
    let pause = |status, retry_after: Option<&str>| {
        let answer = Answer { status, retry_after: retry_after.map(Into::into), ..Answer::default() };
        match outcome(&answer) {
            StepOutcome::NotDone { retry_after, .. } => retry_after,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(pause(503, None), None);
    assert_eq!(pause(429, Some("7")), Some(Duration::from_secs(7)));
    assert_eq!(pause(503, Some("999999999999")), Some(LONGEST));
    assert_eq!(pause(503, Some("Thu, 29 Feb 2024 12:00:09 GMT")), Some(Duration::from_secs(9)));
    assert_eq!(pause(503, Some("Thu, 29 Feb 2024 11:00:00 GMT")), Some(Duration::ZERO));
    assert_eq!(pause(503, Some("soon")), None);
    assert_eq!(pause(503, Some("-1")), None);
}

#[test]
fn a_standing_is_believed_for_its_key_alone() {
    let standing = |body: &Value| answer(200, body).call_status(&CallKey("k:1".into()));
    let done = CallStatus::Done("pay-1".into());
    assert_eq!(standing(&json!({"key": "k:1", "status": "done", "reference": "pay-1"})), done);
    assert_eq!(standing(&json!({"key": "k:1", "status": "refused", "reason": "no"})), CallStatus::Refused("no".into()));
    assert_eq!(standing(&json!({"key": "k:1", "status": "undone"})), CallStatus::Undone);
    for open in [
        json!({"key": "k:2", "status": "undone"}),
        json!({"key": "k:1", "status": "pending"}),
        json!({"key": "k:1", "status": "done"}),
        json!({"key": "k:1"}),
        json!([]),
    ] {
        assert!(matches!(standing(&open), CallStatus::Unknown(_)), "{open}");
    }
}

#[test]
fn a_key_is_unheard_of_only_when_the_partner_itself_says_so() {
    let key = CallKey("k:1".into());
    assert_eq!(answer(404, &json!({})).call_status(&key), CallStatus::NotReceived);
    let proxy = Answer { status: 404, content_type: "text/html".into(), ..Answer::default() };
    assert!(matches!(proxy.call_status(&key), CallStatus::Unknown(_)));
    assert!(matches!(answer(503, &json!({})).call_status(&key), CallStatus::Unknown(_)));
    assert!(matches!(answer(500, &json!({})).call_status(&key), CallStatus::Unknown(_)));
}
