//! Submit, reserve, process, complete, cancel: every step from every state.

use serde_json::{Value, json};

use crate::support::test_app::TestApp;

const STATES: [&str; 6] = ["Draft", "Submitted", "Reserved", "Processing", "Completed", "Cancelled"];

/// The state a step leads to from each of [`STATES`]; a dash where it is refused.
const STEPS: [(&str, [&str; 6]); 5] = [
    ("submit", ["Submitted", "Submitted", "Reserved", "Processing", "-", "-"]),
    ("reserve", ["-", "Reserved", "Reserved", "-", "-", "-"]),
    ("process", ["-", "-", "Processing", "Processing", "-", "-"]),
    ("complete", ["-", "-", "-", "Completed", "Completed", "-"]),
    ("cancel", ["Cancelled", "Cancelled", "Cancelled", "Cancelled", "-", "Cancelled"]),
];

fn body_of(step: &str) -> Value {
    if step == "cancel" { json!({"reason": "ordered twice"}) } else { json!({}) }
}

fn each_step(judge: impl Fn(&TestApp, &str, &str, &str, &str)) {
    let app = TestApp::start();
    for (step, targets) in STEPS {
        for (from, target) in STATES.into_iter().zip(targets) {
            judge(&app, &app.order_in(from), step, from, target);
        }
    }
}

#[test]
fn a_step_that_is_allowed_leads_to_the_next_state_and_answers_the_order() {
    each_step(|app, path, step, from, target| {
        if target == "-" {
            return;
        }
        let answer = app.post(&format!("{path}/{step}"), &body_of(step)).expect(200);
        assert_eq!(answer.json()["state"], target, "{step} from {from}");
        assert_eq!(answer.body, app.get(path).body);
    });
}

#[test]
fn a_step_that_is_not_allowed_is_409_with_the_state_and_changes_nothing() {
    each_step(|app, path, step, from, target| {
        if target != "-" {
            return;
        }
        let before = app.get(path).body;
        let problem = app.post(&format!("{path}/{step}"), &body_of(step)).problem(409, "state-conflict");
        assert_eq!(problem["state"], from, "{step} from {from}");
        assert_eq!(app.get(path).body, before);
    });
}

#[test]
fn a_step_taken_again_changes_nothing() {
    let app = TestApp::start();
    for (step, state) in
        [("submit", "Submitted"), ("reserve", "Reserved"), ("process", "Processing"), ("complete", "Completed")]
    {
        let path = app.order_in(state);
        let before = app.get(&path).body;
        assert_eq!(app.post(&format!("{path}/{step}"), &json!({})).expect(200).body, before);
    }
    let path = app.order_in("Cancelled");
    let before = app.get(&path).body;
    let again = app.post(&format!("{path}/cancel"), &json!({"reason": "another reason"})).expect(200);
    assert_eq!(again.body, before);
}

#[test]
fn an_order_without_items_is_not_submitted() {
    let app = TestApp::start();
    let path = app.place(&json!({}));
    assert_eq!(app.post(&format!("{path}/submit"), &json!({})).problem(409, "state-conflict")["state"], "Draft");
}

#[test]
fn a_step_on_an_order_that_is_not_there_is_404() {
    let app = TestApp::start();
    for (step, _) in STEPS {
        app.post(&format!("/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2/{step}"), &body_of(step))
            .problem(404, "not-found");
    }
}

#[test]
fn the_order_keeps_what_the_partners_call_their_part() {
    let app = TestApp::start();
    let path = app.order_in("Submitted");
    app.post(&format!("{path}/reserve"), &json!({"reservation_id": "R-1"})).expect(200);
    app.post(&format!("{path}/process"), &json!({"payment_id": "P-1"})).expect(200);
    let done = app.post(&format!("{path}/complete"), &json!({"tracking_number": "T-1"})).expect(200).json();
    let kept = [&done["reservation_id"], &done["payment_id"], &done["tracking_number"]];
    assert_eq!(kept, ["R-1", "P-1", "T-1"]);
}

#[test]
fn a_step_taken_again_with_another_reference_is_refused() {
    let app = TestApp::start();
    let path = app.order_in("Submitted");
    app.post(&format!("{path}/reserve"), &json!({"reservation_id": "R-1"})).expect(200);
    app.post(&format!("{path}/reserve"), &json!({"reservation_id": "R-1"})).expect(200);
    let problem =
        app.post(&format!("{path}/reserve"), &json!({"reservation_id": "R-2"})).problem(409, "state-conflict");
    assert_eq!((problem["state"].as_str(), problem["pointer"].as_str()), (Some("Reserved"), Some("/reservation_id")));
}

#[test]
fn a_cancelled_order_tells_why() {
    let app = TestApp::start();
    let path = app.order_in("Reserved");
    let answer =
        app.post(&format!("{path}/cancel"), &json!({"reason": "ordered twice", "cancelled_by": "ada"})).expect(200);
    assert_eq!(answer.json()["cancel_reason"], "ordered twice");
    let events = app.get(&format!("{path}/events")).json();
    assert_eq!(
        events.as_array().unwrap().last().unwrap()["payload"],
        json!({"reason": "ordered twice", "cancelled_by": "ada"})
    );
}

#[test]
fn a_cancellation_needs_a_reason() {
    let app = TestApp::start();
    let path = app.draft();
    app.post(&format!("{path}/cancel"), &json!({})).problem(400, "invalid-request");
    assert_eq!(app.post(&format!("{path}/cancel"), &json!({"reason": ""})).faults(), ["/reason"]);
    let both = app.post(&format!("{path}/cancel"), &json!({"reason": "", "cancelled_by": " "})).faults();
    assert_eq!(both, ["/reason", "/cancelled_by"]);
}

#[test]
fn a_step_needs_no_body() {
    let app = TestApp::start();
    let path = app.draft();
    for step in ["submit", "reserve", "process", "complete"] {
        app.post_text(&format!("{path}/{step}"), "").expect(200);
    }
}
