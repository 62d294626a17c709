//! Who may send requests: by which name the server is asked, and from which page.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use reqwest::{Method, blocking::RequestBuilder};
use serde_json::json;

use crate::support::{
    api::Reply,
    partner_process::PartnerProcess,
    test_app::{Store, TestApp},
};

const EVIL: &str = "http://evil.example";
const SHOP: &str = "https://shop.example";

/// The status line's code of what a server answers to these very bytes.
fn raw(address: &str, request: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[test]
fn who_is_refused_keeps_the_connection() {
    let app = TestApp::start();
    let mut stream = TcpStream::connect(app.address()).unwrap();
    let mut heads = String::new();
    for _ in 0..3 {
        let body = r#"{"customer_id":"ada"}"#;
        let head =
            "POST /orders HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Type: application/json";
        // In one piece: after a body that is still to come the connection is closed.
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).unwrap();
        heads.push_str(std::str::from_utf8(&answer[..length]).unwrap());
    }
    assert_eq!(heads.matches("HTTP/1.1 403").count(), 3, "{heads}");
}

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[test]
fn what_a_foreign_page_sends_changes_nothing() {
    let app = TestApp::start();
    let order = app.draft();
    let head = app.head();
    let paths = [
        (Method::POST, "/orders".to_owned()),
        (Method::POST, format!("{order}/submit")),
        (Method::POST, format!("{order}/fulfill")),
        (Method::PATCH, format!("{order}/items/1")),
        (Method::DELETE, format!("{order}/items/1")),
        (Method::POST, "/admin/projections/current-orders/rebuild".to_owned()),
        (Method::POST, "/nowhere".to_owned()),
    ];
    let pages: [&[(&str, &str)]; 5] = [
        &[("Origin", EVIL)],
        &[("Origin", "null")],
        &[("Origin", "http://127.0.0.1:1")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
    ];
    for (method, path) in paths {
        for page in pages {
            for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
                let request = with(app.request(method.clone(), &path), page).header("Content-Type", kind).body("{}");
                Reply::to(request).problem(403, "forbidden");
            }
            Reply::to(with(app.request(method.clone(), &path), page)).problem(403, "forbidden");
        }
    }
    assert_eq!(app.head(), head);
    // What is no page, and the server's own page, may.
    app.post(&format!("{order}/submit"), &json!({})).expect(200);
    let own = [("Origin", app.url("")), ("Sec-Fetch-Site", "same-origin".into())];
    let own = own.each_ref().map(|(name, value)| (*name, value.as_str()));
    Reply::to(with(app.request(Method::POST, "/orders"), &own)).expect(201);
}

#[test]
fn what_operators_send_is_called_json_too() {
    let app = TestApp::start();
    let id = uuid::Uuid::nil();
    for path in [
        "/admin/projections/current_orders/rebuild".to_owned(),
        format!("/admin/dead-letters/current_orders/{id}/retry"),
    ] {
        let names = app.get("/admin/projections").json();
        let path = path.replace("current_orders", names[0]["name"].as_str().unwrap());
        let request = app.request(Method::POST, &path).header("Content-Type", "text/plain").body("{}");
        Reply::to(request).problem(415, "unsupported-media-type");
        app.post(&path, &json!({"colour": "red"})).problem(400, "invalid-request");
        let bare = Reply::to(app.request(Method::POST, &path));
        assert!(bare.status < 300, "{}", bare.body);
    }
}

#[test]
fn a_server_of_this_machine_is_not_asked_by_another_name() {
    let app = TestApp::start();
    let address = app.address();
    for path in ["/orders", "/stream?topic=orders", "/ws", "/livez", "/docs/", "/nowhere"] {
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "192.0.2.1", ""] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                Reply::to(app.request(method, path).header("Host", host)).problem(421, "misdirected-request");
            }
        }
    }
    // A page whose name was made to point here has that name in both.
    let rebound = [("Host", "evil.example"), ("Origin", EVIL)];
    Reply::to(with(app.request(Method::POST, "/orders"), &rebound)).problem(421, "misdirected-request");
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:9", "[::1]:8080"] {
        Reply::to(app.request(Method::GET, "/orders").header("Host", host)).expect(200);
    }
    assert_eq!(raw(&address, "GET http://evil.example/orders HTTP/1.1\r\nHost: localhost\r\n\r\n"), 421);
    assert_eq!(raw(&address, "GET http://localhost/orders HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    assert_eq!(raw(&address, "GET /orders HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(raw(&address, "GET /orders HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"), 400);
    assert_eq!(raw(&address, "GET /orders HTTP/1.0\r\n\r\n"), 200);
}

#[test]
fn a_name_that_is_allowed_is_asked_for_and_its_page_is_our_own() {
    let app = TestApp::start_on(Store::Memory, &["--allow-host", "orders.example,orders.internal"]);
    for host in ["orders.example", "Orders.Internal:8080", "localhost"] {
        Reply::to(app.request(Method::GET, "/orders").header("Host", host)).expect(200);
    }
    let own = [("Host", "orders.example"), ("Origin", "https://orders.example")];
    Reply::to(with(app.request(Method::POST, "/orders"), &own)).expect(201);
    Reply::to(app.request(Method::GET, "/orders").header("Host", "evil.example")).problem(421, "misdirected-request");
    let told = assert_cmd::Command::new(env!("CARGO_BIN_EXE_ordo"))
        .args(["serve", "--store", "memory", "--allow-host", "orders.example:80"])
        .assert()
        .code(2);
    assert!(String::from_utf8_lossy(&told.get_output().stderr).contains("orders.example:80"));
}

#[test]
fn an_allowed_page_may_ask_send_and_read_and_no_other_is_told_that_it_may() {
    let app = TestApp::start_on(Store::Memory, &["--allow-origin", SHOP]);
    let ask = |origin: &str, method: &str| {
        let request = app.request(Method::OPTIONS, "/orders").header("Origin", origin);
        let headers = "content-type, idempotency-key, if-match, x-request-id, prefer";
        Reply::to(
            request.header("Access-Control-Request-Method", method).header("Access-Control-Request-Headers", headers),
        )
    };
    for method in ["POST", "PATCH", "DELETE", "GET"] {
        let told = ask(SHOP, method).expect(200);
        assert_eq!(told.header("access-control-allow-origin"), Some(SHOP));
        let methods = told.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(method), "{methods}");
        assert!(told.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
        assert!(told.header("access-control-max-age").is_some());
        assert_eq!(told.header("access-control-allow-credentials"), None);
        assert_eq!(ask(EVIL, method).header("access-control-allow-origin"), None);
    }
    let page = [("Origin", SHOP), ("Sec-Fetch-Site", "cross-site")];
    let replies = [
        Reply::to(with(app.request(Method::POST, "/orders"), &page).json(&json!({}))).expect(201),
        Reply::to(with(app.request(Method::GET, "/orders"), &page)).expect(200),
        // What goes wrong can be read as well.
        Reply::to(with(app.request(Method::POST, "/orders"), &page).body("{}")).expect(415),
        Reply::to(with(app.request(Method::GET, "/nowhere"), &page)).expect(404),
        Reply::to(with(app.request(Method::PUT, "/orders"), &page)).expect(405),
    ];
    for reply in replies {
        assert_eq!(reply.header("access-control-allow-origin"), Some(SHOP), "{}", reply.body);
        let shown = reply.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in [
            "etag",
            "location",
            "link",
            "x-position",
            "x-request-id",
            "x-total-count",
            "retry-after",
            "idempotency-replayed",
        ] {
            assert!(shown.contains(name), "{name} in {shown}");
        }
        assert!(reply.headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("Origin")));
    }
    let foreign = Reply::to(app.request(Method::GET, "/orders").header("Origin", EVIL)).expect(200);
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    Reply::to(app.request(Method::POST, "/orders").header("Origin", EVIL)).problem(403, "forbidden");
}

#[test]
fn every_answer_tells_browsers_to_take_it_for_nothing_else() {
    let app = TestApp::start();
    let order = app.draft();
    let replies = [
        (app.get(&order), "private, no-cache"),
        (Reply::to(app.request(Method::GET, &order).header("If-None-Match", "\"2\"")).expect(304), "private, no-cache"),
        (app.get("/orders"), "no-store"),
        (app.post("/orders", &json!({})), "no-store"),
        (app.get("/nowhere"), "no-store"),
        (app.get("/problems/not-found"), "no-store"),
        (app.get("/docs/"), "no-cache"),
        (Reply::to(app.request(Method::POST, "/orders").header("Origin", EVIL)), "no-store"),
    ];
    for (reply, kept) in replies {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("referrer-policy"), Some("same-origin"));
        assert!(reply.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(reply.header("cache-control"), Some(kept), "{}", reply.body);
    }
}

#[test]
fn partners_are_guarded_as_the_server_is() {
    let partners = PartnerProcess::start_with(&["--allow-host", "partners.example"]);
    let http = reqwest::blocking::Client::new();
    let script = |headers: &[(&str, &str)]| {
        let request = http.post(partners.url("/script")).body(r#"{"call": "charge", "outcomes": ["ok"]}"#);
        Reply::to(with(request, headers))
    };
    let json = ("Content-Type", "application/json");
    script(&[json]).expect(204);
    script(&[json, ("Host", "partners.example")]).expect(204);
    script(&[]).problem_of_partners(415);
    script(&[("Content-Type", "text/plain")]).problem_of_partners(415);
    script(&[json, ("Origin", EVIL)]).problem_of_partners(403);
    script(&[json, ("Origin", "null")]).problem_of_partners(403);
    script(&[json, ("Sec-Fetch-Site", "cross-site")]).problem_of_partners(403);
    script(&[json, ("Host", "evil.example"), ("Origin", EVIL)]).problem_of_partners(421);
    for path in ["/", "/audit"] {
        Reply::to(http.get(partners.url(path)).header("Host", "evil.example")).problem_of_partners(421);
        let page = Reply::to(http.get(partners.url(path))).expect(200);
        assert_eq!(
            (page.header("x-content-type-options"), page.header("x-frame-options")),
            (Some("nosniff"), Some("DENY"))
        );
    }
}

impl Reply {
    /// Problems of the partners name no request.
    #[track_caller]
    fn problem_of_partners(&self, status: u16) {
        assert_eq!(
            (self.status, self.header("content-type")),
            (status, Some("application/problem+json")),
            "{}",
            self.body
        );
        assert_eq!(self.json()["status"], status);
    }
}
