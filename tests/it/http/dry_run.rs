//! `dry_run=true`

use reqwest::Method;
use serde_json::json;

use crate::support::{
    api::{Reply, widget},
    test_app::TestApp,
};

#[test]
fn a_dry_run_of_a_creation_shows_the_order_as_it_would_be_and_stores_nothing() {
    let app = TestApp::start();
    let shown = app.post("/orders?dry_run=true", &json!({"customer_id": "ada", "items": [widget(2)]})).expect(200);
    let order = shown.json();
    assert_eq!((order["state"].as_str(), order["total_cents"].as_i64()), (Some("Draft"), Some(2000)));
    assert!(shown.header("location").is_none());
    assert_eq!(app.head(), 0);
    app.get(&format!("/orders/{}", order["id"].as_str().unwrap())).problem(404, "not-found");
}

#[test]
fn a_dry_run_of_any_command_shows_the_order_as_it_would_be_and_changes_nothing() {
    let app = TestApp::start();
    let commands = [
        ("Draft", Method::POST, "items", widget(1), "Draft"),
        ("Draft", Method::PATCH, "items/1", json!({"quantity": 5}), "Draft"),
        ("Draft", Method::DELETE, "items/1", json!({}), "Draft"),
        ("Draft", Method::POST, "submit", json!({}), "Submitted"),
        ("Submitted", Method::POST, "reserve", json!({}), "Reserved"),
        ("Reserved", Method::POST, "process", json!({}), "Processing"),
        ("Processing", Method::POST, "complete", json!({}), "Completed"),
        ("Processing", Method::POST, "cancel", json!({"reason": "x"}), "Cancelled"),
    ];
    for (from, method, step, body, to) in commands {
        let path = app.order_in(from);
        let (before, head) = (app.get(&path), app.head());
        let shown = Reply::to(app.request(method, &format!("{path}/{step}?dry_run=true")).json(&body)).expect(200);
        assert_eq!(shown.json()["state"], to, "{step}");
        assert_eq!(shown.json()["version"].as_u64().unwrap(), before.json()["version"].as_u64().unwrap() + 1, "{step}");
        assert_eq!(app.get(&path).body, before.body, "{step}");
        assert_eq!(app.head(), head, "{step}");
    }
}

#[test]
fn a_dry_run_of_a_return_tells_what_it_would_be_worth() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let body = json!({"items": [{"line_id": 1, "quantity": 2}], "reason": "arrived broken"});
    let shown = app.post(&format!("{path}/returns?dry_run=true"), &body).expect(200).json();
    assert_eq!((shown["refund_cents"].as_i64(), shown["items"][0]["returned"].as_i64()), (Some(2000), Some(2)));
    assert!(shown.get("return_id").is_none());
    assert_eq!(app.get(&path).json()["items"][0]["returned"], 0);
}

#[test]
fn a_version_that_does_not_exist_gets_no_etag() {
    let app = TestApp::start();
    let shown = app.post(&format!("{}/submit?dry_run=true", app.draft()), &json!({})).expect(200);
    assert!(shown.header("etag").is_none());
    assert_eq!(shown.header("x-position"), Some("2"));
}

#[test]
fn a_dry_run_is_refused_as_the_command_would_be() {
    let app = TestApp::start();
    let path = app.draft();
    let refused = app.post(&format!("{path}/reserve?dry_run=true"), &json!({})).problem(409, "state-conflict");
    assert_eq!(refused["state"], "Draft");
    assert_eq!(app.post("/orders?dry_run=true", &json!({"items": [widget(0)]})).faults(), ["/items/0/quantity"]);
    let taken = json!({"order_id": path.trim_start_matches("/orders/")});
    app.post("/orders?dry_run=true", &taken).problem(409, "state-conflict");
    let stale = app.request(Method::POST, &format!("{path}/submit?dry_run=true")).header("If-Match", "\"1\"");
    Reply::to(stale).problem(412, "version-conflict");
}

#[test]
fn dry_run_is_true_or_false_and_nothing_else() {
    let app = TestApp::start();
    let path = app.draft();
    app.post(&format!("{path}/submit?dry_run=maybe"), &json!({})).problem(400, "invalid-request");
    app.post(&format!("{path}/submit?dryrun=true"), &json!({})).problem(400, "invalid-request");
    assert_eq!(app.get(&path).json()["state"], "Draft");
    app.post(&format!("{path}/submit?dry_run=false"), &json!({})).expect(200);
    assert_eq!(app.get(&path).json()["state"], "Submitted");
}
