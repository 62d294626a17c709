//! The read models of a running server: they follow its orders, and operators see how far.

use serde_json::{Value, json};

use crate::support::{api::Reply, test_app::TestApp};

/// Reads what is at least as new as everything written so far.
fn read(app: &TestApp, path: &str) -> Reply {
    let separator = if path.contains('?') { '&' } else { '?' };
    app.get(&format!("{path}{separator}min_position={}", app.head()))
}

fn all<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    list.as_array().unwrap().iter().map(|entry| &entry[field]).collect()
}

#[test]
fn an_order_that_ended_moves_from_the_current_ones_to_the_history() {
    let app = TestApp::start();
    for state in ["Draft", "Submitted", "Reserved", "Processing", "Completed", "Cancelled"] {
        app.order_in(state);
    }
    let mut current = read(&app, "/orders").json();
    let mut history = read(&app, "/orders/history").json();
    for list in [&mut current, &mut history] {
        list.as_array_mut().unwrap().sort_by_key(|order| order["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(all(&current, "state"), ["Draft", "Processing", "Reserved", "Submitted"]);
    assert_eq!(all(&history, "state"), ["Cancelled", "Completed"]);
}

#[test]
fn a_customer_shows_what_their_orders_come_to() {
    let app = TestApp::start();
    for state in ["Draft", "Completed", "Cancelled"] {
        app.order_in(state);
    }
    let customer = read(&app, "/customers/ada").expect(200).json();
    let counts = ["total_orders", "active_orders", "completed_orders", "cancelled_orders", "total_spent_cents"];
    assert_eq!(counts.map(|count| customer[count].as_i64().unwrap()), [3, 1, 1, 1, 2000]);
    assert_eq!(read(&app, "/customers").json(), json!([customer]));
    app.get("/customers/nobody").problem(404, "not-found");
    app.get("/customers/nobody/orders").problem(404, "not-found");
}

#[test]
fn a_product_shows_the_demand_for_it() {
    let app = TestApp::start();
    for state in ["Draft", "Reserved", "Completed"] {
        app.order_in(state);
    }
    let product = read(&app, "/inventory/widget").expect(200).json();
    assert_eq!((product["product_name"].as_str(), product["order_count"].as_i64()), (Some("The widget"), Some(3)));
    let quantities =
        ["quantity_ordered", "quantity_active", "quantity_reserved", "quantity_completed", "revenue_cents"];
    assert_eq!(quantities.map(|name| product[name].as_i64().unwrap()), [6, 4, 2, 2, 2000]);
    assert_eq!(read(&app, "/inventory").json(), json!([product]));
    app.get("/inventory/nothing").problem(404, "not-found");
}

#[test]
fn a_name_with_a_slash_or_a_blank_is_found() {
    let app = TestApp::start();
    app.place(&json!({"customer_id": "a/b c", "items": [{"product_id": "ü/1", "product_name": "", "quantity": 1, "unit_price_cents": 1}]}));
    assert_eq!(read(&app, "/customers/a%2Fb%20c").expect(200).json()["customer_id"], "a/b c");
    assert_eq!(read(&app, "/customers/a%2Fb%20c/orders").expect(200).json().as_array().unwrap().len(), 1);
    assert_eq!(read(&app, "/inventory/%C3%BC%2F1").expect(200).json()["product_id"], "ü/1");
}

#[test]
fn operators_see_how_far_the_read_models_are_and_build_one_anew() {
    let app = TestApp::start();
    app.draft();
    read(&app, "/orders").expect(200);
    let projections = app.get("/admin/projections").expect(200).json();
    assert_eq!(projections.as_array().unwrap().len(), 5);
    let begun = app.post("/admin/projections/current_orders/rebuild", &json!({})).expect(202);
    assert_eq!(begun.header("location"), Some("/admin/projections/current_orders"));
    assert_eq!(app.get("/admin/projections/current_orders").expect(200).json()["name"], "current_orders");
    app.get("/admin/projections/nothing").problem(404, "not-found");
    assert_eq!(app.get("/admin/dead-letters").expect(200).json(), json!([]));
    assert_eq!(all(&read(&app, "/orders").expect(200).json(), "state"), ["Draft"]);
}
