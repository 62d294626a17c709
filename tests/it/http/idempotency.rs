//! `Idempotency-Key`

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item, widget},
    test_app::{Store, TestApp},
};

fn send(app: &TestApp, method: Method, path: &str, key: &str, body: &Value) -> Reply {
    Reply::to(app.request(method, path).header("Idempotency-Key", key).json(body))
}

fn post(app: &TestApp, path: &str, key: &str, body: &Value) -> Reply {
    send(app, Method::POST, path, key, body)
}

/// The second answer is the first one, byte for byte, and says so.
#[track_caller]
pub fn assert_replayed(first: &Reply, second: &Reply) {
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), (None, Some("true")));
    for name in ["location", "etag", "x-position", "content-type"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
    }
}

#[test]
fn an_order_placed_twice_with_one_key_is_one_order_and_one_answer() {
    let app = TestApp::start();
    let order = json!({"customer_id": "ada", "items": [widget(2)]});
    let first = post(&app, "/orders", "k1", &order).expect(201);
    app.draft();
    assert_replayed(&first, &post(&app, "/orders", "k1", &order));
    assert_eq!(app.head(), 4);
}

#[test]
fn every_command_is_answered_the_same_the_second_time() {
    let app = TestApp::start();
    let path = app.place(&json!({"items": [widget(2), item("a", 1, 1)]}));
    let commands = [
        (Method::POST, "items", widget(1)),
        (Method::PATCH, "items/1", json!({"quantity": 5})),
        (Method::DELETE, "items/2", json!({})),
        (Method::POST, "submit", json!({})),
        (Method::POST, "reserve", json!({})),
        (Method::POST, "process", json!({})),
        (Method::POST, "complete", json!({})),
        (Method::POST, "returns", json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "x"})),
    ];
    for (method, step, body) in commands {
        let path = format!("{path}/{step}");
        let first = send(&app, method.clone(), &path, step, &body);
        assert!((200..300).contains(&first.status), "{step}: {}", first.body);
        if step == "returns" {
            // The refund goes on by itself: three events in one commit.
            let position: u64 = first.header("x-position").unwrap().parse().unwrap();
            app.get(&format!("/events?limit=1&min_position={}", position + 3)).expect(200);
        }
        let head = app.head();
        assert_replayed(&first, &send(&app, method, &path, step, &body));
        assert_eq!(app.head(), head, "{step}");
    }
}

#[test]
fn a_command_that_changes_nothing_is_kept_too() {
    let app = TestApp::start();
    let path = format!("{}/submit", app.order_in("Submitted"));
    let first = post(&app, &path, "k", &json!({})).expect(200);
    assert_replayed(&first, &post(&app, &path, "k", &json!({})));
}

#[test]
fn a_rejection_is_answered_again_even_when_the_order_would_accept_by_now() {
    let app = TestApp::start();
    let path = app.draft();
    let first = post(&app, &format!("{path}/reserve"), "k", &json!({}));
    first.problem(409, "state-conflict");
    app.post(&format!("{path}/submit"), &json!({})).expect(200);
    assert_replayed(&first, &post(&app, &format!("{path}/reserve"), "k", &json!({})));
    assert_eq!(app.get(&path).json()["state"], "Submitted");
}

#[test]
fn a_version_conflict_is_answered_again() {
    let app = TestApp::start();
    let path = app.draft();
    let attempt = || {
        let request = app.request(Method::POST, &format!("{path}/items")).json(&widget(1));
        Reply::to(request.header("If-Match", "\"3\"").header("Idempotency-Key", "k"))
    };
    let first = attempt();
    first.problem(412, "version-conflict");
    app.post(&format!("{path}/items"), &widget(1)).expect(200);
    assert_replayed(&first, &attempt());
}

#[test]
fn a_missing_order_is_answered_again() {
    let app = TestApp::start();
    let path = "/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2/submit";
    let first = post(&app, path, "k", &json!({}));
    first.problem(404, "not-found");
    assert_replayed(&first, &post(&app, path, "k", &json!({})));
}

#[test]
fn the_same_key_with_another_body_path_or_method_is_422_and_changes_nothing() {
    let app = TestApp::start();
    let path = app.draft();
    let other = app.draft();
    post(&app, &format!("{path}/items"), "k", &widget(1)).expect(200);
    let head = app.head();
    post(&app, &format!("{path}/items"), "k", &widget(2)).problem(422, "idempotency-key-reused");
    post(&app, &format!("{other}/items"), "k", &widget(1)).problem(422, "idempotency-key-reused");
    post(&app, "/orders", "k", &json!({})).problem(422, "idempotency-key-reused");
    send(&app, Method::DELETE, &format!("{path}/items/1"), "k", &json!({})).problem(422, "idempotency-key-reused");
    assert_eq!(app.head(), head);
}

#[test]
fn a_request_that_could_not_be_read_does_not_use_its_key_up() {
    let app = TestApp::start();
    post(&app, "/orders", "k", &json!({"items": [widget(0)]})).problem(422, "validation-failed");
    post(&app, "/orders", "k", &json!({"colour": "red"})).problem(400, "invalid-request");
    post(&app, "/orders", "k", &json!({"items": [widget(1)]})).expect(201);
}

#[test]
fn a_dry_run_does_not_use_its_key_up() {
    let app = TestApp::start();
    post(&app, "/orders?dry_run=true", "k", &json!({})).expect(200);
    let meant = post(&app, "/orders", "k", &json!({})).expect(201);
    assert!(meant.header("idempotency-replayed").is_none());
}

#[test]
fn a_key_is_1_to_255_visible_ascii_characters() {
    let app = TestApp::start();
    for bad in ["", "two words", "ünïcode", &"k".repeat(256)] {
        let request = app.request(Method::POST, "/orders").header("Idempotency-Key", bad.as_bytes()).json(&json!({}));
        Reply::to(request).problem(400, "invalid-request");
    }
    post(&app, "/orders?dry_run=true", "two words", &json!({})).problem(400, "invalid-request");
    post(&app, "/orders", &"k".repeat(255), &json!({})).expect(201);
}

#[test]
fn without_a_key_the_same_request_has_an_effect_each_time() {
    let app = TestApp::start();
    assert_ne!(app.place(&json!({})), app.place(&json!({})));
}

#[test]
fn many_at_once_with_one_key_have_one_effect_and_one_answer() {
    many_place_one_order_with_one_key(Store::Memory);
}

pub fn many_place_one_order_with_one_key(store: Store) {
    let app = TestApp::start_on(store, &[]);
    let order = json!({"customer_id": "ada", "items": [widget(2)]});
    let until_answered = || loop {
        let reply = post(&app, "/orders", "k", &order);
        if reply.status != 409 {
            return reply.expect(201);
        }
        assert_eq!(reply.problem(409, "idempotency-in-flight")["state"], Value::Null);
        assert_eq!(reply.header("retry-after"), Some("1"));
    };
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(until_answered)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| reply.body == replies[0].body));
    assert_eq!(replies.iter().filter(|reply| reply.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(app.head(), 2);
}

#[test]
fn many_at_once_with_one_key_on_one_order_have_one_effect() {
    let app = TestApp::start();
    let path = app.draft();
    let until_answered = || loop {
        let reply = post(&app, &format!("{path}/items"), "k", &widget(1));
        if reply.status != 409 {
            return reply.expect(200).body;
        }
    };
    let bodies: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(until_answered)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(app.get(&path).json()["items"][0]["quantity"], 3);
}

#[test]
fn many_requests_to_one_order_sent_again_at_once_all_get_their_first_answer() {
    let app = TestApp::start();
    let path = format!("{}/items", app.draft());
    let send_all = || -> Vec<Reply> {
        std::thread::scope(|scope| {
            let client = |number: usize| {
                let (app, path) = (&app, &path);
                move || post(app, path, &format!("k{number}"), &item(&format!("p{number}"), 1, 1))
            };
            let clients: Vec<_> = (0..64).map(|number| scope.spawn(client(number))).collect();
            clients.into_iter().map(|client| client.join().unwrap().expect(200)).collect()
        })
    };
    let (first, second) = (send_all(), send_all());
    first.iter().zip(&second).for_each(|(first, second)| assert_replayed(first, second));
    assert_eq!(app.head(), 66);
}

/// An order whose every answer is larger than what is kept of one.
fn large_order(app: &TestApp) -> String {
    let items: Vec<Value> = (0..300).map(|line| item(&format!("product-{line}"), 2, 100)).collect();
    app.place(&json!({"customer_id": "ada", "items": items}))
}

#[test]
fn a_large_answer_is_given_again_byte_for_byte_after_changes_and_a_restart_on_every_store() {
    for store in [Store::Memory, Store::sqlite(), Store::postgres()] {
        let is_durable = !matches!(store, Store::Memory);
        let mut app = TestApp::start_on(store, &[]);
        let path = large_order(&app);
        let commands = [
            (Method::PATCH, "items/7", json!({"quantity": 5})),
            (Method::POST, "submit", json!({})),
            // Changes nothing.
            (Method::POST, "submit", json!({})),
            (Method::POST, "reserve", json!({})),
            (Method::POST, "process", json!({})),
            (Method::POST, "complete", json!({})),
            (Method::POST, "returns", json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "broken"})),
        ];
        let mut first = Vec::new();
        for (number, (method, step, body)) in commands.iter().enumerate() {
            let reply = send(&app, method.clone(), &format!("{path}/{step}"), &number.to_string(), body);
            assert!(reply.status < 300 && reply.body.len() > 16 << 10, "{step}: {}", reply.body);
            first.push(reply);
        }
        for life in 0..=u8::from(is_durable) {
            if life > 0 {
                app.restart();
            }
            for ((number, (method, step, body)), first) in commands.iter().enumerate().zip(&first) {
                let again = send(&app, method.clone(), &format!("{path}/{step}"), &number.to_string(), body);
                assert_replayed(first, &again);
            }
        }
    }
}

#[test]
fn what_is_kept_of_an_answer_does_not_grow_with_the_order() {
    let store = Store::sqlite();
    let app = TestApp::start_on(store, &["--snapshot-every", "0"]);
    let path = large_order(&app);
    for number in 0..40 {
        let body = json!({"quantity": 2 + number % 2});
        send(&app, Method::PATCH, &format!("{path}/items/1"), &number.to_string(), &body).expect(200);
    }
    let file = app.store().strip_prefix("sqlite:").unwrap().to_owned();
    let shell = rusqlite::Connection::open(file).unwrap();
    let (keys, most): (i64, i64) = shell
        .query_row("SELECT count(*), max(length(answer)) FROM idempotency", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(keys, 40);
    assert!(most < 1000, "{most} bytes for one key");
}
