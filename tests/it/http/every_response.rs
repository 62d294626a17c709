//! What holds for every path and every method.

use reqwest::Method;
use serde_json::json;

use crate::support::{api::Reply, test_app::TestApp};

const READS: [&str; 9] = [
    "/livez",
    "/readyz",
    "/health",
    "/metrics",
    "/openapi.json",
    "/docs/",
    "/problems/not-found",
    "/events",
    "/orders/{id}",
];

fn with_request_id(app: &TestApp, id: &[u8]) -> Reply {
    Reply::to(app.request(Method::GET, "/livez").header("X-Request-Id", id))
}

#[test]
fn every_response_has_a_request_id_of_its_own() {
    let app = TestApp::start();
    let path = app.draft();
    let replies = [
        app.get("/livez"),
        app.get(&path),
        app.get("/nope"),
        app.get("/orders/x"),
        app.get("/docs/"),
        app.get("/docs"),
        app.post("/orders", &json!({})),
        app.post_text("/orders", "{"),
        app.post(&format!("{path}/reserve"), &json!({})),
        app.delete("/orders"),
        Reply::to(app.request(Method::OPTIONS, "/orders")),
        Reply::to(app.request(Method::HEAD, "/events")),
    ];
    let mut ids: Vec<_> = replies.iter().map(|reply| reply.header("x-request-id").unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), replies.len());
}

#[test]
fn a_fit_request_id_comes_back() {
    let app = TestApp::start();
    for id in ["a", "0192e4a0-7c1d-7a11-9f3e-2b8a66d0c0fe", &"x".repeat(64), "!~"] {
        assert_eq!(with_request_id(&app, id.as_bytes()).header("x-request-id"), Some(id));
    }
}

#[test]
fn an_unfit_request_id_is_replaced() {
    let app = TestApp::start();
    for id in ["", &"x".repeat(65), "two words", "ünïcode"] {
        let reply = with_request_id(&app, id.as_bytes());
        assert!(uuid::Uuid::parse_str(reply.header("x-request-id").unwrap()).is_ok(), "{id}");
    }
}

#[test]
fn a_problem_names_the_request() {
    let app = TestApp::start();
    let path = app.draft();
    let requests = [app.request(Method::GET, "/nope"), app.request(Method::POST, &format!("{path}/reserve"))];
    for request in requests {
        let reply = Reply::to(request.header("X-Request-Id", "req-1"));
        assert_eq!(reply.json()["request_id"], "req-1");
        assert_eq!(reply.header("x-request-id"), Some("req-1"));
    }
}

#[test]
fn an_unknown_path_is_404_whatever_the_method() {
    let app = TestApp::start();
    let paths = [
        "/nope",
        "/",
        "/orders/",
        "/orders//items",
        "/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2/nope",
        "/docs/nope",
        "/problems/nope",
    ];
    for path in paths {
        app.get(path).problem(404, "not-found");
    }
    for path in ["/nope", "/orders/"] {
        app.post(path, &json!({})).problem(404, "not-found");
        Reply::to(app.request(Method::OPTIONS, path)).problem(404, "not-found");
    }
}

#[test]
fn a_method_that_a_path_does_not_take_is_405_and_allow_names_those_it_takes() {
    let app = TestApp::start();
    let id = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    let cases = [
        ("/orders".to_owned(), "GET, HEAD, POST"),
        (format!("/orders/{id}"), "GET, HEAD"),
        (format!("/orders/{id}/items"), "POST"),
        (format!("/orders/{id}/items/1"), "PATCH, DELETE"),
        (format!("/orders/{id}/events"), "GET, HEAD"),
        ("/events".to_owned(), "GET, HEAD"),
        ("/docs".to_owned(), "GET, HEAD"),
        ("/docs/".to_owned(), "GET, HEAD"),
        ("/metrics".to_owned(), "GET, HEAD"),
    ];
    for (path, allowed) in cases {
        for method in [Method::PUT, Method::TRACE, Method::from_bytes(b"BREW").unwrap()] {
            let reply = Reply::to(app.request(method, &path));
            reply.problem(405, "method-not-allowed");
            let allow: Vec<_> = reply.headers.get_all("allow").iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(allow.join(", "), allowed, "{path}");
        }
    }
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let app = TestApp::start();
    let order = app.draft();
    for path in READS {
        let path = path.replace("/orders/{id}", &order);
        let (get, head) = (app.get(&path).expect(200), Reply::to(app.request(Method::HEAD, &path)).expect(200));
        assert_eq!(head.body, "", "{path}");
        for name in ["content-type", "etag", "x-position"] {
            assert_eq!(get.header(name), head.header(name), "{path}");
        }
    }
    let missing = Reply::to(app.request(Method::HEAD, "/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2")).expect(404);
    assert_eq!(missing.body, "");
}

#[test]
fn options_names_the_methods_of_a_path() {
    let app = TestApp::start();
    let id = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    let cases = [
        ("/orders".to_owned(), "GET, HEAD, POST, OPTIONS"),
        ("/events".to_owned(), "GET, HEAD, OPTIONS"),
        (format!("/orders/{id}/items/1"), "PATCH, DELETE, OPTIONS"),
    ];
    for (path, methods) in cases {
        let reply = Reply::to(app.request(Method::OPTIONS, &path)).expect(204);
        assert_eq!((reply.header("allow"), reply.body.as_str()), (Some(methods), ""));
    }
}

#[test]
fn answers_in_json_say_so() {
    let app = TestApp::start();
    let path = app.draft();
    for path in [path.as_str(), &format!("{path}/events"), "/events", "/readyz", "/livez", "/openapi.json"] {
        assert_eq!(app.get(path).expect(200).header("content-type"), Some("application/json"), "{path}");
    }
}
