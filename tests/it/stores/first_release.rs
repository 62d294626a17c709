//! Logs of the first release go on: they open, serve, grow, and what is appended from here on has checksums.
//!
//! `tests/fixtures/first_release.db` was written by a server of the first release: orders 1 to 6, of which 1 was changed and
//! submitted, 2 and 3 were fulfilled, 3 had a return, 4 was cancelled and 5 submitted; with snapshots every four events, and
//! an `Idempotency-Key` place-N for each order N.

use std::{fs, path::Path};

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{PostgresOptions, PostgresStore};
use ordo_actors::{
    log::{event::StreamId, store::EventStore},
    testing::contract::building::{append, counted, exact, log_of},
};
use refinery::{Migration, Runner};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;
use tokio_postgres::{Client, NoTls, Statement, error::SqlState};

use crate::support::{
    api::{Reply, widget},
    ordo_command::{events, run, sqlite, verify},
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

/// How many events there are in it.
const EVENTS: u64 = 53;

/// A copy of the file in a folder of its own.
fn copy() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ordo.db");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/first_release.db"), &path).unwrap();
    let store = sqlite(&path);
    (folder, store)
}

fn order(number: u64) -> String {
    format!("/orders/0190b5a0-0000-7000-8000-{number:012}")
}

#[test]
fn a_file_of_the_first_release_opens_serves_goes_on_and_verifies() {
    let (_folder, store) = copy();
    assert_eq!(verify(&store), EVENTS);
    let app = TestApp::start_on(Store::Shared(store.clone()), &[]);
    let states = ["Submitted", "Completed", "Completed", "Cancelled", "Submitted", "Draft"];
    for (number, state) in (1..).zip(states) {
        assert_eq!(app.get(&order(number)).expect(200).json()["state"], state);
    }
    app.wait_for_lists();
    assert_eq!(app.get("/orders").expect(200).json().as_array().map(Vec::len), Some(3));
    let body = r#"{"order_id":"0190b5a0-0000-7000-8000-000000000006","customer_id":"customer-0","items":[{"product_id":"widget","product_name":"Widget","quantity":6,"unit_price_cents":1000},{"product_id":"gadget-6","product_name":"Gädget","quantity":1,"unit_price_cents":250}]}"#;
    let again = app.request(Method::POST, "/orders").header("Idempotency-Key", "place-6");
    let again = Reply::to(again.header("Content-Type", "application/json").body(body)).expect(201);
    assert_eq!((again.header("X-Position"), again.json()["version"].as_u64()), (Some("18"), Some(3)));
    app.post(&format!("{}/items", order(6)), &widget(2)).expect(200);
    app.place(&json!({"items": [widget(1)]}));
    drop(app);
    assert_eq!(verify(&store), EVENTS + 3);
    let report = run(&["verify", "--store", &store]).expect(0).out;
    assert!(report.contains("checksums begin at position 54\n"), "{report}");
}

#[test]
fn what_is_appended_to_a_file_of_the_first_release_is_covered() {
    let (folder, store) = copy();
    let app = TestApp::start_on(Store::Shared(store.clone()), &[]);
    app.post(&format!("{}/items", order(6)), &widget(2)).expect(200);
    drop(app);
    let shell = Connection::open(folder.path().join("ordo.db")).unwrap();
    shell.execute_batch("DROP TRIGGER events_are_never_changed").unwrap();
    shell.execute("UPDATE events SET event_id = zeroblob(16) WHERE position = 54", []).unwrap();
    drop(shell);
    let report = run(&["verify", "--store", &store]).expect(1).out;
    assert!(report.contains("the event at position 54"), "{report}");
}

#[test]
fn a_copy_of_a_log_of_the_first_release_has_checksums_from_its_first_event() {
    let (folder, old) = copy();
    let database = TestDatabase::fresh();
    let file = sqlite(&folder.path().join("new.db"));
    for new in [&file, &database.url()] {
        run(&["migrate", "--from", &old, "--to", new]).expect(0);
        assert_eq!(verify(new), EVENTS);
        assert!(run(&["verify", "--store", new]).expect(0).out.contains("checksums begin at position 1\n"));
        assert_eq!(events(new), events(&old));
    }
}

/// The tables as the first release left them.
async fn tables_of_the_first_release(database: &TestDatabase) -> Client {
    let (mut client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let migrations = [
        ("V1__events", include_str!("../../../migrations/postgres/0001_events.sql")),
        ("V2__read_models", include_str!("../../../migrations/postgres/0002_read_models.sql")),
        ("V3__skipped_streams", include_str!("../../../migrations/postgres/0003_skipped_streams.sql")),
        ("V4__product_names", include_str!("../../../migrations/postgres/0004_product_names.sql")),
        ("V5__sagas", include_str!("../../../migrations/postgres/0005_sagas.sql")),
    ]
    .map(|(name, sql)| Migration::unapplied(name, sql).unwrap());
    Runner::new(&migrations).run_async(&mut client).await.unwrap();
    client
}

/// How a server of the first release appends, here a new stream of two events with a record and a snapshot. Its statement was
/// prepared before anything changed.
async fn old_append(client: &Client) -> Statement {
    let call = "SELECT head, outcomes, bases FROM ordo_append(gen_random_uuid(), 1, now(), now(), ARRAY['Incremented'], \
        ARRAY['Counter'], true, ARRAY[$1::uuid], ARRAY[1], ARRAY[1], ARRAY[1], ARRAY[0::bigint], ARRAY[2], ARRAY[1, 1], \
        ARRAY[1, 2], ARRAY[gen_random_uuid(), gen_random_uuid()], ARRAY['Incremented', 'Incremented'], ARRAY[1, 1], \
        ARRAY['Counter', 'Counter'], ARRAY[now(), now()], ARRAY['{}', '{}'], ARRAY['1', '2'], ARRAY[1], ARRAY['ann'], \
        ARRAY[$1::text], ARRAY[sha256('')], ARRAY['answer'::bytea], ARRAY[now()], ARRAY[1], ARRAY[2::bigint], \
        ARRAY[1::bigint], ARRAY['{}'])";
    client
        .prepare_typed(&call.replace("$1::text", "$1::uuid::text"), &[tokio_postgres::types::Type::UUID])
        .await
        .unwrap()
}

async fn open(database: &TestDatabase) -> PostgresStore {
    PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.unwrap()
}

fn audited(database: &TestDatabase) -> serde_json::Value {
    let report = run(&["verify", "--json", "--store", &database.url()]).expect(0).out;
    serde_json::from_str(&report).unwrap()
}

#[tokio::test]
async fn a_server_of_the_first_release_goes_on_beside_a_new_one_on_postgresql() {
    let database = TestDatabase::fresh();
    let old = tables_of_the_first_release(&database).await;
    let old_append = old_append(&old).await;
    let append_as_before = async || old.query_one(&old_append, &[&StreamId::generate().0]).await.unwrap();
    append_as_before().await;
    append_as_before().await;
    let store = open(&database).await;
    append(&store, counted(StreamId::generate(), exact(0), 3)).await;
    append_as_before().await;
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
    append_as_before().await;
    assert_eq!(log_of(&store).await.len(), 12);
    assert_eq!(store.head().await.unwrap().position.0, 12);
    drop(store);
    let report = audited(&database);
    assert_eq!(
        (&report["events"], &report["checksums_from"], &report["without_checksum"]),
        (&12.into(), &5.into(), &4.into())
    );
    // What the old server appended is part of the chain all the same.
    for change in [
        "UPDATE events SET position = 99 WHERE position = 8",
        "DELETE FROM events WHERE position = 12",
        "UPDATE events SET checksum = '' WHERE position = 6",
    ] {
        let off = "BEGIN; ALTER TABLE events DISABLE TRIGGER events_are_final";
        database.execute(&format!("{off}; CREATE TABLE kept AS SELECT * FROM events; {change}; COMMIT")).unwrap();
        run(&["verify", "--store", &database.url()]).expect(1);
        database.execute("DELETE FROM events; INSERT INTO events SELECT * FROM kept; DROP TABLE kept").unwrap();
    }
    assert_eq!(audited(&database)["faults"], 0);
}

#[tokio::test]
async fn a_batch_that_the_migration_overtakes_is_refused_whole() {
    let database = TestDatabase::fresh();
    let old = tables_of_the_first_release(&database).await;
    let old_append = old_append(&old).await;
    old.query_one(&old_append, &[&StreamId::generate().0]).await.unwrap();
    let (migrating, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    migrating.batch_execute("BEGIN; LOCK TABLE log_head IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let stream = StreamId::generate();
    let waiting = tokio::spawn(async move {
        let refused = old.query_one(&old_append, &[&stream.0]).await.map(|_| ()).unwrap_err();
        (old, old_append, refused)
    });
    let is_waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'log_head'::regclass";
    while migrating.query_one(is_waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    migrating.batch_execute(include_str!("../../../migrations/postgres/0006_checksums.sql")).await.unwrap();
    migrating.batch_execute("COMMIT").await.unwrap();
    let (old, old_append, refused) = waiting.await.unwrap();
    assert_eq!(refused.code(), Some(&SqlState::NOT_NULL_VIOLATION), "{refused:?}");
    old.query_one(&old_append, &[&stream.0]).await.unwrap();
    let head: i64 = old.query_one("SELECT position FROM log_head", &[]).await.unwrap().get(0);
    assert_eq!(head, 4);
}
