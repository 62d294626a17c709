//! `GET /orders/{id}?at_version=` and `?at_time=`

use serde_json::{Value, json};

use crate::support::{api::widget, test_app::TestApp};

/// An order of several versions; its path and what it looked like at each version, the first being 1.
fn with_a_past(app: &TestApp) -> (String, Vec<Value>) {
    let path = app.place(&json!({"customer_id": "ada"}));
    let mut looks = vec![app.get(&path).json()];
    looks.push(app.post(&format!("{path}/items"), &widget(2)).expect(200).json());
    looks.push(app.patch(&format!("{path}/items/1"), &json!({"quantity": 5})).expect(200).json());
    looks.push(app.post(&format!("{path}/submit"), &json!({})).expect(200).json());
    looks.push(app.post(&format!("{path}/cancel"), &json!({"reason": "ordered twice"})).expect(200).json());
    (path, looks)
}

#[test]
fn every_version_can_be_looked_at_as_it_was() {
    let app = TestApp::start();
    let (path, looks) = with_a_past(&app);
    for (version, look) in (1..).zip(&looks) {
        let then = app.get(&format!("{path}?at_version={version}")).expect(200);
        assert_eq!(then.json(), *look);
        assert_eq!(then.header("etag"), Some(format!("\"{version}\"").as_str()));
    }
}

#[test]
fn a_version_inside_a_commit_can_be_looked_at() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [widget(2)]}));
    let opened = app.get(&format!("{path}?at_version=1")).expect(200).json();
    assert_eq!((opened["version"].as_u64(), opened["items"].as_array().unwrap().len()), (Some(1), 0));
}

#[test]
fn a_version_the_order_has_not_come_to_is_404() {
    let app = TestApp::start();
    let (path, _) = with_a_past(&app);
    app.get(&format!("{path}?at_version=6")).problem(404, "not-found");
    app.get(&format!("{path}?at_version=9223372036854775807")).problem(404, "not-found");
}

#[test]
fn the_time_of_an_event_shows_the_order_after_it() {
    let app = TestApp::start();
    let (path, looks) = with_a_past(&app);
    for look in &looks {
        let then = app.get(&format!("{path}?at_time={}", look["updated_at"].as_str().unwrap())).expect(200);
        assert_eq!(then.json(), *look);
    }
}

#[test]
fn a_time_to_come_shows_the_order_as_it_is() {
    let app = TestApp::start();
    let (path, looks) = with_a_past(&app);
    assert_eq!(app.get(&format!("{path}?at_time=9999-12-31T23:59:59Z")).expect(200).json(), *looks.last().unwrap());
}

#[test]
fn before_its_first_event_there_was_no_order() {
    let app = TestApp::start();
    let (path, _) = with_a_past(&app);
    app.get(&format!("{path}?at_time=2001-01-01T00:00:00Z")).problem(404, "not-found");
}

#[test]
fn a_time_may_be_told_in_any_zone() {
    let app = TestApp::start();
    let (path, _) = with_a_past(&app);
    app.get(&format!("{path}?at_time=9999-01-01T01:00:00%2B02:00")).expect(200);
}

#[test]
fn a_past_that_makes_no_sense_is_refused() {
    let app = TestApp::start();
    let (path, _) = with_a_past(&app);
    assert_eq!(app.get(&format!("{path}?at_version=0")).faults(), ["?at_version"]);
    assert_eq!(app.get(&format!("{path}?at_version=-1&min_position=-1")).faults(), ["?min_position", "?at_version"]);
    app.get(&format!("{path}?at_version=first")).problem(400, "invalid-request");
    app.get(&format!("{path}?at_version=1.5")).problem(400, "invalid-request");
    app.get(&format!("{path}?at_time=yesterday")).problem(400, "invalid-request");
    app.get(&format!("{path}?at_version=1&at_time=2026-01-01T00:00:00Z")).problem(400, "invalid-request");
    app.get(&format!("{path}?at_versoin=1")).problem(400, "invalid-request");
}

#[test]
fn an_unknown_order_has_no_past() {
    let app = TestApp::start();
    app.get("/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2?at_version=1").problem(404, "not-found");
}
