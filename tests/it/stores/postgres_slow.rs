//! A database that is locked or stopped: an answer within 5 s, and nothing lost or doubled.

use std::{
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use crate::support::{
    api::{Reply, widget},
    postgres_server::{PrivateServer, TestDatabase},
    test_app::{Store, TestApp},
};

/// What a client waits for at most, and some room for a machine that has other things to do.
const ANSWER_WITHIN: Duration = Duration::from_millis(5500);

/// An operator's session, on a runtime of its own.
struct Operator {
    runtime: Runtime,
    client: Client,
}

impl Operator {
    fn of(database: &TestDatabase) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Self { runtime, client }
    }

    fn execute(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }
}

/// Asks and looks at the clock.
fn timed(ask: impl FnOnce() -> Reply) -> Reply {
    let started = Instant::now();
    let reply = ask();
    assert!(started.elapsed() < ANSWER_WITHIN, "{:?}: {}", started.elapsed(), reply.body);
    reply
}

/// Places an order under a key.
fn place(app: &TestApp, key: &str) -> Reply {
    let order = json!({"customer_id": "ada", "items": [widget(1)]});
    Reply::to(app.request(Method::POST, "/orders").header("Idempotency-Key", key).json(&order))
}

/// Asks for what must be answered in time, many at once; the commands carry keys.
fn ask_everything(app: &TestApp, order: &str) -> Vec<Reply> {
    thread::scope(|scope| {
        let placing: Vec<_> =
            (0..8).map(|number| scope.spawn(move || timed(|| place(app, &format!("key-{number}"))))).collect();
        let reading = ["/readyz", "/orders", "/orders/0192e4a0-7c1d-7a11-9f3e-2b8a66d0c0fe", "/events", order]
            .map(|path| scope.spawn(move || timed(|| app.get(path))));
        let submitting = scope.spawn(move || timed(|| app.post(&format!("{order}/submit"), &json!({}))));
        for reader in reading {
            reader.join().unwrap();
        }
        submitting.join().unwrap();
        placing.into_iter().map(|placing| placing.join().unwrap()).collect()
    })
}

/// Sends what was not known again with its key; every one has one order in the end.
fn settle(app: &TestApp) {
    for number in 0..8 {
        let key = format!("key-{number}");
        let placed = (0..60).map(|_| place(app, &key)).find(|reply| reply.status == 201).expect("an order");
        let again = place(app, &key).expect(201);
        assert_eq!(again.json()["order_id"], placed.json()["order_id"]);
    }
    app.wait_for_lists();
    // The draft that was there before, and one for each key.
    let orders = app.get("/customers/ada").expect(200).json()["total_orders"].as_u64().unwrap();
    assert_eq!(orders, 9, "an order was lost or doubled");
}

#[test]
fn a_locked_log_is_answered_with_503_in_time_and_what_was_unknown_settles() {
    let database = TestDatabase::fresh();
    let operator = Operator::of(&database);
    let app = TestApp::start_on(Store::Shared(database.url()), &[]);
    let order = app.draft();
    operator.execute("BEGIN; LOCK TABLE log_head");
    for _ in 0..2 {
        for reply in ask_everything(&app, &order) {
            reply.problem(503, "store-unavailable");
        }
    }
    timed(|| app.get("/readyz")).expect(503);
    operator.execute("ROLLBACK");
    settle(&app);
    app.get("/readyz").expect(200);
    drop(app);
}

#[test]
fn a_stopped_database_is_answered_with_503_in_time_and_what_was_unknown_settles() {
    let server = PrivateServer::start(&[]);
    let database = TestDatabase::on(&server.url());
    let app = TestApp::start_on(Store::Shared(database.url()), &[]);
    let order = app.draft();
    server.freeze();
    for _ in 0..2 {
        for reply in ask_everything(&app, &order) {
            reply.problem(503, "store-unavailable");
        }
    }
    timed(|| app.get("/readyz")).expect(503);
    server.thaw();
    settle(&app);
    app.get("/readyz").expect(200);
    drop(app);
}
