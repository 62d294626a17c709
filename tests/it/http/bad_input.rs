//! What is wrong is refused, told exactly, and changes nothing.

use std::{
    io::{Cursor, Read, Write},
    net::TcpStream,
    time::Duration,
};

use reqwest::{Method, blocking::Body};
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item, widget},
    test_app::{Store, TestApp},
};

/// An order of one item, with one field of it replaced by text as it is.
fn with_field(field: &str, value: &str) -> String {
    let mut item =
        format!(r#"{{"product_id":"a","product_name":"A","quantity":1,"unit_price_cents":1,"{field}":{value}}}"#);
    let old = match field {
        "quantity" | "unit_price_cents" => format!(r#""{field}":1,"#),
        _ => format!(r#""{field}":"{}","#, if field == "product_id" { "a" } else { "A" }),
    };
    item = item.replacen(&old, "", 1);
    format!(r#"{{"items":[{item}]}}"#)
}

/// Sends bytes as they are and reads until the server closes.
fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A server that refuses early stops reading.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_not_json_is_400() {
    let app = TestApp::start();
    for body in [
        "{",
        "}",
        "nope",
        "{\"items\":[}",
        "{'items':[]}",
        "{\"items\":[],}",
        "{} {}",
        "\u{feff}{}",
        "NaN",
        "{\"a\":\"\u{1}\"}",
    ] {
        app.post_text("/orders", body).problem(400, "invalid-request");
    }
    let post = app.request(Method::POST, "/orders").header("Content-Type", "application/json");
    let broken_utf8 = post.body(b"{\"customer_id\":\"\xff\"}".as_slice());
    Reply::to(broken_utf8).problem(400, "invalid-request");
    assert_eq!(app.head(), 0);
}

#[test]
fn json_that_is_no_object_is_400() {
    let app = TestApp::start();
    let path = app.draft();
    for body in ["null", "[]", "1", "\"x\"", "true", "[{}]"] {
        app.post_text("/orders", body).problem(400, "invalid-request");
        app.post_text(&format!("{path}/submit"), body).problem(400, "invalid-request");
    }
    app.post_text(&format!("{path}/items"), r#"["a","A",1,1]"#).problem(400, "invalid-request");
    app.post_text("/orders", r#"{"items":[["a","A",1,1]]}"#).problem(400, "invalid-request");
    app.post_text("/orders", r#"{"items":{"0":{}}}"#).problem(400, "invalid-request");
    assert_eq!(app.get(&path).json()["version"], 2);
}

#[test]
fn an_unknown_field_is_400_and_named() {
    let app = TestApp::start();
    let path = app.order_in("Submitted");
    let problem = app.post("/orders", &json!({"colour": "red"})).problem(400, "invalid-request");
    assert!(problem["detail"].as_str().unwrap().contains("colour"), "{problem}");
    let mut colourful = widget(1);
    colourful["invalid value"] = json!("red");
    let problem = app.post("/orders", &json!({"items": [widget(1), colourful]})).problem(400, "invalid-request");
    assert!(problem["pointer"].as_str().unwrap().starts_with("/items/1"), "{problem}");
    for step in ["items", "submit", "reserve", "process", "complete", "cancel", "returns"] {
        app.post(&format!("{path}/{step}"), &json!({"colour": "red"})).problem(400, "invalid-request");
    }
    app.patch(&format!("{path}/items/1"), &json!({"quantity": 1, "colour": "red"})).problem(400, "invalid-request");
    Reply::to(app.request(Method::DELETE, &format!("{path}/items/1")).json(&json!({"colour": 1})))
        .problem(400, "invalid-request");
}

#[test]
fn a_field_named_twice_is_400() {
    let app = TestApp::start();
    app.post_text("/orders", r#"{"customer_id":"ada","customer_id":"bob"}"#).problem(400, "invalid-request");
}

#[test]
fn a_missing_field_is_400_and_named() {
    let app = TestApp::start();
    for field in ["product_id", "product_name", "quantity", "unit_price_cents"] {
        let mut item = widget(1);
        item.as_object_mut().unwrap().remove(field);
        let problem = app.post("/orders", &json!({"items": [item]})).problem(400, "invalid-request");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }
}

#[test]
fn a_value_of_another_kind_is_400_and_its_place_named() {
    let app = TestApp::start();
    for (field, value) in [
        ("quantity", "\"1\""),
        ("quantity", "null"),
        ("quantity", "true"),
        ("quantity", "[1]"),
        ("unit_price_cents", "\"1\""),
        ("unit_price_cents", "{}"),
        ("product_id", "1"),
        ("product_id", "null"),
        ("product_name", "[]"),
    ] {
        let problem = app.post_text("/orders", with_field(field, value)).problem(400, "invalid-request");
        assert_eq!(problem["pointer"], format!("/items/0/{field}"), "{value}");
    }
}

#[test]
fn a_number_out_of_range_is_422_and_its_place_named() {
    let app = TestApp::start();
    let too_much = [
        ("quantity", "0"),
        ("quantity", "-1"),
        ("quantity", "1.5"),
        ("quantity", "1000000001"),
        ("quantity", "9223372036854775807"),
        ("quantity", "-9223372036854775808"),
        ("quantity", "9223372036854775808"),
        ("quantity", "99999999999999999999"),
        ("quantity", "1e400"),
        ("quantity", "-1e400"),
        ("quantity", "1e-400"),
        ("unit_price_cents", "0"),
        ("unit_price_cents", "-0"),
        ("unit_price_cents", "-5"),
        ("unit_price_cents", "0.01"),
        ("unit_price_cents", "1e19"),
        ("unit_price_cents", "99999999999999999999"),
        ("unit_price_cents", "1e400"),
    ];
    for (field, value) in too_much {
        let faults = app.post_text("/orders", with_field(field, value)).faults();
        assert_eq!(faults, [format!("/items/0/{field}")], "{value}");
    }
    assert_eq!(app.head(), 0);
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_or_an_exponent() {
    let app = TestApp::start();
    for value in ["2.0", "2e0", "20e-1"] {
        let placed = app.post_text("/orders", with_field("quantity", value)).expect(201);
        assert_eq!(app.get(placed.header("location").unwrap()).json()["items"][0]["quantity"], 2);
    }
}

#[test]
fn text_that_is_too_long_empty_blank_or_unprintable_is_422() {
    let app = TestApp::start();
    let bad = |value: &str| json!({"customer_id": value, "items": [item(value, 1, 1)]});
    for value in
        [&"x".repeat(65), "", " ", " x", "x ", "\t", "a\u{0}b", "a\nb", "a\u{7f}b", "a\u{85}b", "a\u{2028}b", "\u{a0}x"]
    {
        assert_eq!(app.post("/orders", &bad(value)).faults().first().unwrap(), "/customer_id", "{value:?}");
        assert!(app.post("/orders", &bad(value)).faults().contains(&"/items/0/product_id".to_owned()), "{value:?}");
    }
    let named = |name: &str| json!({"items": [{"product_id": "a", "product_name": name, "quantity": 1, "unit_price_cents": 1}]});
    for name in ["x".repeat(501), "a\u{1}b".into(), "a\r\nb".into()] {
        assert_eq!(app.post("/orders", &named(&name)).faults(), ["/items/0/product_name"]);
    }
    app.post("/orders", &named(&"ü".repeat(500))).expect(201);
    app.post("/orders", &json!({"customer_id": "ü".repeat(64)})).expect(201);
}

#[test]
fn an_id_a_currency_and_a_time_that_are_none_are_422() {
    let app = TestApp::start();
    for id in ["x", "", "7d444840-9dc0-11d1-b245-5ffdce74fad", "7d444840-9dc0-11d1-b245-5ffdce74fadg"] {
        assert_eq!(app.post("/orders", &json!({"order_id": id})).faults(), ["/order_id"]);
    }
    for currency in ["usd", "US", "DOLLAR", "", "XAU", "XXX", "ZZZ", "€"] {
        assert_eq!(app.post("/orders", &json!({"currency": currency})).faults(), ["/currency"]);
    }
    for time in ["yesterday", "", "2026-02-30T00:00:00Z", "2026-01-01", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"]
    {
        assert_eq!(app.post("/orders", &json!({"placed_at": time})).faults(), ["/placed_at"], "{time}");
    }
}

#[test]
fn every_fault_of_a_request_is_told_at_once() {
    let app = TestApp::start();
    let order = json!({
        "order_id": "x", "customer_id": "", "currency": "usd", "placed_at": "now",
        "items": [widget(1), {"product_id": "", "product_name": "a\nb", "quantity": 0, "unit_price_cents": 1.5}],
    });
    let mut faults = app.post("/orders", &order).faults();
    faults.sort();
    let mut expected: Vec<_> =
        ["product_id", "product_name", "quantity", "unit_price_cents"].map(|field| format!("/items/1/{field}")).into();
    expected.extend(["/order_id", "/customer_id", "/currency", "/placed_at"].map(str::to_owned));
    expected.sort();
    assert_eq!(faults, expected);
    assert_eq!(app.head(), 0);
}

#[test]
fn a_flood_of_faults_is_told_up_to_a_thousand() {
    let app = TestApp::start();
    let items: Vec<_> = (0..2000).map(|_| widget(0)).collect();
    let reply = app.post("/orders", &json!({"items": items}));
    assert_eq!(reply.faults().len(), 1000);
    assert_eq!(reply.json()["detail"], "2000 values are out of range");
}

#[test]
fn what_a_client_sent_is_not_sent_back_at_length() {
    let app = TestApp::start();
    let long = "x".repeat(1 << 20);
    let mut body = serde_json::Map::new();
    body.insert(long.clone(), Value::Null);
    let replies = [
        app.post("/orders", &Value::Object(body)),
        app.post("/orders", &json!({"items": [long.clone()]})),
        app.post("/orders", &json!({"currency": long})),
    ];
    for reply in replies {
        assert!((400..500).contains(&reply.status));
        assert!(reply.body.len() < 8192, "{} bytes", reply.body.len());
    }
}

#[test]
fn an_order_of_a_hundred_thousand_lines_is_refused() {
    let items: Vec<_> = (0..100_000).map(|number| item(&format!("p{number}"), 1, 1)).collect();
    let order = json!({"items": items}).to_string();
    let app = TestApp::start_on(Store::Memory, &["--max-body-bytes", "33554432"]);
    assert_eq!(app.post_text("/orders", order.clone()).faults(), ["/items"]);
    drop(app);
    let app = TestApp::start();
    let chunked = app.request(Method::POST, "/orders").body(Body::new(Cursor::new(order)));
    // The server may close before it has read everything it refuses.
    if let Ok(response) = chunked.send() {
        Reply::read(response).problem(413, "too-large");
    }
    assert_eq!(app.head(), 0);
}

#[test]
fn a_body_larger_than_the_limit_is_413_before_it_is_sent() {
    let app = TestApp::start_on(Store::Memory, &["--max-body-bytes", "1000"]);
    let head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n{";
    let answer = raw(&app, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("/problems/too-large"), "{answer}");
    app.post("/orders", &json!({"customer_id": "ada"})).expect(201);
    app.post_text("/orders", format!("{{}}{}", " ".repeat(999))).problem(413, "too-large");
    app.post_text("/orders", format!("{{}}{}", " ".repeat(998))).expect(201);
}

#[test]
fn json_nested_without_end_is_400() {
    let app = TestApp::start();
    app.post_text("/orders", "[".repeat(1_000_000)).problem(400, "invalid-request");
    app.post_text("/orders", "{\"items\":".repeat(100_000)).problem(400, "invalid-request");
}

#[test]
fn a_body_that_is_not_called_json_or_is_packed_is_415() {
    let app = TestApp::start();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data; boundary=x",
        "",
        "application/vnd.api+json",
        "application/merge-patch+json",
        "application/json; charset=utf-16",
    ] {
        let request = app.request(Method::POST, "/orders").header("Content-Type", kind).body("{}");
        Reply::to(request).problem(415, "unsupported-media-type");
    }
    Reply::to(app.request(Method::POST, "/orders").body("{}")).problem(415, "unsupported-media-type");
    let json = ("Content-Type", "application/json");
    let packed =
        app.request(Method::POST, "/orders").header(json.0, json.1).header("Content-Encoding", "gzip").body("{}");
    Reply::to(packed).problem(415, "unsupported-media-type");
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = app.request(Method::POST, "/orders").header("Content-Type", kind).body("{}");
        Reply::to(request).expect(201);
    }
}

#[test]
fn an_id_in_a_path_that_is_none_is_400() {
    let app = TestApp::start();
    for id in ["x", "1", "7d444840-9dc0-11d1-b245-5ffdce74fad", "%00", "..%2f..", "%27%20OR%201=1"] {
        app.get(&format!("/orders/{id}")).problem(400, "invalid-request");
        app.get(&format!("/orders/{id}/events")).problem(400, "invalid-request");
        app.post(&format!("/orders/{id}/submit"), &json!({})).problem(400, "invalid-request");
    }
    let path = app.draft();
    for line in ["x", "-1", "+1", "1.0", "4294967296"] {
        app.delete(&format!("{path}/items/{line}")).problem(400, "invalid-request");
        app.patch(&format!("{path}/items/{line}"), &json!({"quantity": 1})).problem(400, "invalid-request");
    }
}

#[test]
fn headers_without_end_are_refused_and_the_server_goes_on() {
    let app = TestApp::start();
    let huge = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Big: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = raw(&app, huge.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let many = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-A: b\r\n".repeat(10_000));
    let answer = raw(&app, many.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    app.get("/livez").expect(200);
}

#[test]
fn what_is_no_http_is_refused_and_the_server_goes_on() {
    let app = TestApp::start();
    let requests: [&[u8]; 4] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: b\x00c\r\n\r\n",
        b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ];
    for request in requests {
        let answer = raw(&app, request);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(app.head(), 0);
}

#[test]
fn a_body_that_breaks_off_changes_nothing() {
    let app = TestApp::start();
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream
        .write_all(b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"customer_id\":\"ada\"}")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert_eq!(app.head(), 0);
}

#[test]
fn no_answer_tells_what_the_server_is_made_of() {
    let app = TestApp::start();
    let path = app.draft();
    let replies = [
        app.post_text("/orders", "[]"),
        app.post_text("/orders", "{\"items\":[1]}"),
        app.post_text("/orders", "{\"items\":1}"),
        app.post_text(&format!("{path}/submit"), "1"),
        app.post_text(&format!("{path}/cancel"), "{}"),
        app.post_text(&format!("{path}/returns"), "{\"items\":[[]],\"reason\":\"x\"}"),
        app.get("/orders/x"),
        app.get("/events?limit=x"),
        app.get("/events?aggregate_id=x"),
        app.get("/nope"),
        app.get("/docs/../Cargo.toml"),
        app.get("/docs/%2e%2e%2fCargo.toml"),
    ];
    for reply in replies {
        assert!((400..500).contains(&reply.status), "{}", reply.body);
        for word in ["struct ", "Body", "serde", "src/", "panicked", "ordo_actors", "unwrap"] {
            assert!(!reply.body.contains(word), "{word}: {}", reply.body);
        }
        assert!(reply.header("server").is_none());
    }
}
