//! `ETag`, `If-Match` and `If-None-Match`

use reqwest::{Method, blocking::RequestBuilder};
use serde_json::json;

use crate::support::{
    api::{Reply, widget},
    test_app::TestApp,
};

fn add(app: &TestApp, path: &str) -> RequestBuilder {
    app.request(Method::POST, &format!("{path}/items")).json(&widget(1))
}

fn add_if(app: &TestApp, path: &str, tags: &str) -> Reply {
    Reply::to(add(app, path).header("If-Match", tags))
}

fn get_unless(app: &TestApp, path: &str, tags: &str) -> Reply {
    Reply::to(app.request(Method::GET, path).header("If-None-Match", tags))
}

#[test]
fn a_command_runs_when_the_order_is_where_the_client_saw_it() {
    let app = TestApp::start();
    let path = app.draft();
    let seen = app.get(&path);
    let answer = add_if(&app, &path, seen.header("etag").unwrap()).expect(200);
    assert_eq!(answer.header("etag"), Some("\"3\""));
}

#[test]
fn a_command_on_a_version_that_has_passed_is_412_with_the_version_and_changes_nothing() {
    let app = TestApp::start();
    let path = app.draft();
    assert_eq!(add_if(&app, &path, "\"1\"").problem(412, "version-conflict")["version"], 2);
    assert_eq!(app.get(&path).json()["version"], 2);
}

#[test]
fn every_command_on_an_order_heeds_if_match() {
    let app = TestApp::start();
    let path = app.draft();
    let commands = [
        (Method::POST, "items", widget(1)),
        (Method::PATCH, "items/1", json!({"quantity": 5})),
        (Method::DELETE, "items/1", json!({})),
        (Method::POST, "submit", json!({})),
        (Method::POST, "reserve", json!({})),
        (Method::POST, "process", json!({})),
        (Method::POST, "complete", json!({})),
        (Method::POST, "cancel", json!({"reason": "x"})),
        (Method::POST, "returns", json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "x"})),
    ];
    for (method, step, body) in commands {
        let request = app.request(method, &format!("{path}/{step}")).json(&body).header("If-Match", "\"9\"");
        assert_eq!(Reply::to(request).problem(412, "version-conflict")["version"], 2, "{step}");
    }
}

#[test]
fn one_of_several_tags_is_enough() {
    let app = TestApp::start();
    let path = app.draft();
    add_if(&app, &path, "\"1\", \"2\"").expect(200);
    add_if(&app, &path, "\"1\", \"2\"").problem(412, "version-conflict");
    let twice = add(&app, &path).header("If-Match", "\"1\"").header("If-Match", "\"3\"");
    Reply::to(twice).expect(200);
}

#[test]
fn a_star_matches_every_version() {
    let app = TestApp::start();
    add_if(&app, &app.draft(), "*").expect(200);
}

#[test]
fn a_weak_or_foreign_tag_matches_no_version() {
    let app = TestApp::start();
    let path = app.draft();
    for tag in ["W/\"2\"", "\"two\"", "\"02\"", "\"+2\"", "\"\"", "\"99999999999999999999\""] {
        add_if(&app, &path, tag).problem(412, "version-conflict");
    }
}

#[test]
fn what_is_no_tag_is_400() {
    let app = TestApp::start();
    let path = app.draft();
    for tag in ["2", "\"2", "", "\"2\",", "\"1\" \"2\""] {
        add_if(&app, &path, tag).problem(400, "invalid-request");
    }
}

#[test]
fn an_order_that_is_not_there_is_404_whatever_tag_is_sent() {
    let app = TestApp::start();
    add_if(&app, "/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2", "\"1\"").problem(404, "not-found");
}

#[test]
fn an_order_to_be_placed_matches_no_version() {
    let app = TestApp::start();
    let request = app.request(Method::POST, "/orders").json(&json!({})).header("If-Match", "\"1\"");
    assert_eq!(Reply::to(request).problem(412, "version-conflict")["version"], 0);
    assert_eq!(app.head(), 0);
}

#[test]
fn without_if_match_a_command_runs_wherever_the_order_is() {
    let app = TestApp::start();
    let path = app.draft();
    for _ in 0..3 {
        Reply::to(add(&app, &path)).expect(200);
    }
}

#[test]
fn a_client_that_has_the_version_gets_304_without_a_body() {
    let app = TestApp::start();
    let path = app.draft();
    for tags in ["\"2\"", "W/\"2\"", "\"1\", \"2\"", "*"] {
        let unchanged = get_unless(&app, &path, tags).expect(304);
        assert_eq!((unchanged.body.as_str(), unchanged.header("etag")), ("", Some("\"2\"")));
        assert!(unchanged.header("content-type").is_none());
    }
}

#[test]
fn a_client_that_has_another_version_gets_the_order() {
    let app = TestApp::start();
    let path = app.draft();
    for tags in ["\"1\"", "\"3\"", "\"22\"", "2"] {
        assert_eq!(get_unless(&app, &path, tags).expect(200).json()["version"], 2);
    }
}

#[test]
fn a_version_of_the_past_has_its_tag_too() {
    let app = TestApp::start();
    let past = format!("{}?at_version=1", app.draft());
    get_unless(&app, &past, "\"1\"").expect(304);
    get_unless(&app, &past, "\"2\"").expect(200);
}

#[test]
fn an_order_that_is_not_there_is_404_whatever_the_client_has() {
    let app = TestApp::start();
    get_unless(&app, "/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2", "*").problem(404, "not-found");
}

#[test]
fn of_many_clients_that_saw_the_same_version_one_wins() {
    let app = TestApp::start();
    let path = app.draft();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| add_if(&app, &path, "\"2\"").status)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 15, "{statuses:?}");
    assert_eq!(app.get(&path).json()["version"], 3);
}
