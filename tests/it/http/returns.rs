//! `POST /orders/{id}/returns`

use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item},
    test_app::TestApp,
};

fn give_back(app: &TestApp, path: &str, items: &Value) -> Reply {
    app.post(&format!("{path}/returns"), &json!({"items": items, "reason": "arrived broken"}))
}

#[test]
fn a_return_answers_202_with_its_name_its_worth_and_the_order() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let answer = give_back(&app, &path, &json!([{"line_id": 1, "quantity": 1}])).expect(202);
    let body = answer.json();
    assert!(!body["return_id"].as_str().unwrap().is_empty());
    assert_eq!(body["refund_cents"], 1000);
    assert_eq!(body["items"][0]["returned"], 1);
    assert_eq!(body["state"], "Completed");
    assert_eq!(answer.header("etag"), Some(format!("\"{}\"", body["version"]).as_str()));
}

#[test]
fn two_returns_are_two_even_when_they_are_alike() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let one = give_back(&app, &path, &json!([{"line_id": 1, "quantity": 1}])).expect(202).json();
    let other = give_back(&app, &path, &json!([{"line_id": 1, "quantity": 1}])).expect(202).json();
    assert_ne!(one["return_id"], other["return_id"]);
    assert_eq!(other["items"][0]["returned"], 2);
}

#[test]
fn entries_of_one_line_add_up() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let body =
        give_back(&app, &path, &json!([{"line_id": 1, "quantity": 1}, {"line_id": 1, "quantity": 1}])).expect(202);
    assert_eq!(body.json()["refund_cents"], 2000);
}

#[test]
fn more_than_is_left_does_not_come_back() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    give_back(&app, &path, &json!([{"line_id": 1, "quantity": 2}])).expect(202);
    let problem = give_back(&app, &path, &json!([{"line_id": 1, "quantity": 1}])).problem(409, "state-conflict");
    assert_eq!(
        (problem["state"].as_str(), problem["pointer"].as_str()),
        (Some("Completed"), Some("/items/0/quantity"))
    );
}

#[test]
fn nothing_comes_back_before_the_order_is_completed() {
    let app = TestApp::start();
    for state in ["Draft", "Submitted", "Reserved", "Processing", "Cancelled"] {
        let path = app.order_in(state);
        let problem = give_back(&app, &path, &json!([{"line_id": 1, "quantity": 1}])).problem(409, "state-conflict");
        assert_eq!(problem["state"], state);
    }
}

#[test]
fn every_fault_of_a_return_is_named() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let items = json!([{"line_id": 0, "quantity": 0}, {"line_id": 1.5, "quantity": 1_000_000_001}]);
    let body = json!({"items": items, "reason": " x"});
    let faults = app.post(&format!("{path}/returns"), &body).faults();
    assert_eq!(faults, ["/reason", "/items/0/line_id", "/items/0/quantity", "/items/1/line_id", "/items/1/quantity"]);
    assert_eq!(give_back(&app, &path, &json!([])).faults(), ["/items"]);
    assert_eq!(give_back(&app, &path, &json!([{"line_id": 2, "quantity": 1}])).faults(), ["/items/0/line_id"]);
}

#[test]
fn a_return_may_take_from_several_lines() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [item("a", 3, 100), item("b", 1, 7)]}));
    for step in ["submit", "reserve", "process", "complete"] {
        app.post(&format!("{path}/{step}"), &json!({})).expect(200);
    }
    let body = give_back(&app, &path, &json!([{"line_id": 2, "quantity": 1}, {"line_id": 1, "quantity": 2}]))
        .expect(202)
        .json();
    assert_eq!(body["refund_cents"], 207);
    let returned: Vec<_> = body["items"].as_array().unwrap().iter().map(|line| line["returned"].as_i64()).collect();
    assert_eq!(returned, [Some(2), Some(1)]);
}
