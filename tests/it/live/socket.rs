//! What is said over a WebSocket, frame by frame.

use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::support::{
    api::widget,
    live_client::{LiveClient, PATIENCE, id_of, upgrade},
    test_app::{Store, TestApp},
};

#[test]
fn an_event_comes_with_the_order_as_get_shows_it() {
    let app = TestApp::start();
    let path = app.draft();
    let mut client = LiveClient::subscribed(&app, &format!("order:{}", id_of(&path)), None);
    client.expect("caught_up");
    app.post(&format!("{path}/submit"), &json!({})).expect(200);
    let frame = client.expect("event");
    assert_eq!(frame["id"], "a");
    assert_eq!(frame["position"], 3);
    assert_eq!(frame["order"], app.get(&path).json());
    assert_eq!(frame["event"], app.get(&format!("{path}/events")).json()[2]);
    assert_eq!(frame.as_object().unwrap().len(), 5);
}

#[test]
fn an_event_of_the_past_comes_with_the_order_as_it_was_then() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let mut client = LiveClient::subscribed(&app, "orders", Some(0));
    let frames = client.until("caught_up");
    assert_eq!(frames.len(), 7);
    for frame in &frames[..6] {
        let version = &frame["event"]["version"];
        let then = app.get(&format!("{path}?at_version={version}")).json();
        // An order is created with its line by one command.
        assert_eq!(frame["order"], if *version == 1 { Value::Null } else { then });
    }
}

#[test]
fn subscribed_and_caught_up_say_where_and_in_which_log() {
    let app = TestApp::start();
    app.draft();
    let mut client = LiveClient::connect(&app);
    client.subscribe("a", "orders", Some(1));
    let subscribed = client.expect("subscribed");
    assert_eq!((&subscribed["id"], &subscribed["position"]), (&json!("a"), &json!(1)));
    assert!(uuid::Uuid::parse_str(subscribed["epoch"].as_str().unwrap()).is_ok());
    client.expect("event");
    assert_eq!(client.expect("caught_up"), json!({"type": "caught_up", "id": "a", "position": 2}));
}

#[test]
fn many_subscriptions_share_a_socket_and_each_hears_its_own() {
    let app = TestApp::start();
    let (ours, other) = (app.place(&json!({"customer_id": "ada"})), app.place(&json!({"customer_id": "bob"})));
    let mut client = LiveClient::connect(&app);
    let topics =
        [("all", "orders".to_owned()), ("one", format!("order:{}", id_of(&ours))), ("bob", "customer:bob".into())];
    for (id, topic) in &topics {
        client.subscribe(id, topic, None);
        client.until("caught_up");
    }
    app.post(&format!("{ours}/items"), &widget(1)).expect(200);
    app.post(&format!("{other}/items"), &widget(1)).expect(200);
    let mut heard: Vec<_> = (0..4)
        .map(|_| client.expect("event"))
        .map(|frame| (frame["id"].to_string(), frame["position"].as_u64().unwrap()))
        .collect();
    heard.sort();
    let expected = [("all", 3), ("all", 4), ("bob", 4), ("one", 3)];
    assert_eq!(heard, expected.map(|(id, position)| (format!("\"{id}\""), position)));
}

#[test]
fn after_unsubscribe_nothing_comes_and_the_name_is_free_again() {
    let app = TestApp::start();
    let mut client = LiveClient::subscribed(&app, "orders", None);
    client.expect("caught_up");
    client.send(&json!({"type": "unsubscribe", "id": "a"}));
    client.is_well();
    app.draft();
    client.is_well();
    client.subscribe("a", "orders", Some(1));
    client.expect("subscribed");
    assert_eq!(client.expect("event")["position"], 2);
}

#[test]
fn a_snapshot_comes_first_when_asked_for() {
    let app = TestApp::start();
    let path = app.draft();
    let topic = format!("order:{}", id_of(&path));
    let mut client = LiveClient::connect(&app);
    client.send(&json!({"type": "subscribe", "id": "a", "topic": topic, "snapshot": true}));
    client.expect("subscribed");
    let snapshot = client.expect("snapshot");
    assert_eq!((&snapshot["position"], &snapshot["order"]), (&json!(2), &app.get(&path).json()));
    assert_eq!(client.expect("caught_up")["position"], 2);
}

#[test]
fn a_position_of_another_log_is_told_and_what_follows_is_this_log_from_now() {
    let mut app = TestApp::start();
    app.draft();
    let mut client = LiveClient::connect(&app);
    client.subscribe("a", "orders", None);
    let epoch = client.expect("subscribed")["epoch"].clone();
    // A memory store begins a new log.
    app.restart();
    app.draft();
    let mut client = LiveClient::connect(&app);
    client.send(&json!({"type": "subscribe", "id": "a", "topic": "orders", "after": 1, "epoch": epoch}));
    let subscribed = client.expect("subscribed");
    assert_ne!(subscribed["epoch"], epoch);
    assert_eq!(client.expect("reset"), json!({"type": "reset", "id": "a", "reason": "other-epoch"}));
    assert_eq!(client.expect("caught_up")["position"], subscribed["position"]);
    app.draft();
    assert_eq!(client.positions(2), [3, 4]);
}

#[test]
fn a_position_of_the_same_log_is_not_reset_by_a_restart() {
    let mut app = TestApp::start_on(Store::sqlite(), &[]);
    app.draft();
    let mut client = LiveClient::connect(&app);
    client.subscribe("a", "orders", None);
    let epoch = client.expect("subscribed")["epoch"].clone();
    app.restart();
    let mut client = LiveClient::connect(&app);
    client.send(&json!({"type": "subscribe", "id": "a", "topic": "orders", "after": 1, "epoch": epoch}));
    client.expect("subscribed");
    assert_eq!(client.expect("event")["position"], 2);
    client.expect("caught_up");
}

#[test]
fn a_position_beyond_the_end_is_told() {
    let app = TestApp::start();
    app.draft();
    let mut client = LiveClient::subscribed(&app, "orders", Some(3));
    assert_eq!(client.expect("reset")["reason"], "beyond-end");
    client.expect("caught_up");
}

#[test]
fn a_quiet_socket_says_how_far_everything_has_been_sent() {
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "1"]);
    let path = app.draft();
    let mut client = LiveClient::subscribed(&app, &format!("order:{}", id_of(&path)), None);
    client.expect("caught_up");
    app.draft();
    let mut beats = std::iter::repeat_with(|| client.next_of_all());
    assert!(beats.by_ref().take(5).any(|beat| beat == json!({"type": "heartbeat", "position": 4})));
}

#[test]
fn the_subprotocol_is_agreed_on_when_it_is_offered() {
    let app = TestApp::start();
    let agreed = |offered: Option<&str>| {
        let headers: Vec<_> = offered.into_iter().map(|offered| ("sec-websocket-protocol", offered)).collect();
        let stream = TcpStream::connect(app.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let upgraded =
            tungstenite::client(upgrade(&app.address(), &headers), stream).map_err(|error| error.to_string());
        upgraded.map(|(_, response)| {
            response.headers().get("sec-websocket-protocol").map(|agreed| agreed.to_str().unwrap().to_owned())
        })
    };
    assert_eq!(agreed(None).unwrap(), None);
    assert_eq!(agreed(Some("ordo.v1.json")).unwrap().as_deref(), Some("ordo.v1.json"));
    assert_eq!(agreed(Some("other, ordo.v1.json")).unwrap().as_deref(), Some("ordo.v1.json"));
}

#[test]
fn a_request_that_is_no_upgrade_is_refused_with_a_problem() {
    let app = TestApp::start();
    app.get("/ws").problem(400, "invalid-request");
}

#[test]
fn what_listeners_do_is_counted() {
    let app = TestApp::start();
    let mut client = LiveClient::subscribed(&app, "orders", None);
    client.until("caught_up");
    client.subscribe("b", "customer:ada", None);
    client.until("caught_up");
    app.draft();
    client.positions(4);
    let text = app.get("/metrics").expect(200).body;
    for line in [
        "ordo_live_connections{transport=\"ws\"} 1",
        "ordo_live_subscriptions 2",
        "ordo_live_messages_total 4",
        "ordo_live_written_events_total 2",
        "ordo_live_fell_behind_total 0",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    drop(client);
    crate::support::live_client::until_metric(&app, "ordo_live_subscriptions", |count| count == 0);
    crate::support::live_client::until_metric(&app, "ordo_live_connections{transport=\"ws\"}", |count| count == 0);
}

#[test]
fn an_order_can_be_waited_for_before_it_is_there() {
    let app = TestApp::start();
    let mut client = LiveClient::connect(&app);
    client.subscribe("a", "order:7d444840-9dc0-11d1-b245-5ffdce74fad2", Some(0));
    client.expect("subscribed");
    assert_eq!(client.expect("caught_up"), json!({"type": "caught_up", "id": "a", "position": 0}));
    let placed: Value =
        app.post("/orders", &json!({"order_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2"})).expect(201).json();
    assert_eq!(client.expect("event")["position"], placed["position"]);
}
