//! `GET /orders`, `/orders/history`, `/customers` and `/inventory`: what the read models show.

use serde_json::{Value, json};

use crate::test_app::{Reply, TestApp, item, widget};

/// Reads what is at least as new as everything written so far.
fn read(app: &TestApp, path: &str) -> Reply {
    let separator = if path.contains('?') { '&' } else { '?' };
    app.get(&format!("{path}{separator}min_position={}", app.head()))
}

fn all<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    list.as_array().unwrap().iter().map(|entry| &entry[field]).collect()
}

fn id(path: &str) -> &str {
    path.trim_start_matches("/orders/")
}

/// An order of a customer placed at a time.
fn placed(app: &TestApp, customer: &str, at: &str, items: &Value) -> String {
    app.place(&json!({"customer_id": customer, "placed_at": at, "items": items}))
}

#[test]
fn an_order_is_in_the_list_as_it_is_by_itself() {
    let app = TestApp::start();
    let path = app.order_in("Reserved");
    let list = read(&app, "/orders").expect(200);
    assert_eq!(list.json(), json!([app.get(&path).json()]));
    assert_eq!(list.header("x-position"), Some("4"));
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
fn orders_can_be_asked_for_by_state_customer_product_and_time() {
    let app = TestApp::start();
    let one = placed(&app, "ada", "2020-01-01T00:00:00Z", &json!([widget(1)]));
    let two = placed(&app, "bob", "2021-01-01T00:00:00Z", &json!([item("gadget", 1, 5)]));
    app.post(&format!("{two}/submit"), &json!({})).expect(200);
    let found = |query: &str| {
        all(&read(&app, &format!("/orders?{query}")).expect(200).json(), "id").into_iter().cloned().collect::<Vec<_>>()
    };
    for query in ["state=Draft", "customer_id=ada", "product_id=widget", "created_before=2021-01-01T00:00:00Z"] {
        assert_eq!(found(query), [id(&one)], "{query}");
    }
    for query in ["state=Submitted", "customer_id=bob", "product_id=gadget", "created_after=2021-01-01T00:00:00Z"] {
        assert_eq!(found(query), [id(&two)], "{query}");
    }
    assert_eq!(found("customer_id=ada&product_id=gadget").len(), 0);
}

#[test]
fn orders_are_sorted_by_their_time_or_their_total_in_both_directions() {
    let app = TestApp::start();
    let dear = placed(&app, "ada", "2020-01-01T00:00:00Z", &json!([item("a", 1, 900)]));
    let cheap = placed(&app, "ada", "2021-01-01T00:00:00Z", &json!([item("a", 1, 5)]));
    let sorted = |query: &str| {
        all(&read(&app, &format!("/orders{query}")).expect(200).json(), "id").into_iter().cloned().collect::<Vec<_>>()
    };
    for query in ["", "?sort=-created_at", "?sort=total_cents"] {
        assert_eq!(sorted(query), [id(&cheap), id(&dear)], "{query}");
    }
    for query in ["?sort=created_at", "?sort=-total_cents"] {
        assert_eq!(sorted(query), [id(&dear), id(&cheap)], "{query}");
    }
}

#[test]
fn a_list_is_read_page_by_page_without_a_gap_or_a_double() {
    let app = TestApp::start();
    let mut expected: Vec<String> = (0..23).map(|_| id(&app.draft()).to_owned()).collect();
    let mut found = Vec::new();
    let mut next = Some(format!("/orders?limit=5&customer_id=ada&min_position={}", app.head()));
    while let Some(path) = next {
        let page = app.get(&path).expect(200);
        found.extend(all(&page.json(), "id").into_iter().map(|id| id.as_str().unwrap().to_owned()));
        next = page.header("link").map(|link| link.split(['<', '>']).nth(1).unwrap().to_owned());
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_cursor_belongs_to_its_list() {
    let app = TestApp::start();
    app.draft();
    app.draft();
    let link = read(&app, "/orders?limit=1").header("link").unwrap().to_owned();
    let cursor = link.split(['<', '>']).nth(1).unwrap().split("cursor=").nth(1).unwrap();
    app.get(&format!("/orders?cursor={cursor}")).expect(200);
    for other in ["/orders?sort=created_at&", "/orders?state=Draft&", "/orders/history?", "/customers?"] {
        app.get(&format!("{other}cursor={cursor}")).problem(400, "invalid-request");
    }
    app.get("/orders?cursor=nonsense").problem(400, "invalid-request");
}

#[test]
fn every_fault_in_the_query_of_a_list_is_named() {
    let app = TestApp::start();
    let faults = app.get("/orders?state=Eaten&customer_id=%20&product_id=&created_after=now&created_before=then&sort=colour&limit=501").faults();
    assert_eq!(faults.len(), 7, "{faults:?}");
    for path in ["/orders", "/orders/history", "/customers", "/customers/ada/orders", "/inventory"] {
        for limit in ["0", "501", "-1"] {
            assert_eq!(app.get(&format!("{path}?limit={limit}")).faults(), ["?limit"], "{path}");
        }
        assert_eq!(app.get(&format!("{path}?sort=colour")).faults(), ["?sort"]);
        app.get(&format!("{path}?colour=red")).problem(400, "invalid-request");
        app.get(&format!("{path}?limit=ten")).problem(400, "invalid-request");
    }
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
fn the_orders_of_a_customer_are_listed_in_whatever_state() {
    let app = TestApp::start();
    let (one, two) = (app.order_in("Draft"), app.order_in("Cancelled"));
    app.place(&json!({"customer_id": "bob"}));
    let list = read(&app, "/customers/ada/orders?sort=created_at").expect(200).json();
    assert_eq!(all(&list, "id"), [id(&one), id(&two)]);
    assert_eq!(all(&read(&app, "/customers/ada/orders?state=Cancelled").json(), "id"), [id(&two)]);
}

#[test]
fn customers_who_spent_most_come_first() {
    let app = TestApp::start();
    for (customer, price) in [("ada", 5), ("bob", 900), ("cid", 70)] {
        let path = app.place(&json!({"customer_id": customer, "items": [item("a", 1, price)]}));
        for step in ["submit", "reserve", "process", "complete"] {
            app.post(&format!("{path}/{step}"), &json!({})).expect(200);
        }
    }
    for query in ["", "?sort=total_spent", "?sort=-total_spent"] {
        assert_eq!(all(&read(&app, &format!("/customers{query}")).json(), "customer_id"), ["bob", "cid", "ada"]);
    }
    assert_eq!(all(&read(&app, "/customers?sort=customer_id").json(), "customer_id"), ["ada", "bob", "cid"]);
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
fn a_list_that_is_not_new_enough_in_time_is_503() {
    let app = TestApp::start();
    std::thread::scope(|scope| {
        for path in ["/orders", "/orders/history", "/customers", "/inventory"] {
            let app = &app;
            scope.spawn(move || app.get(&format!("{path}?min_position=1")).problem(503, "position-not-reached"));
        }
    });
}

#[test]
fn operators_see_how_far_the_read_models_are_and_build_one_anew() {
    let app = TestApp::start();
    app.draft();
    read(&app, "/orders").expect(200);
    let projections = app.get("/admin/projections").expect(200).json();
    assert_eq!(projections.as_array().unwrap().len(), 4);
    let begun = app.post("/admin/projections/current_orders/rebuild", &json!({})).expect(202);
    assert_eq!(begun.header("location"), Some("/admin/projections/current_orders"));
    assert_eq!(app.get("/admin/projections/current_orders").expect(200).json()["name"], "current_orders");
    app.get("/admin/projections/nothing").problem(404, "not-found");
    assert_eq!(app.get("/admin/dead-letters").expect(200).json(), json!([]));
    assert_eq!(all(&read(&app, "/orders").expect(200).json(), "state"), ["Draft"]);
}
