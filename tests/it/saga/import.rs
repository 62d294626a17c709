//! An import beside a running server: what a saga is moving stays with that saga.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    api::widget,
    in_process_app::InProcessApp,
    old_log::{append, draft},
    ordo_command::run,
    test_app::Store,
};

const ORDER: &str = "0190b5a0-0000-7000-8000-0000000000aa";

/// Imports the order with this outcome; gives the report and the rejects.
fn import(folder: &Path, outcome: &str, store: &str) -> (Value, String) {
    let [file, rejects] = ["order.jsonl", "rejects.csv"].map(|name| folder.join(name));
    let order = json!({
        "order_id": ORDER, "customer_id": "ada", "placed_at": "2024-05-01T10:00:00Z", "outcome": outcome, "items": [widget(2)],
    });
    std::fs::write(&file, order.to_string()).unwrap();
    let paths = [&file, &rejects].map(|path| path.to_str().unwrap());
    let report = run(&["import", paths[0], "--rejects", paths[1], "--json", "--store", store]).expect(0).out;
    (serde_json::from_str(&report).unwrap(), std::fs::read_to_string(&rejects).unwrap())
}

#[test]
fn an_import_leaves_an_order_alone_that_a_saga_is_fulfilling() {
    let folder = TempDir::new().unwrap();
    let app = InProcessApp::open_on(Store::postgres(), false);
    let path = format!("/orders/{ORDER}");
    assert_eq!(import(folder.path(), "draft", &app.store()).0["imported"], 1);
    app.partners.hang(true);
    app.post_async(&format!("{path}/fulfill"), &json!({})).expect(202);
    app.partners.wait_for_hanging(1);
    let before = app.event_types(ORDER);
    for outcome in ["completed", "cancelled"] {
        let (report, rejects) = import(folder.path(), outcome, &app.store());
        assert_eq!(report["refused"], 1, "{report}");
        assert!(rejects.contains("the order is being fulfilled; its saga is Running"), "{rejects}");
    }
    assert_eq!(app.event_types(ORDER), before);
    app.partners.hang(false);
    assert_eq!(app.rested(&path)["state"], "Completed");
    assert_eq!(import(folder.path(), "completed", &app.store()).0["already_there"], 1);
    assert_eq!(app.get(&path).json()["state"], "Completed");
}

#[test]
fn an_import_takes_an_order_on_whose_saga_cannot_be() {
    let (folder, store) = (TempDir::new().unwrap(), Store::sqlite());
    let saga_id = uuid::Uuid::new_v5(&ORDER.parse().unwrap(), b"fulfilment");
    append(&store.argument(), saga_id, None, &draft("mallory", "tea"));
    assert_eq!(import(folder.path(), "completed", &store.argument()).0["imported"], 1);
}
