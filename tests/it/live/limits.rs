//! What clients may not do, and that nobody else notices when they do.

use std::io::Write;

use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::{
    live_client::{LiveClient, until_metric},
    test_app::{Store, TestApp},
};

#[test]
fn a_frame_that_cannot_be_followed_is_answered_and_nothing_is_disturbed() {
    let app = TestApp::start();
    let mut client = LiveClient::subscribed(&app, "orders", None);
    client.expect("caught_up");
    for text in
        ["", "{", "[]", "1", "null", "{}", r#"{"type":"dance"}"#, r#"{"type":3}"#, r#"{"type":"subscribed","id":"a"}"#]
    {
        client.send_text(text);
        client.expect_error(400, "invalid-request");
    }
    for (text, pointer) in [
        (r#"{"type":"subscribe"}"#, "/id"),
        (r#"{"type":"subscribe","id":"","topic":"orders"}"#, "/id"),
        (r#"{"type":"subscribe","id":5,"topic":"orders"}"#, "/id"),
        (r#"{"type":"subscribe","id":"b"}"#, "/topic"),
        (r#"{"type":"subscribe","id":"b","topic":"sagas"}"#, "/topic"),
        (r#"{"type":"subscribe","id":"b","topic":"order:1"}"#, "/topic"),
        (r#"{"type":"subscribe","id":"b","topic":"customer:"}"#, "/topic"),
        (r#"{"type":"subscribe","id":"b","topic":["orders"]}"#, "/topic"),
        (r#"{"type":"subscribe","id":"b","topic":"orders","after":-1}"#, "/after"),
        (r#"{"type":"subscribe","id":"b","topic":"orders","after":"1"}"#, "/after"),
        (r#"{"type":"subscribe","id":"b","topic":"orders","after":1e99}"#, "/after"),
        (r#"{"type":"subscribe","id":"b","topic":"orders","epoch":"x"}"#, "/epoch"),
        (r#"{"type":"subscribe","id":"b","topic":"orders","snapshot":true}"#, "/snapshot"),
        (r#"{"type":"subscribe","id":"b","topic":"orders","now":true}"#, "/now"),
        (r#"{"type":"subscribe","id":"a","topic":"orders"}"#, "/id"),
        (r#"{"type":"unsubscribe"}"#, "/id"),
        (r#"{"type":"ping","id":"a"}"#, "/id"),
    ] {
        client.send_text(text);
        let frame = client.expect_error(422, "validation-failed");
        assert_eq!(frame["problem"]["errors"][0]["pointer"], pointer, "{text}: {frame}");
    }
    client.send(&json!({"type": "unsubscribe", "id": "b"}));
    assert_eq!(client.expect_error(404, "not-found")["id"], "b");
    app.draft();
    assert_eq!(client.positions(2), [1, 2]);
}

#[test]
fn frames_that_are_not_taken_close_the_socket_with_the_code_that_says_why() {
    let app = TestApp::start();
    let mut bystander = LiveClient::subscribed(&app, "orders", None);
    bystander.expect("caught_up");
    for (message, code) in [
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true)), 1007),
        (Message::text("x".repeat((64 << 10) + 1)), 1009),
        (Message::Frame(Frame::message(vec![b'x'], OpCode::Data(Data::Continue), true)), 1002),
        (Message::Frame(Frame::message(vec![b'x'], OpCode::Data(Data::Reserved(5)), true)), 1002),
    ] {
        let mut client = LiveClient::connect(&app);
        client.socket.send(message.clone()).unwrap();
        assert_eq!(client.close_code(), code, "{message:?}");
        client.ends();
    }
    app.draft();
    assert_eq!(bystander.positions(2), [1, 2]);
}

#[test]
fn a_message_in_many_frames_is_bounded_as_a_whole() {
    let app = TestApp::start();
    let mut client = LiveClient::connect(&app);
    let part = |first: bool| {
        let kind = if first { Data::Text } else { Data::Continue };
        Message::Frame(Frame::message(vec![b' '; 40 << 10], OpCode::Data(kind), false))
    };
    client.socket.send(part(true)).unwrap();
    client.socket.send(part(false)).unwrap();
    assert_eq!(client.close_code(), 1009);
}

#[test]
fn a_message_in_two_frames_is_one_message() {
    let app = TestApp::start();
    let mut client = LiveClient::connect(&app);
    let part =
        |text: &str, kind, last| Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(kind), last));
    client.socket.send(part(r#"{"type":"#, Data::Text, false)).unwrap();
    client.socket.send(part(r#""ping"}"#, Data::Continue, true)).unwrap();
    client.expect("pong");
}

#[test]
fn the_largest_frame_is_read() {
    let app = TestApp::start();
    let mut client = LiveClient::connect(&app);
    let frame = r#"{"type":"ping"}"#;
    client.send_text(&format!("{frame}{}", " ".repeat((64 << 10) - frame.len())));
    client.expect("pong");
}

#[test]
fn a_client_that_only_talks_nonsense_is_closed() {
    let app = TestApp::start();
    let mut client = LiveClient::connect(&app);
    for _ in 0..100 {
        client.send_text("nonsense");
    }
    assert_eq!(client.close_code(), 4501);
}

#[test]
fn a_hundred_subscriptions_are_served_and_one_more_closes_the_socket() {
    let app = TestApp::start();
    let mut client = LiveClient::connect(&app);
    for number in 0..100 {
        client.subscribe(&number.to_string(), "orders", None);
        client.until("caught_up");
    }
    app.draft();
    assert_eq!(client.positions(200).len(), 200);
    client.subscribe("one more", "orders", None);
    assert_eq!(client.close_code(), 4505);
    until_metric(&app, "ordo_live_closed_total{code=\"4505\"}", |count| count == 1);
    until_metric(&app, "ordo_live_subscriptions", |count| count == 0);
}

#[test]
fn subscriptions_that_come_and_go_leave_nothing_behind() {
    let app = TestApp::start();
    app.draft();
    let mut client = LiveClient::connect(&app);
    for number in 0..2_000 {
        client.subscribe(&number.to_string(), "orders", Some(0));
        client.send(&json!({"type": "unsubscribe", "id": number.to_string()}));
    }
    client.send(&json!({"type": "ping"}));
    client.until("pong");
    until_metric(&app, "ordo_live_subscriptions", |count| count == 0);
}

#[test]
fn a_client_that_gives_no_sign_of_life_is_closed() {
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "1"]);
    let mut client = LiveClient::subscribed(&app, "orders", None);
    // It would answer the pings if it read them.
    until_metric(&app, "ordo_live_closed_total{code=\"4012\"}", |count| count == 1);
    assert_eq!(client.close_code(), 4012);
}

#[test]
fn a_client_that_answers_pings_stays() {
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "1"]);
    let mut client = LiveClient::subscribed(&app, "orders", None);
    let beats = (0..5).filter(|_| client.next_of_all()["type"] == "heartbeat").count();
    assert!(beats >= 4);
}

#[test]
fn one_connection_too_many_is_told_to_come_back() {
    let app = TestApp::start_on(Store::Memory, &["--max-live-connections", "1"]);
    let first = LiveClient::connect(&app);
    app.get("/stream?topic=orders").problem(503, "overloaded");
    drop(first);
    until_metric(&app, "ordo_live_connections{transport=\"ws\"}", |count| count == 0);
    LiveClient::connect(&app).is_well();
}

#[test]
fn a_client_that_vanishes_is_noticed() {
    let app = TestApp::start();
    let mut client = LiveClient::subscribed(&app, "orders", None);
    client.socket.get_mut().flush().unwrap();
    client.socket.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    until_metric(&app, "ordo_live_subscriptions", |count| count == 0);
}

#[test]
fn a_server_that_stops_says_so_and_does_not_wait() {
    let mut app = TestApp::start();
    let mut clients: Vec<_> = (0..20).map(|_| LiveClient::subscribed(&app, "orders", None)).collect();
    let started = std::time::Instant::now();
    app.begin_to_terminate();
    for client in &mut clients {
        assert_eq!(client.close_code(), 4001);
        client.ends();
    }
    assert_eq!(app.wait_for_exit().code(), Some(0));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
