//! Many clients at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    api::{item, widget},
    test_app::{Store, TestApp},
};

const CLIENTS: usize = 64;
const ADDS: usize = 5;

#[test]
fn every_acknowledged_item_of_many_clients_is_in_the_order_and_its_versions_have_no_hole() {
    many_clients_add_to_one_order(Store::Memory);
}

pub fn many_clients_add_to_one_order(store: Store) {
    let app = TestApp::start_on(store, &[]);
    let path = app.place(&json!({}));
    let items = format!("{path}/items");
    let added: Vec<(String, u64)> = std::thread::scope(|scope| {
        let client = |client: usize| {
            let (app, items) = (&app, &items);
            move || {
                let add = |number| {
                    let product = format!("c{client}-{number}");
                    let order = app.post(items, &item(&product, 1, 1)).expect(200).json();
                    (product, order["version"].as_u64().unwrap())
                };
                (0..ADDS).map(add).collect::<Vec<_>>()
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(client(number))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let last = u64::try_from(CLIENTS * ADDS + 1).unwrap();
    let versions: BTreeSet<u64> = added.iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, (2..=last).collect());

    let order = app.get(&path).json();
    let present: BTreeSet<&str> =
        order["items"].as_array().unwrap().iter().map(|line| line["product_id"].as_str().unwrap()).collect();
    assert_eq!(present, added.iter().map(|(product, _)| product.as_str()).collect());

    let events = app.get(&format!("{path}/events?limit=1000")).json();
    let stored: Vec<u64> = events.as_array().unwrap().iter().map(|event| event["version"].as_u64().unwrap()).collect();
    assert_eq!(stored, (1..=last).collect::<Vec<_>>());
}

#[test]
fn what_many_clients_add_to_one_line_adds_up() {
    let app = TestApp::start();
    let path = app.draft();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| app.post(&format!("{path}/items"), &widget(1)).expect(200));
        }
    });
    assert_eq!(app.get(&path).json()["items"][0]["quantity"], 2 + CLIENTS);
}

#[test]
fn of_many_clients_that_want_one_id_one_gets_it() {
    let app = TestApp::start();
    let order = json!({"order_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2", "items": [widget(1)]});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| app.post("/orders", &order).status)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), CLIENTS - 1, "{statuses:?}");
    assert_eq!(app.head(), 2);
}

#[test]
fn orders_placed_by_many_clients_fill_the_log_without_a_hole() {
    let app = TestApp::start();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| app.draft());
        }
    });
    let events = app.get("/events?limit=1000").json();
    let positions: Vec<u64> =
        events.as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=2 * u64::try_from(CLIENTS).unwrap()).collect::<Vec<_>>());
    // The events of one commit stand side by side.
    let of = |event: &Value| event["aggregate_id"].clone();
    assert!(events.as_array().unwrap().chunks(2).all(|pair| of(&pair[0]) == of(&pair[1])));
}

#[test]
fn more_than_may_be_under_way_is_503_with_the_time_to_wait_and_nothing_is_lost() {
    const ROUNDS: usize = 50;
    let app = TestApp::start_on(Store::Memory, &["--max-in-flight", "1"]);
    let place = || {
        let reply = app.post("/orders", &json!({"items": [widget(1)]}));
        if reply.status == 503 {
            reply.problem(503, "overloaded");
            assert!(["1", "2", "3"].map(Some).contains(&reply.header("retry-after")));
            return false;
        }
        reply.expect(201);
        true
    };
    let placed: usize = std::thread::scope(|scope| {
        let client = || (0..ROUNDS).filter(|_| place()).count();
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!((1..CLIENTS * ROUNDS).contains(&placed), "{placed} placed");
    assert_eq!(app.head(), 2 * u64::try_from(placed).unwrap());
    app.draft();
}
