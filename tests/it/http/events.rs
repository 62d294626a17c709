//! `GET /orders/{id}/events` and `GET /events`

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item, widget},
    test_app::TestApp,
};

fn types(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["event_type"].as_str().unwrap()).collect()
}

fn numbers(events: &Value, name: &str) -> Vec<u64> {
    events.as_array().unwrap().iter().map(|event| event[name].as_u64().unwrap()).collect()
}

/// Follows the links from a first page on; gives all pages.
fn follow(app: &TestApp, first: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let reply = app.get(&path).expect(200);
        next = reply.header("link").map(|link| {
            link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned()
        });
        pages.push(reply.json());
    }
    pages
}

#[test]
fn an_envelope_has_every_field_and_the_request_that_caused_it() {
    let app = TestApp::start();
    let request = app.request(Method::POST, "/orders").header("X-Request-Id", "req-1");
    let path =
        Reply::to(request.json(&json!({"customer_id": "ada"}))).expect(201).header("location").unwrap().to_owned();
    let events = app.get(&format!("{path}/events")).expect(200).json();
    let event = &events[0];
    assert_eq!(
        events,
        json!([{
            "event_id": event["event_id"], "event_type": "OrderCreated", "schema_version": 1,
            "aggregate_id": path.trim_start_matches("/orders/"), "aggregate_type": "Order", "version": 1, "position": 1,
            "timestamp": event["timestamp"], "payload": {"customer_id": "ada", "currency": "USD"},
            "metadata": {"correlation_id": "req-1", "command_id": event["metadata"]["command_id"]},
        }])
    );
}

#[test]
fn the_stream_of_an_order_holds_its_events_in_order_without_a_hole() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let events = app.get(&format!("{path}/events")).json();
    let expected =
        ["OrderCreated", "ItemAdded", "OrderSubmitted", "OrderReserved", "OrderProcessing", "OrderCompleted"];
    assert_eq!(types(&events), expected);
    assert_eq!(numbers(&events, "version"), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_stream_can_be_read_from_a_version_on() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    assert_eq!(numbers(&app.get(&format!("{path}/events?from_version=5")).json(), "version"), [5, 6]);
    assert_eq!(app.get(&format!("{path}/events?from_version=7")).expect(200).json(), json!([]));
}

#[test]
fn a_stream_is_read_page_by_page_by_following_its_links() {
    let app = TestApp::start();
    let path = app.order_in("Completed");
    let pages = follow(&app, &format!("{path}/events?limit=4"));
    let versions: Vec<_> = pages.iter().map(|page| numbers(page, "version")).collect();
    assert_eq!(versions, [vec![1, 2, 3, 4], vec![5, 6]]);
}

#[test]
fn the_events_of_an_order_that_is_not_there_are_404() {
    let app = TestApp::start();
    app.get("/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2/events").problem(404, "not-found");
    app.get("/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2/events?from_version=2").problem(404, "not-found");
}

#[test]
fn the_log_holds_the_events_of_all_orders_in_commit_order_without_a_hole() {
    let app = TestApp::start();
    let (one, other) = (app.draft(), app.draft());
    app.post(&format!("{one}/submit"), &json!({})).expect(200);
    app.post(&format!("{other}/submit"), &json!({})).expect(200);
    let events = app.get("/events").expect(200).json();
    assert_eq!(numbers(&events, "position"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(events[4]["aggregate_id"], one.trim_start_matches("/orders/"));
}

#[test]
fn an_empty_log_is_an_empty_page() {
    let reply = TestApp::start().get("/events").expect(200);
    assert_eq!(reply.json(), json!([]));
    assert!(reply.header("link").is_none());
}

#[test]
fn the_log_is_read_page_by_page_without_a_gap_or_a_double() {
    let app = TestApp::start();
    for _ in 0..11 {
        app.draft();
    }
    let pages = follow(&app, "/events?limit=5");
    let positions: Vec<_> = pages.iter().flat_map(|page| numbers(page, "position")).collect();
    assert_eq!(positions, (1..=22).collect::<Vec<_>>());
    assert!(pages[..pages.len() - 1].iter().all(|page| page.as_array().unwrap().len() == 5));
}

#[test]
fn the_log_can_be_asked_for_types_of_events() {
    let app = TestApp::start();
    app.order_in("Submitted");
    app.order_in("Cancelled");
    assert_eq!(types(&app.get("/events?event_type=OrderSubmitted").json()), ["OrderSubmitted"]);
    let two = app.get("/events?event_type=OrderSubmitted,OrderCancelled").json();
    assert_eq!(types(&two), ["OrderSubmitted", "OrderCancelled"]);
    assert_eq!(app.get("/events?event_type=OrderEaten").expect(200).json(), json!([]));
}

#[test]
fn the_log_can_be_asked_for_a_stream_and_for_a_type_of_streams() {
    let app = TestApp::start();
    app.draft();
    let id = app.draft().trim_start_matches("/orders/").to_owned();
    assert_eq!(numbers(&app.get(&format!("/events?aggregate_id={id}")).json(), "position"), [3, 4]);
    assert_eq!(numbers(&app.get("/events?aggregate_type=Order&after=3").json(), "position"), [4]);
    assert_eq!(app.get("/events?aggregate_type=Parcel").json(), json!([]));
}

#[test]
fn the_log_can_be_asked_for_a_time_from_inclusive_to_exclusive() {
    let app = TestApp::start();
    for _ in 0..3 {
        app.place(&json!({}));
    }
    let events = app.get("/events").json();
    let at = |index: usize| events[index]["timestamp"].as_str().unwrap();
    assert_eq!(numbers(&app.get(&format!("/events?from={}", at(1))).json(), "position"), [2, 3]);
    assert_eq!(numbers(&app.get(&format!("/events?to={}", at(1))).json(), "position"), [1]);
    assert_eq!(numbers(&app.get(&format!("/events?from={}&to={}", at(1), at(2))).json(), "position"), [2]);
}

#[test]
fn a_link_keeps_the_filters() {
    let app = TestApp::start();
    for _ in 0..3 {
        app.place(&json!({"items": [widget(1), item("a", 1, 1)]}));
    }
    let first = "/events?limit=2&event_type=ItemAdded&aggregate_type=Order&from=2001-01-01T00:00:00%2B00:00";
    let pages = follow(&app, first);
    assert_eq!(pages.iter().flat_map(types).collect::<Vec<_>>(), ["ItemAdded"; 6]);
}

#[test]
fn a_limit_out_of_range_is_422_and_every_fault_is_named() {
    let app = TestApp::start();
    let stream = format!("{}/events", app.draft());
    for path in ["/events", &stream] {
        for limit in ["0", "1001", "-1", "99999999999999999999"] {
            assert_eq!(app.get(&format!("{path}?limit={limit}")).faults(), ["?limit"]);
        }
        app.get(&format!("{path}?limit=1")).expect(200);
        app.get(&format!("{path}?limit=1000")).expect(200);
    }
    assert_eq!(app.get("/events?after=-1&limit=0&min_position=-1").faults(), ["?after", "?limit", "?min_position"]);
    assert_eq!(app.get(&format!("{stream}?from_version=0&limit=0")).faults(), ["?from_version", "?limit"]);
}

#[test]
fn a_query_that_cannot_be_read_is_400() {
    let app = TestApp::start();
    let queries = [
        "limit=ten",
        "limit=",
        "limit=1.5",
        "after=x",
        "from=yesterday",
        "to=2026-13-01T00:00:00Z",
        "aggregate_id=x",
        "nope=1",
        "limit=1&limit=2",
    ];
    for query in queries {
        app.get(&format!("/events?{query}")).problem(400, "invalid-request");
    }
}

#[test]
fn events_are_compressed_for_those_who_take_it() {
    let app = TestApp::start();
    app.draft();
    let request = app.request(Method::GET, "/events").header("Accept-Encoding", "gzip");
    let response = request.send().unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.bytes().unwrap()[..2], [0x1f, 0x8b]);
}
