//! What listeners may cost: bytes are counted before they are kept.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::{
    api::{item, large_order},
    live_client::LiveClient,
    raw_socket::{header, pour},
    test_app::{Store, TestApp},
};

#[test]
fn a_frame_that_declares_more_than_it_may_is_refused_before_its_bytes_are_kept() {
    let app = TestApp::start();
    app.draft();
    let before = app.most_memory();
    for length in [1 << 40, (1 << 63) - 1, (64 << 10) + 1] {
        let mut client = LiveClient::connect(&app);
        let stream = client.socket.get_mut();
        stream.write_all(&header(length)).unwrap();
        pour(stream, 64 << 20);
        let mut whole = LiveClient::connect(&app);
        whole.socket.get_mut().write_all(&header(length)).unwrap();
        assert_eq!(whole.close_code(), 1009, "{length}");
    }
    let mut dripping = LiveClient::connect(&app);
    for byte in header(1 << 40) {
        dripping.socket.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(dripping.close_code(), 1009);
    let grown = app.most_memory() - before;
    assert!(grown < 40, "{grown} MiB more");
}

#[test]
fn a_message_in_endless_frames_is_refused_before_it_is_kept() {
    // No heartbeat keeps a client waiting that is not refused.
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "60"]);
    app.draft();
    let before = app.most_memory();
    let (first, goes_on) = ([0x01, 0x80, 0, 0, 0, 0], [0x00, 0x80, 0, 0, 0, 0]);
    let mut counted = LiveClient::connect(&app);
    counted.socket.get_mut().write_all(&[first.as_slice(), &goes_on.repeat(1024)].concat()).unwrap();
    assert_eq!(counted.close_code(), 1009);
    let many = goes_on.repeat(100_000);
    let mut clients: Vec<_> = (0..20).map(|_| LiveClient::connect(&app)).collect();
    for client in &mut clients {
        let stream = client.socket.get_mut();
        stream.write_all(&first).unwrap();
        // It may have been refused by now.
        let _ = (0..10).try_for_each(|_| stream.write_all(&many));
    }
    let grown = app.most_memory() - before;
    assert!(grown < 40, "{grown} MiB more");
}

#[test]
fn an_order_of_ten_thousand_lines_and_its_listeners_stay_within_memory() {
    let app = TestApp::start_on(Store::Memory, &["--max-order-lines", "10000"]);
    let mut listeners: Vec<_> =
        ["orders", "customer:ada"].map(|topic| LiveClient::subscribed(&app, topic, None)).into_iter().collect();
    for listener in &mut listeners {
        listener.expect("caught_up");
    }
    let path = app.place(&large_order(10_000, 300));
    for listener in &mut listeners {
        let mut frames = Vec::new();
        while frames.last().is_none_or(|frame: &Value| frame["position"] != 10_001) {
            let frame = listener.next();
            assert!(frame["order"].is_null() || frame["position"] == 10_001);
            frames.push(
                json!({"position": frame["position"], "lines": frame["order"]["items"].as_array().map(Vec::len)}),
            );
        }
        assert_eq!(frames.last().unwrap()["lines"], 10_000);
    }
    let mut late = LiveClient::connect(&app);
    late.send(&json!({"type": "subscribe", "id": "a", "topic": path.replace("/orders/", "order:"), "snapshot": true}));
    late.expect("subscribed");
    assert_eq!(late.expect("snapshot")["order"]["items"].as_array().unwrap().len(), 10_000);
    let most = app.most_memory();
    assert!(most < 400, "{most} MiB");
}

#[test]
fn of_a_commit_only_the_last_event_carries_the_order_live_and_from_the_store_alike() {
    let app = TestApp::start();
    let mut live = LiveClient::subscribed(&app, "orders", None);
    live.expect("caught_up");
    // More than one page, and commits that end within pages and between them.
    let path = app.place(&large_order(200, 10));
    for number in 0..70 {
        app.post(&format!("{path}/items"), &item(&format!("more-{number}"), 1, 100)).expect(200);
    }
    app.draft();
    app.post(&format!("{path}/submit"), &json!({})).expect(200);
    let head = app.head();
    let until_head = |client: &mut LiveClient| {
        let mut frames: Vec<Value> = Vec::new();
        while frames.last().is_none_or(|frame| frame["position"] != head) {
            let frame = client.next();
            if frame["type"] == "event" {
                frames.push(frame);
            }
        }
        frames
    };
    let told = until_head(&mut live);
    let with_order: Vec<_> = told
        .iter()
        .filter(|frame| !frame["order"].is_null())
        .map(|frame| frame["position"].as_u64().unwrap())
        .collect();
    let expected: Vec<_> = (201..=271).chain([273, 274]).collect();
    assert_eq!(with_order, expected);
    let order = path.replace("/orders/", "order:");
    for (topic, of_topic) in
        [("orders", None), ("customer:ada", None), (order.as_str(), Some(path.rsplit('/').next().unwrap()))]
    {
        let mut late = LiveClient::subscribed(&app, topic, Some(0));
        let expected: Vec<_> =
            told.iter().filter(|frame| of_topic.is_none_or(|id| frame["event"]["aggregate_id"] == id)).collect();
        assert_eq!(until_head(&mut late).iter().collect::<Vec<_>>(), expected, "{topic}");
    }
}
