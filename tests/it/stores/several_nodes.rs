//! Several servers on one log tell one truth, whichever of them is asked; and who changes one order at once waits in line.

use std::thread;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::support::{
    api::{Reply, widget},
    nodes::Nodes,
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

/// A draft of two widgets that both have in memory.
fn known_to_both(here: &TestApp, there: &TestApp) -> String {
    let path = here.draft();
    there.get(&path).expect(200);
    path
}

fn set(app: &TestApp, path: &str, quantity: u64) -> Reply {
    app.patch(&format!("{path}/items/1"), &json!({"quantity": quantity}))
}

fn if_match(app: &TestApp, path: &str, version: u64) -> Reply {
    let request = app.request(Method::PATCH, &format!("{path}/items/1")).json(&json!({"quantity": 7}));
    Reply::to(request.header("If-Match", format!("\"{version}\"")))
}

/// How many clients come at once.
const CLIENTS: usize = 40;

/// The statuses of as many requests at once.
fn at_once(request: impl Fn(usize) -> Reply + Sync) -> Vec<u16> {
    thread::scope(|scope| {
        let request = &request;
        let clients: Vec<_> = (0..CLIENTS).map(|nth| scope.spawn(move || request(nth).status)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn a_command_that_seems_to_change_nothing_is_decided_on_what_another_node_has_acknowledged() {
    let (here, there, _database) = Nodes::two();
    for _ in 0..5 {
        let path = known_to_both(&here, &there);
        set(&here, &path, 5).expect(200);
        let answer = set(&there, &path, 2).expect(200).json();
        assert_eq!((answer["items"][0]["quantity"].as_u64(), answer["version"].as_u64()), (Some(2), Some(4)));
        assert_eq!(here.get(&path).json(), answer);
    }
}

#[test]
fn a_refusal_is_decided_on_what_another_node_has_acknowledged() {
    let (here, there, _database) = Nodes::two();
    for _ in 0..5 {
        let path = known_to_both(&here, &there);
        here.post(&format!("{path}/submit"), &json!({})).expect(200);
        there.post(&format!("{path}/reserve?dry_run=true"), &json!({})).expect(200);
        there.post(&format!("{path}/reserve"), &json!({})).expect(200);
        let refused = set(&here, &path, 3).problem(409, "state-conflict");
        assert_eq!(refused["state"], "Reserved");
    }
}

#[test]
fn a_demanded_version_is_compared_with_what_another_node_has_acknowledged() {
    let (here, there, _database) = Nodes::two();
    for _ in 0..5 {
        let path = known_to_both(&here, &there);
        let version = set(&here, &path, 5).expect(200).json()["version"].as_u64().unwrap();
        if_match(&there, &path, version).expect(200);
        assert_eq!(if_match(&here, &path, version).problem(412, "version-conflict")["version"], version + 1);
    }
}

#[test]
fn a_read_shows_what_another_node_has_acknowledged() {
    let (here, there, _database) = Nodes::two();
    let path = known_to_both(&here, &there);
    for quantity in 3..20 {
        let (writer, reader) = if quantity % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let told = set(writer, &path, quantity).expect(200);
        let (order, version) = (told.json(), told.json()["version"].as_u64().unwrap());
        assert_eq!(reader.get(&path).json(), order);
        assert_eq!(reader.get(&format!("{path}?at_version={version}")).expect(200).json(), order);
        assert_eq!(reader.get(&format!("{path}?at_time=2999-01-01T00:00:00Z")).expect(200).json(), order);
        let events = reader.get(&format!("{path}/events")).json();
        assert_eq!(events.as_array().unwrap().len() as u64, version);
    }
}

#[test]
fn a_saga_is_shown_and_refused_as_another_node_has_left_it() {
    let (here, there, _database) = Nodes::two();
    let path = known_to_both(&here, &there);
    there.get(&format!("{path}/saga")).problem(404, "not-found");
    let ended = here.post(&format!("{path}/fulfill"), &json!({})).expect(200).json();
    assert_eq!(there.get(&format!("{path}/saga")).json()["state"], ended["saga_state"]);
    assert_eq!(there.get(&path).json()["state"], "Completed");
    assert_eq!(there.post(&format!("{path}/fulfill"), &json!({})).expect(200).json(), ended);
}

#[test]
fn a_node_alone_pays_nothing_for_its_memory_on_a_store_of_its_own() {
    let app = TestApp::start_on(Store::sqlite(), &[]);
    let path = app.draft();
    app.get(&path).expect(200);
    set(&app, &path, 2).expect(200);
    assert!(app.get("/metrics").body.contains("ordo_version_check_seconds_count 0"));
}

#[test]
fn whoever_returns_at_once_is_answered_whatever_the_store() {
    for store in [Store::Memory, Store::sqlite(), Store::postgres()] {
        let app = TestApp::start_on(store, &[]);
        let path = completed(&app);
        let statuses = at_once(|_| give_back(&app, &path));
        assert_eq!(statuses, [202; CLIENTS]);
        assert_eq!(app.get(&path).json()["items"][0]["returned"], CLIENTS);
    }
}

#[test]
fn whoever_changes_one_order_at_once_on_two_nodes_is_answered() {
    let (here, there, _database) = Nodes::two();
    let node = |nth: usize| if nth.is_multiple_of(2) { &here } else { &there };
    let path = known_to_both(&here, &there);
    let items = format!("{path}/items");
    assert_eq!(at_once(|nth| node(nth).post(&items, &widget(1))), [200; CLIENTS]);
    assert_eq!(at_once(|nth| set(node(nth), &path, 10 + nth as u64)), [200; CLIENTS]);
    assert_eq!(here.get(&path).json()["version"], there.get(&path).json()["version"]);
}

#[test]
fn whoever_returns_at_once_on_two_nodes_is_answered() {
    let (here, there, _database) = Nodes::two();
    let path = completed(&here);
    let statuses = at_once(|nth| give_back(if nth.is_multiple_of(2) { &here } else { &there }, &path));
    assert_eq!(statuses, [202; CLIENTS]);
    assert_eq!(there.get(&path).json()["items"][0]["returned"], CLIENTS);
}

#[test]
fn whoever_fulfils_at_once_on_two_nodes_gets_the_one_saga() {
    let (here, there, _database) = Nodes::two();
    let path = known_to_both(&here, &there);
    let fulfill = format!("{path}/fulfill");
    let statuses = at_once(|nth| if nth.is_multiple_of(2) { &here } else { &there }.post(&fulfill, &json!({})));
    assert!(statuses.iter().all(|status| matches!(status, 200 | 202)), "{statuses:?}");
    let events = here.get("/events?event_type=SagaStarted").json();
    assert_eq!(events.as_array().unwrap().len(), 1);
}

#[test]
fn a_fulfilment_whose_version_did_not_match_is_not_taken_for_a_race_when_its_key_comes_again() {
    let app = TestApp::start();
    let path = app.draft();
    let fulfill = |version| {
        let request = app.request(Method::POST, &format!("{path}/fulfill")).json(&json!({}));
        Reply::to(request.header("If-Match", format!("\"{version}\"")).header("Idempotency-Key", "k"))
    };
    fulfill(1).problem(412, "version-conflict");
    let again = fulfill(2);
    assert_ne!(again.status, 503, "{}", again.body);
}

/// Another session that holds up every commit.
struct HeldUp {
    runtime: Runtime,
    client: Client,
}

impl HeldUp {
    fn begin(database: &TestDatabase) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute("BEGIN; SELECT * FROM log_head FOR UPDATE").await.unwrap();
            client
        });
        Self { runtime, client }
    }

    fn end(self) {
        self.runtime.block_on(self.client.batch_execute("ROLLBACK")).unwrap();
    }
}

#[test]
fn a_read_is_told_what_is_durable_while_a_commit_of_its_order_is_held_up() {
    let app = TestApp::start_on(Store::postgres(), &[]);
    let Store::Postgres(database) = app.store_held() else { panic!("a database of its own") };
    let path = app.draft();
    let before = app.get(&path).json();
    let held_up = HeldUp::begin(database);
    thread::scope(|scope| {
        let writing = scope.spawn(|| set(&app, &path, 9));
        for _ in 0..3 {
            let started = std::time::Instant::now();
            assert_eq!(app.get(&path).expect(200).json(), before);
            assert!(started.elapsed().as_secs() < 3, "it waited for the commit");
        }
        let started = std::time::Instant::now();
        writing.join().unwrap().problem(503, "store-unavailable");
        assert!(started.elapsed().as_secs() < 6, "it waited for the lock");
    });
    held_up.end();
    set(&app, &path, 4).expect(200);
    assert_eq!(app.get(&path).json()["items"][0]["quantity"], 4);
}

/// A completed order of a hundred widgets.
fn completed(app: &TestApp) -> String {
    let path = app.place(&json!({"items": [widget(100)]}));
    for step in ["submit", "reserve", "process", "complete"] {
        app.post(&format!("{path}/{step}"), &json!({})).expect(200);
    }
    path
}

fn give_back(app: &TestApp, path: &str) -> Reply {
    let body: Value = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "too many"});
    app.post(&format!("{path}/returns"), &body)
}
