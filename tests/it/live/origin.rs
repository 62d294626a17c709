//! Which pages may listen.

use reqwest::Method;

use crate::support::{
    api::Reply,
    live_client::upgrade,
    test_app::{Store, TestApp},
};

/// The status with which a page of this origin is answered.
fn status(app: &TestApp, origin: Option<&str>) -> u16 {
    let headers: Vec<_> = origin.into_iter().map(|origin| ("origin", origin)).collect();
    let request = upgrade(&app.address(), &headers);
    let mut ours = app.request(Method::GET, "/ws");
    for (name, value) in request.headers() {
        ours = ours.header(name.as_str(), value.to_str().unwrap());
    }
    ours.send().unwrap().status().as_u16()
}

#[test]
fn a_page_of_the_server_itself_and_no_page_at_all_may_listen() {
    let app = TestApp::start();
    assert_eq!(status(&app, None), 101);
    assert_eq!(status(&app, Some(&app.url(""))), 101);
}

#[test]
fn a_foreign_page_may_not_listen() {
    let app = TestApp::start();
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", ""] {
        assert_eq!(status(&app, Some(origin)), 403, "{origin}");
    }
    let reply = Reply::to(app.request(Method::GET, "/stream?topic=orders").header("Origin", "https://evil.example"));
    reply.problem(403, "forbidden");
}

#[test]
fn a_page_that_is_allowed_may_listen() {
    let app = TestApp::start_on(Store::Memory, &["--allow-origin", "https://shop.example,http://localhost:5173"]);
    assert_eq!(status(&app, Some("https://shop.example")), 101);
    assert_eq!(status(&app, Some("http://localhost:5173")), 101);
    assert_eq!(status(&app, Some("https://evil.example")), 403);
    let stream =
        app.request(Method::GET, "/stream?topic=orders").header("Origin", "https://shop.example").send().unwrap();
    assert_eq!(stream.headers()["access-control-allow-origin"], "https://shop.example");
}

#[test]
fn what_is_no_origin_is_refused_at_start() {
    let told = assert_cmd::Command::new(env!("CARGO_BIN_EXE_ordo"))
        .args(["serve", "--store", "memory", "--allow-origin", "shop.example"])
        .assert()
        .code(2);
    assert!(String::from_utf8_lossy(&told.get_output().stderr).contains("shop.example"));
}
