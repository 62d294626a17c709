//! Streams of our own have ids that nobody else can take.

use std::{fs, path::Path};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    api::widget,
    old_log::{append, draft},
    ordo_command::{orders, run, sqlite, verify},
    test_app::{Store, TestApp},
};

const ORDER: &str = "0190b5a0-0000-7000-8000-00000000f001";

fn saga_of(order: &str) -> Uuid {
    Uuid::new_v5(&order.parse().unwrap(), b"fulfilment")
}

#[test]
fn the_id_of_a_saga_cannot_be_taken_by_an_order_in_any_form_of_text() {
    let app = TestApp::start();
    let saga = saga_of(ORDER);
    let forms = [
        saga.hyphenated().to_string(),
        saga.hyphenated().to_string().to_uppercase(),
        saga.simple().to_string(),
        saga.braced().to_string(),
        saga.urn().to_string(),
        Uuid::nil().to_string(),
        Uuid::max().to_string(),
    ];
    for form in &forms {
        for dry in ["", "?dry_run=true"] {
            let order = json!({"order_id": form, "items": [widget(1)]});
            assert_eq!(app.post(&format!("/orders{dry}"), &order).faults(), ["/order_id"], "{form}");
        }
    }
    assert_eq!(app.head(), 0);
    let order = app.place(&json!({"order_id": ORDER, "items": [widget(1)]}));
    assert_eq!(app.post(&format!("{order}/fulfill"), &json!({})).expect(200).json()["saga_state"], "Completed");
}

#[test]
fn an_id_of_another_version_is_the_same_order_in_every_form_of_text() {
    let app = TestApp::start();
    for id in [Uuid::new_v4(), Uuid::now_v7(), Uuid::from_u128(1)] {
        app.post("/orders", &json!({"order_id": id.urn().to_string()})).expect(201);
        let forms = [id.simple().to_string(), id.braced().to_string(), id.hyphenated().to_string().to_uppercase()];
        for form in forms {
            app.post("/orders", &json!({"order_id": form})).problem(409, "state-conflict");
            assert_eq!(app.get(&format!("/orders/{form}")).expect(200).json()["id"], id.to_string());
        }
    }
}

#[test]
fn an_order_whose_saga_cannot_be_is_told_so_and_goes_on_by_hand() {
    let store = Store::sqlite();
    append(&store.argument(), saga_of(ORDER), None, &draft("mallory", "tea"));
    append(&store.argument(), ORDER.parse().unwrap(), None, &draft("ada", "tea"));
    let app = TestApp::start_on(store, &["--fulfil-on-submit"]);
    let path = format!("/orders/{ORDER}");
    app.post(&format!("{path}/fulfill"), &json!({})).problem(409, "state-conflict");
    app.post(&format!("{path}/submit"), &json!({})).problem(409, "state-conflict");
    app.get(&format!("{path}/saga")).problem(409, "state-conflict");
    assert_eq!(app.get(&path).json()["state"], "Draft");
    app.post(&format!("{path}/cancel"), &json!({"reason": "it cannot be fulfilled"})).expect(200);
    // The order that is in the way is an order like any other.
    assert_eq!(app.get(&format!("/orders/{}", saga_of(ORDER))).expect(200).json()["state"], "Draft");
}

fn import(file: &Path, text: &str, store: &str) -> (Value, String) {
    fs::write(file, text).unwrap();
    let rejects = file.with_extension("rejects");
    let arguments = ["--json", "--rejects", rejects.to_str().unwrap(), "--store", store];
    let report = run(&[&["import", file.to_str().unwrap()], &arguments[..]].concat()).expect(0).out;
    (serde_json::from_str(&report).unwrap(), fs::read_to_string(rejects).unwrap())
}

fn line(external_id: Option<&str>, order_id: Option<Uuid>) -> String {
    let item = json!({"product_id": "tea", "product_name": "tea", "quantity": 2, "unit_price_cents": 1000});
    let line = json!({"external_id": external_id, "order_id": order_id, "customer_id": "ada", "outcome": "completed",
                      "items": [item]});
    format!("{line}\n")
}

#[test]
fn what_was_imported_can_be_exported_and_imported_again_and_reserved_ids_of_others_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (sqlite(&folder.path().join("a.db")), sqlite(&folder.path().join("b.db")));
    let file = folder.path().join("orders.jsonl");
    let text = line(Some("536365"), None) + &line(None, Some(ORDER.parse().unwrap())) + &line(None, None);
    assert_eq!(import(&file, &text, &first).0["imported"], 3);
    assert_eq!(import(&file, &text, &first).0["already_there"], 3);
    let exported = orders(&first);
    assert_eq!(import(&file, &exported, &second).0["imported"], 3);
    assert_eq!(orders(&second), exported);
    verify(&second);
    let own: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let id: Uuid = own["order_id"].as_str().unwrap().parse().unwrap();
    assert_eq!((id.get_version_num(), &own["external_id"]), (5, &json!("536365")));
    let squatters = line(None, Some(saga_of(ORDER))) + &line(Some("536366"), Some(id)) + &line(None, Some(Uuid::nil()));
    let (report, rejects) = import(&file, &squatters, &second);
    assert_eq!((&report["imported"], &report["rejected"]["bad_value"]), (&json!(0), &json!(3)), "{rejects}");
    assert_eq!(rejects.matches("order_id must be a UUID of another version than 5").count(), 3, "{rejects}");
}

#[test]
fn an_order_that_an_earlier_version_imported_is_found_again_and_a_squatter_is_not_taken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(&folder.path().join("ordo.db"));
    let file = folder.path().join("orders.jsonl");
    let known = earlier_id("536365");
    let squatted = earlier_id("536366");
    append(&store, known, Some("import:536365"), &draft("ada", "tea"));
    append(&store, squatted, Some("import-536366"), &draft("mallory", "tea"));
    let text = line(Some("536365"), None) + &line(Some("536366"), None);
    let (report, rejects) = import(&file, &text, &store);
    assert_eq!((&report["imported"], &report["refused"]), (&json!(2), &json!(0)), "{rejects}");
    let states: Vec<(String, String)> = orders(&store)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|order| (order["customer_id"].as_str().unwrap().into(), order["outcome"].as_str().unwrap().into()))
        .collect();
    let pair = |customer: &str, outcome: &str| (customer.to_owned(), outcome.to_owned());
    assert_eq!(states, [pair("ada", "completed"), pair("mallory", "draft"), pair("ada", "completed")]);
    assert_eq!(import(&file, &text, &store).0["already_there"], 2);
}

/// As orders of a number were named before ids of version 5 were reserved.
fn earlier_id(number: &str) -> Uuid {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(number);
    let mut tail = [0; 10];
    tail.copy_from_slice(&digest[..10]);
    uuid::Builder::from_unix_timestamp_millis(0, &tail).into_uuid()
}

#[test]
fn the_mark_of_an_import_is_not_taken_from_a_client() {
    let app = TestApp::start_on(Store::sqlite(), &[]);
    let request = app.request(reqwest::Method::POST, "/orders").header("X-Request-Id", "import:536365");
    let placed = crate::support::api::Reply::to(request.json(&json!({"items": [widget(1)]}))).expect(201);
    assert_ne!(placed.header("x-request-id"), Some("import:536365"));
}

#[test]
fn an_order_placed_more_than_a_day_ahead_of_now_is_refused_over_http_and_in_a_file() {
    let app = TestApp::start();
    for time in ["9999-12-31T23:59:59Z", "2500-01-01T00:00:00+01:00"] {
        assert_eq!(app.post("/orders", &json!({"placed_at": time})).faults(), ["/placed_at"], "{time}");
    }
    let soon = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()) + chrono::TimeDelta::hours(23);
    app.post("/orders", &json!({"placed_at": soon.to_rfc3339()})).expect(201);
    app.post("/orders", &json!({"placed_at": "1850-01-01T00:00:00Z"})).expect(201);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.jsonl");
    let text = r#"{"placed_at":"9999-12-31T23:59:59Z","items":[]}"#;
    let (report, rejects) = import(&file, text, &sqlite(&folder.path().join("ordo.db")));
    assert_eq!((&report["imported"], &report["refused"]), (&json!(0), &json!(1)));
    assert!(rejects.contains("placed_at must not be more than a day ahead"), "{rejects}");
}
