//! Readers that are slow, and one that never reads.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    api::item,
    live_client::{LiveClient, metric, until_metric},
    test_app::{Store, TestApp},
};

/// An order whose every event is large: hundreds of lines, each change shows them all.
fn large_order(app: &TestApp, lines: i64) -> String {
    let items: Vec<Value> = (0..lines).map(|line| item(&format!("product-{line}"), 1, 1000)).collect();
    app.place(&json!({"customer_id": "ada", "items": items}))
}

fn change(app: &TestApp, path: &str, times: usize) {
    for quantity in 0..times {
        app.patch(&format!("{path}/items/1"), &json!({"quantity": 2 + quantity % 2})).expect(200);
    }
}

#[test]
fn a_slow_reader_falls_behind_catches_up_and_misses_nothing() {
    let app = TestApp::start_on(Store::Memory, &["--live-ring-events", "8", "--live-stall-seconds", "60"]);
    let path = large_order(&app, 400);
    let head = app.head();
    let mut client = LiveClient::subscribed(&app, "orders", Some(head));
    client.expect("caught_up");
    // More than the connection and the ring hold together; the client does not look.
    change(&app, &path, 300);
    until_metric(&app, "ordo_live_position", |position| position >= head + 300);
    let mut frames = client.until("caught_up");
    while frames.last().unwrap()["position"].as_u64().unwrap() < head + 300 {
        frames.extend(client.until("caught_up"));
    }
    assert!(frames.iter().any(|frame| frame["type"] == "fell_behind"));
    let events = frames.iter().filter(|frame| frame["type"] == "event");
    let positions: Vec<_> = events.map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (head + 1..=head + 300).collect::<Vec<_>>());
    assert!(metric(&app, "ordo_live_fell_behind_total") >= 1);
    client.is_well();
}

#[test]
fn a_client_that_never_reads_is_closed_and_the_others_are_served() {
    let app = TestApp::start_on(Store::Memory, &["--live-stall-seconds", "1", "--live-heartbeat-seconds", "60"]);
    let path = large_order(&app, 200);
    change(&app, &path, 50);
    let mut deaf = LiveClient::connect(&app);
    let mut other = LiveClient::subscribed(&app, "orders", None);
    other.expect("caught_up");
    // Far more than the buffers of both machines hold.
    for number in 0..100 {
        deaf.subscribe(&number.to_string(), "orders", Some(0));
    }
    change(&app, &path, 10);
    assert_eq!(other.positions(10).len(), 10);
    until_metric(&app, "ordo_live_closed_total{code=\"4008\"}", |count| count == 1);
    until_metric(&app, "ordo_live_subscriptions", |count| count == 1);
    other.is_well();
}

#[test]
fn a_client_that_never_read_is_told_why_when_it_reads_at_last() {
    let app = TestApp::start_on(Store::Memory, &["--live-stall-seconds", "2"]);
    let path = large_order(&app, 200);
    change(&app, &path, 50);
    let mut deaf = LiveClient::connect(&app);
    for number in 0..100 {
        deaf.subscribe(&number.to_string(), "orders", Some(0));
    }
    until_metric(&app, "ordo_live_closed_total{code=\"4008\"}", |count| count == 1);
    assert_eq!(deaf.close_code(), 4008);
}

#[test]
fn a_connection_that_never_reads_is_cut_in_the_end() {
    let app = TestApp::start_on(Store::Memory, &["--live-stall-seconds", "1"]);
    let path = large_order(&app, 200);
    change(&app, &path, 50);
    let before = metric(&app, "process_open_fds");
    let mut deaf = LiveClient::connect(&app);
    until_metric(&app, "process_open_fds", |files| files > before);
    for number in 0..100 {
        deaf.subscribe(&number.to_string(), "orders", Some(0));
    }
    until_metric(&app, "process_open_fds", |files| files <= before);
}

#[test]
fn a_connection_that_never_reads_does_not_delay_the_end() {
    let mut app = TestApp::start_on(Store::Memory, &["--live-stall-seconds", "60"]);
    let path = large_order(&app, 200);
    change(&app, &path, 50);
    let mut deaf = LiveClient::connect(&app);
    for number in 0..100 {
        deaf.subscribe(&number.to_string(), "orders", Some(0));
    }
    until_metric(&app, "ordo_live_messages_total", |count| count > 100);
    let started = std::time::Instant::now();
    assert_eq!(app.terminate().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(11));
}
