//! `POST /orders`

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item, widget},
    test_app::TestApp,
};

const OWN_ID: &str = "7d444840-9dc0-11d1-b245-5ffdce74fad2";

#[test]
fn a_placed_order_answers_201_with_its_id_state_version_and_position_and_nothing_else() {
    let placed = TestApp::start().post("/orders", &json!({"customer_id": "ada", "items": [widget(2)]})).expect(201);
    let body = placed.json();
    let id = body["order_id"].as_str().unwrap();
    assert_eq!(body, json!({"order_id": id, "state": "Draft", "version": 2, "position": 2}));
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);
}

#[test]
fn a_placed_order_is_found_at_its_location_with_the_same_etag_and_position() {
    let app = TestApp::start();
    let placed = app.post("/orders", &json!({"items": [widget(2)]})).expect(201);
    assert_eq!(placed.header("etag"), Some("\"2\""));
    assert_eq!(placed.header("x-position"), Some("2"));
    let found = app.get(placed.header("location").unwrap()).expect(200);
    assert_eq!(found.json()["id"], placed.json()["order_id"]);
    assert_eq!(found.header("etag"), Some("\"2\""));
}

#[test]
fn an_order_shows_every_field_and_null_for_what_is_absent() {
    let app = TestApp::start();
    let path =
        app.place(&json!({"customer_id": "ada", "currency": "EUR", "items": [widget(2), item("gadget", 1, 2550)]}));
    let order = app.get(&path).expect(200).json();
    let created_at = order["created_at"].as_str().unwrap();
    assert_eq!(
        order,
        json!({
            "id": path.trim_start_matches("/orders/"), "customer_id": "ada", "state": "Draft", "currency": "EUR",
            "items": [
                {"line_id": 1, "product_id": "widget", "product_name": "The widget", "quantity": 2, "returned": 0, "unit_price_cents": 1000},
                {"line_id": 2, "product_id": "gadget", "product_name": "The gadget", "quantity": 1, "returned": 0, "unit_price_cents": 2550},
            ],
            "total_cents": 4550, "refunded_cents": 0, "version": 3, "created_at": created_at, "updated_at": created_at,
            "reservation_id": null, "payment_id": null, "tracking_number": null, "cancel_reason": null,
        })
    );
}

#[test]
fn an_order_without_a_customer_gets_a_new_one_and_without_a_currency_dollars() {
    let app = TestApp::start();
    let customer = |path: &str| app.get(path).json()["customer_id"].as_str().unwrap().to_owned();
    let (one, other) = (app.place(&json!({})), app.place(&json!({"customer_id": null, "currency": null})));
    assert!(uuid::Uuid::parse_str(&customer(&one)).is_ok());
    assert_ne!(customer(&one), customer(&other));
    assert_eq!(app.get(&one).json()["currency"], "USD");
}

#[test]
fn an_order_keeps_the_time_at_which_the_customer_placed_it() {
    let app = TestApp::start();
    let path = app.place(&json!({"placed_at": "2011-12-09T14:50:00.123456789+02:00", "items": [widget(1)]}));
    let order = app.get(&path).json();
    assert_eq!(order["created_at"], "2011-12-09T12:50:00.123456Z");
    assert!(order["updated_at"].as_str().unwrap() > "2020");
}

#[test]
fn a_client_may_choose_the_id() {
    let app = TestApp::start();
    let placed = app.post("/orders", &json!({"order_id": OWN_ID, "items": [widget(1)]})).expect(201);
    assert_eq!(placed.header("location"), Some(format!("/orders/{OWN_ID}").as_str()));
}

#[test]
fn an_id_that_is_taken_is_refused_with_409_and_the_order_stays_as_it_was() {
    let app = TestApp::start();
    let order = json!({"order_id": OWN_ID, "customer_id": "ada", "items": [widget(1)]});
    let path = app.place(&order);
    let before = app.get(&path).body;
    let problem = app.post("/orders", &order).problem(409, "state-conflict");
    assert_eq!(problem["state"], "Draft");
    assert_eq!(app.get(&path).body, before);
}

#[test]
fn an_id_is_taken_by_a_cancelled_order_too() {
    let app = TestApp::start();
    let path = app.place(&json!({"order_id": OWN_ID, "items": [widget(1)]}));
    app.post(&format!("{path}/cancel"), &json!({"reason": "ordered twice"})).expect(200);
    let problem = app.post("/orders", &json!({"order_id": OWN_ID})).problem(409, "state-conflict");
    assert_eq!(problem["state"], "Cancelled");
}

#[test]
fn one_order_is_one_append_whatever_it_holds() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [widget(1), item("gadget", 1, 5), item("gizmo", 1, 7)]}));
    let events = app.get(&format!("{path}/events")).json();
    let commands: Vec<&Value> =
        events.as_array().unwrap().iter().map(|event| &event["metadata"]["command_id"]).collect();
    assert_eq!(commands.len(), 4);
    assert!(commands.iter().all(|command| *command == commands[0]));
}

#[test]
fn items_of_one_product_at_one_price_become_one_line_when_placed() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [widget(2), item("widget", 1, 999), widget(3)]}));
    let order = app.get(&path).json();
    let lines: Vec<_> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["quantity"].as_i64(), line["unit_price_cents"].as_i64()))
        .collect();
    assert_eq!(lines, [(Some(5), Some(1000)), (Some(1), Some(999))]);
    assert_eq!(order["version"], 3);
}

#[test]
fn a_thousand_lines_are_one_order() {
    let app = TestApp::start();
    let items: Vec<_> = (0..1000).map(|number| item(&format!("p{number}"), 1, 1)).collect();
    let order = app.get(&app.place(&json!({"items": items}))).json();
    assert_eq!(order["items"].as_array().unwrap().len(), 1000);
    assert_eq!(order["total_cents"], 1000);
}

#[test]
fn names_may_hold_any_script_and_come_back_as_they_were() {
    let app = TestApp::start();
    let name = "Ärmel \"weiß\" 漢字 🧥 \\ </script>";
    let path = app.place(&json!({"customer_id": "阿达 ada", "items": [
        {"product_id": "ü 1", "product_name": name, "quantity": 1, "unit_price_cents": 1},
    ]}));
    let order = app.get(&path).json();
    assert_eq!(order["customer_id"], "阿达 ada");
    assert_eq!(order["items"][0]["product_name"], name);
}

#[test]
fn a_price_and_a_quantity_at_their_limits_are_taken() {
    let app = TestApp::start();
    let dear = app.place(&json!({"items": [item("a", 1, i64::MAX)]}));
    assert_eq!(app.get(&dear).json()["total_cents"], i64::MAX);
    let many = app.place(&json!({"items": [item("a", 1_000_000_000, 1)]}));
    assert_eq!(app.get(&many).json()["total_cents"], 1_000_000_000);
}

#[test]
fn an_order_that_costs_more_than_can_be_counted_is_refused() {
    let app = TestApp::start();
    let faults = app.post("/orders", &json!({"items": [widget(1), item("a", 2, i64::MAX)]})).faults();
    assert_eq!(faults, ["/items/1/quantity"]);
    let faults = app.post("/orders", &json!({"items": [item("a", 1, i64::MAX), item("b", 1, 1)]})).faults();
    assert_eq!(faults, ["/items/1/quantity"]);
    assert_eq!(app.head(), 0);
}

#[test]
fn a_body_without_a_content_type_is_refused_and_no_body_needs_none() {
    let app = TestApp::start();
    let request = app.request(Method::POST, "/orders").body(r#"{"customer_id":"ada"}"#);
    Reply::to(request).problem(415, "unsupported-media-type");
    Reply::to(app.request(Method::POST, "/orders")).expect(201);
}

#[test]
fn an_unknown_order_is_404() {
    TestApp::start().get(&format!("/orders/{OWN_ID}")).problem(404, "not-found");
}
