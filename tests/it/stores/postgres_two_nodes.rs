//! Two servers on one database: each hears at once of what the other appends, and says the truth of what the other runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    api::widget,
    live_client::LiveClient,
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

fn two_nodes(database: &TestDatabase) -> [TestApp; 2] {
    [(); 2].map(|()| TestApp::start_on(Store::Shared(database.url()), &[]))
}

/// Places an order; gives its position.
fn place(app: &TestApp) -> u64 {
    let placed = app.post("/orders", &json!({"customer_id": "ada", "items": [widget(2)]})).expect(201);
    placed.header("x-position").unwrap().parse().unwrap()
}

fn projections(app: &TestApp) -> Vec<Value> {
    app.get("/admin/projections").expect(200).json().as_array().unwrap().clone()
}

/// The value of a metric of one read model.
fn metric(app: &TestApp, name: &str, model: &str) -> u64 {
    let text = app.get("/metrics").expect(200).body;
    let series = format!("{name}{{model=\"{model}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_else(|| panic!("no {series}"))
}

/// Tries until a condition holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
    }
}

#[test]
fn a_list_that_must_show_what_another_node_wrote_waits_for_no_poll() {
    let database = TestDatabase::fresh();
    let [a, b] = two_nodes(&database);
    let mut waits = Vec::new();
    for round in 0..60 {
        // The projections are run by one of the two: both ways must be fast.
        let (writer, reader) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let position = place(writer);
        let started = Instant::now();
        reader.get(&format!("/orders?limit=1&min_position={position}")).expect(200);
        waits.push(started.elapsed());
    }
    waits.sort();
    println_waits("lists", &waits);
    assert!(waits[waits.len() / 2] < Duration::from_millis(100), "{waits:?}");
}

#[test]
fn a_live_client_hears_of_what_another_node_wrote_without_a_poll() {
    let database = TestDatabase::fresh();
    let [a, b] = two_nodes(&database);
    let mut client = LiveClient::subscribed(&b, "orders", None);
    let mut waits = Vec::new();
    for _ in 0..40 {
        let started = Instant::now();
        let position = place(&a);
        // An order is more than one event.
        while client.until("event").last().unwrap()["position"].as_u64().unwrap() < position {}
        waits.push(started.elapsed());
    }
    waits.sort();
    println_waits("live updates", &waits);
    assert!(waits[waits.len() / 2] < Duration::from_millis(80), "{waits:?}");
}

#[test]
fn a_node_that_stands_by_shows_where_the_rows_of_the_other_are() {
    let database = TestDatabase::fresh();
    let [a, b] = two_nodes(&database);
    // From the first moment on one of them runs a projection, and the other says so.
    eventually("one node runs each projection", || {
        let states =
            |app| projections(app).iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let (of_a, of_b) = (states(&a), states(&b));
        of_a.iter().zip(&of_b).all(|(a, b)| (a == "standing_by") != (b == "standing_by"))
    });
    for _ in 0..5 {
        a.order_in("Completed");
    }
    a.wait_for_lists();
    let head = a.head();
    for node in [&a, &b] {
        for name in projections(node).iter().map(|one| one["name"].as_str().unwrap().to_owned()) {
            eventually(&format!("{name} is at {head}"), || {
                metric(node, "ordo_projection_position", &name) == head
                    && metric(node, "ordo_projection_lag_events", &name) == 0
            });
        }
    }
}

#[expect(clippy::print_stderr, reason = "the numbers are worth seeing")]
fn println_waits(what: &str, waits: &[Duration]) {
    eprintln!(
        "{what}: p50 {:?}, p90 {:?}, most {:?}",
        waits[waits.len() / 2],
        waits[waits.len() * 9 / 10],
        waits.last()
    );
}
