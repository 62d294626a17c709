//! Server-Sent Events.

use std::io::BufRead;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    api::{Reply, widget},
    event_stream::Stream,
    live_client::{id_of, until_metric},
    test_app::{Store, TestApp},
};

#[test]
fn a_stream_says_hello_and_tells_events_with_their_positions() {
    let app = TestApp::start();
    let path = app.draft();
    let mut stream = Stream::open(&app, &format!("topic=order:{}&after=1", id_of(&path)), None);
    let hello = stream.expect("hello");
    assert_eq!(hello.id.as_deref(), Some("1"));
    assert!(uuid::Uuid::parse_str(hello.data["epoch"].as_str().unwrap()).is_ok());
    assert_eq!(stream.expect("event").id.as_deref(), Some("2"));
    stream.expect("caught_up");
    app.post(&format!("{path}/items"), &widget(1)).expect(200);
    let event = stream.expect("event");
    assert_eq!((event.id.as_deref(), &event.data["position"]), (Some("3"), &json!(3)));
    assert_eq!(event.data["order"], app.get(&path).json());
    assert_eq!(event.data["event"], app.get("/events?after=2").json()[0]);
}

#[test]
fn last_event_id_resumes_and_counts_more_than_after() {
    let mut app = TestApp::start_on(Store::sqlite(), &[]);
    app.draft();
    let mut stream = Stream::open(&app, "topic=orders&after=0", None);
    stream.expect("hello");
    let seen = stream.expect("event").id.unwrap();
    app.restart();
    app.draft();
    let mut stream = Stream::open(&app, "topic=orders&after=0", Some(&seen));
    stream.expect("hello");
    let ids = [2, 3, 4].map(|_| stream.expect("event").id.unwrap());
    assert_eq!(ids, ["2", "3", "4"]);
    assert_eq!(stream.expect("caught_up").id.as_deref(), Some("4"));
}

#[test]
fn a_stream_of_another_log_is_reset() {
    let app = TestApp::start();
    app.draft();
    for query in ["topic=orders&after=9", "topic=orders&after=1&epoch=7d444840-9dc0-11d1-b245-5ffdce74fad2"] {
        let mut stream = Stream::open(&app, query, None);
        stream.expect("hello");
        stream.expect("reset");
        stream.expect("caught_up");
    }
}

#[test]
fn a_quiet_stream_beats_and_moves_the_place_to_resume_from() {
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "1"]);
    let path = app.draft();
    let mut stream = Stream::open(&app, &format!("topic=order:{}", id_of(&path)), None);
    stream.expect("hello");
    stream.expect("caught_up");
    app.draft();
    let mut lines = stream.0.lines().map(Result::unwrap);
    assert!(lines.by_ref().take(20).any(|line| line == ": heartbeat"));
    assert!(lines.take(20).any(|line| line == "id: 4"));
}

#[test]
fn a_query_that_cannot_be_followed_is_a_problem() {
    let app = TestApp::start();
    for (query, pointer) in [
        ("", "?topic"),
        ("topic=sagas", "?topic"),
        ("topic=order:1", "?topic"),
        ("topic=orders&after=-1", "?after"),
        ("topic=orders&after=99999999999999999999", "?after"),
        ("topic=orders&epoch=x", "?epoch"),
        ("topic=orders&snapshot=true", "?snapshot"),
    ] {
        assert_eq!(app.get(&format!("/stream?{query}")).faults(), [pointer], "{query}");
    }
    for query in ["topic=orders&after=x", "topic=orders&nope=1", "topic=orders&snapshot=2"] {
        app.get(&format!("/stream?{query}")).problem(400, "invalid-request");
    }
    let reply = Reply::to(app.request(Method::GET, "/stream?topic=orders").header("Last-Event-ID", "x"));
    assert_eq!(reply.faults(), ["Last-Event-ID"]);
    app.post("/stream", &json!({})).problem(405, "method-not-allowed");
}

#[test]
fn a_snapshot_comes_first_when_asked_for() {
    let app = TestApp::start();
    let path = app.draft();
    let mut stream = Stream::open(&app, &format!("topic=order:{}&snapshot=true", id_of(&path)), None);
    stream.expect("hello");
    assert_eq!(stream.expect("snapshot").data["order"], app.get(&path).json());
}

#[test]
fn a_stream_ends_when_the_server_stops() {
    let mut app = TestApp::start();
    let mut stream = Stream::open(&app, "topic=orders", None);
    stream.expect("hello");
    app.begin_to_terminate();
    stream.expect("caught_up");
    assert_eq!(stream.try_next(), None);
    assert_eq!(app.wait_for_exit().code(), Some(0));
}

#[test]
fn a_listener_that_goes_is_noticed() {
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "1"]);
    let mut stream = Stream::open(&app, "topic=orders", None);
    stream.expect("hello");
    drop(stream);
    until_metric(&app, "ordo_live_connections{transport=\"sse\"}", |count| count == 0);
    until_metric(&app, "ordo_live_subscriptions", |count| count == 0);
}
