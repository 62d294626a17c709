//! `/orders/{id}/items`

use serde_json::{Value, json};

use crate::support::{
    api::{item, widget},
    test_app::{Store, TestApp},
};

fn lines(order: &Value) -> Vec<(u64, &str, i64, i64)> {
    let line = |line: &'_ Value| {
        (
            line["line_id"].as_u64().unwrap(),
            line["quantity"].as_i64().unwrap(),
            line["unit_price_cents"].as_i64().unwrap(),
        )
    };
    let items = order["items"].as_array().unwrap();
    items
        .iter()
        .map(|entry| {
            let (id, quantity, price) = line(entry);
            (id, entry["product_id"].as_str().unwrap(), quantity, price)
        })
        .collect()
}

#[test]
fn an_added_item_is_a_new_line_and_the_answer_is_the_order() {
    let app = TestApp::start();
    let path = app.draft();
    let added = app.post(&format!("{path}/items"), &item("gadget", 1, 2550)).expect(200);
    assert_eq!(lines(&added.json()), [(1, "widget", 2, 1000), (2, "gadget", 1, 2550)]);
    assert_eq!(added.header("etag"), Some("\"3\""));
    assert_eq!(added.body, app.get(&path).body);
}

#[test]
fn the_same_product_at_the_same_price_adds_up() {
    let app = TestApp::start();
    let added = app.post(&format!("{}/items", app.draft()), &widget(3)).expect(200).json();
    assert_eq!(lines(&added), [(1, "widget", 5, 1000)]);
    assert_eq!(added["total_cents"], 5000);
}

#[test]
fn the_same_product_at_another_price_is_another_line() {
    let app = TestApp::start();
    let added = app.post(&format!("{}/items", app.draft()), &item("widget", 1, 900)).expect(200).json();
    assert_eq!(lines(&added), [(1, "widget", 2, 1000), (2, "widget", 1, 900)]);
}

#[test]
fn a_line_gets_another_quantity() {
    let app = TestApp::start();
    let changed = app.patch(&format!("{}/items/1", app.draft()), &json!({"quantity": 7})).expect(200).json();
    assert_eq!(lines(&changed), [(1, "widget", 7, 1000)]);
    assert_eq!(changed["version"], 3);
}

#[test]
fn the_quantity_a_line_has_already_changes_nothing() {
    let app = TestApp::start();
    let changed = app.patch(&format!("{}/items/1", app.draft()), &json!({"quantity": 2})).expect(200).json();
    assert_eq!(changed["version"], 2);
}

#[test]
fn a_quantity_of_zero_removes_the_line() {
    let app = TestApp::start();
    let changed = app.patch(&format!("{}/items/1", app.draft()), &json!({"quantity": 0})).expect(200).json();
    assert_eq!(lines(&changed), []);
    assert_eq!(changed["total_cents"], 0);
}

#[test]
fn a_line_is_removed() {
    let app = TestApp::start();
    let removed = app.delete(&format!("{}/items/1", app.draft())).expect(200).json();
    assert_eq!(lines(&removed), []);
}

#[test]
fn the_number_of_a_removed_line_is_not_used_again() {
    let app = TestApp::start();
    let path = app.draft();
    app.delete(&format!("{path}/items/1")).expect(200);
    let added = app.post(&format!("{path}/items"), &widget(1)).expect(200).json();
    assert_eq!(lines(&added), [(2, "widget", 1, 1000)]);
}

#[test]
fn a_line_that_is_not_there_is_404() {
    let app = TestApp::start();
    let path = app.draft();
    app.patch(&format!("{path}/items/2"), &json!({"quantity": 1})).problem(404, "not-found");
    app.delete(&format!("{path}/items/2")).problem(404, "not-found");
    app.delete(&format!("{path}/items/0")).problem(404, "not-found");
    app.delete(&format!("{path}/items/1")).expect(200);
    app.delete(&format!("{path}/items/1")).problem(404, "not-found");
}

#[test]
fn an_order_that_is_not_there_has_no_items() {
    let app = TestApp::start();
    let path = "/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2/items";
    app.post(path, &widget(1)).problem(404, "not-found");
    app.patch(&format!("{path}/1"), &json!({"quantity": 1})).problem(404, "not-found");
    app.delete(&format!("{path}/1")).problem(404, "not-found");
    assert_eq!(app.head(), 0);
}

#[test]
fn items_are_frozen_in_every_state_but_draft() {
    let app = TestApp::start();
    for state in ["Submitted", "Reserved", "Processing", "Completed", "Cancelled"] {
        let path = app.order_in(state);
        let before = app.get(&path).body;
        assert_eq!(app.post(&format!("{path}/items"), &widget(1)).problem(409, "state-conflict")["state"], state);
        let changed = app.patch(&format!("{path}/items/1"), &json!({"quantity": 1}));
        assert_eq!(changed.problem(409, "state-conflict")["state"], state);
        assert_eq!(app.delete(&format!("{path}/items/1")).problem(409, "state-conflict")["state"], state);
        assert_eq!(app.get(&path).body, before);
    }
}

#[test]
fn a_quantity_that_adds_up_to_more_than_a_line_holds_is_refused() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [item("a", 1_000_000_000, 1)]}));
    assert_eq!(app.post(&format!("{path}/items"), &item("a", 1, 1)).faults(), ["/quantity"]);
    assert_eq!(app.patch(&format!("{path}/items/1"), &json!({"quantity": 1_000_000_001})).faults(), ["/quantity"]);
    assert_eq!(app.patch(&format!("{path}/items/1"), &json!({"quantity": -1})).faults(), ["/quantity"]);
}

#[test]
fn an_item_that_makes_the_total_uncountable_is_refused() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [item("a", 1, i64::MAX - 1)]}));
    app.post(&format!("{path}/items"), &item("b", 1, 1)).expect(200);
    assert_eq!(app.post(&format!("{path}/items"), &item("c", 1, 1)).faults(), ["/quantity"]);
}

#[test]
fn the_line_after_the_two_thousandth_is_refused() {
    line_after(2000, &TestApp::start());
}

#[test]
fn an_order_may_have_as_many_lines_as_the_server_is_told() {
    line_after(3, &TestApp::start_on(Store::Memory, &["--max-order-lines", "3"]));
    line_after(10_000, &TestApp::start_on(Store::Memory, &["--max-order-lines", "10000"]));
}

#[test]
fn an_order_with_more_lines_than_may_be_added_is_read_and_changed_all_the_same() {
    let store = Store::sqlite();
    let generous = TestApp::start_on(Store::Shared(store.argument()), &[]);
    let path = generous.place(&json!({"items": [item("a", 1, 1), item("b", 1, 1)]}));
    drop(generous);
    let app = TestApp::start_on(store, &["--max-order-lines", "1"]);
    assert_eq!(app.get(&path).json()["items"].as_array().unwrap().len(), 2);
    app.patch(&format!("{path}/items/1"), &json!({"quantity": 3})).expect(200);
    app.post(&format!("{path}/items"), &widget(1)).problem(409, "state-conflict");
    app.post(&format!("{path}/submit"), &json!({})).expect(200);
}

fn line_after(lines: usize, app: &TestApp) {
    let items: Vec<_> = (0..=lines).map(|number| item(&format!("p{number}"), 1, 1)).collect();
    assert_eq!(app.post("/orders", &json!({"items": items})).faults(), ["/items"]);
    let path = app.place(&json!({"items": items[1..]}));
    let problem = app.post(&format!("{path}/items"), &widget(1)).problem(409, "state-conflict");
    assert_eq!(problem["state"], "Draft");
    app.post(&format!("{path}/items"), &item("p1", 1, 1)).expect(200);
}
