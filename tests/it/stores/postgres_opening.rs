//! Opening a log in PostgreSQL, and what the database itself refuses.

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{OpenError, PostgresOptions, PostgresStore, UnsafeSetting};
use ordo_actors::{
    log::{
        event::{Position, StreamId},
        store::EventStore,
    },
    testing::contract::building::{append, counted, exact, head, log_of, positions},
};

use crate::support::postgres_server::{PrivateServer, TestDatabase};

async fn open(database: &TestDatabase) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await
}

/// The setting over which opening failed.
async fn unsafe_setting(database: &TestDatabase) -> UnsafeSetting {
    match open(database).await {
        Err(OpenError::UnsafeDurability { setting, .. }) => setting,
        other => panic!("expected an unsafe setting, got {other:?}"),
    }
}

async fn open_anyway(database: &TestDatabase) -> PostgresStore {
    let options = PostgresOptions { allow_unsafe_durability: true, ..in_postgres(PostgresOptions::default()) };
    PostgresStore::open(&database.url(), options).await.expect("a store")
}

#[tokio::test]
async fn sessions_that_commit_before_the_disk_has_it_are_refused() {
    let database = TestDatabase::fresh();
    database.set("synchronous_commit = off");
    assert_eq!(unsafe_setting(&database).await.to_string(), "synchronous_commit is off");
    assert_eq!(head(&open_anyway(&database).await).await, Position::START);
}

#[tokio::test]
async fn a_commit_that_is_safe_on_this_disk_is_accepted() {
    let database = TestDatabase::fresh();
    database.set("synchronous_commit = local");
    assert!(open(&database).await.is_ok());
}

#[tokio::test]
async fn a_server_without_fsync_is_refused() {
    let server = PrivateServer::start(&["fsync=off"]);
    let database = TestDatabase::on(&server.url());
    assert_eq!(unsafe_setting(&database).await, UnsafeSetting { name: "fsync", value: "off".into() });
    assert_eq!(head(&open_anyway(&database).await).await, Position::START);
}

#[tokio::test]
async fn a_server_without_full_page_writes_is_refused() {
    let server = PrivateServer::start(&["full_page_writes=off"]);
    let database = TestDatabase::on(&server.url());
    assert_eq!(unsafe_setting(&database).await.name, "full_page_writes");
}

#[tokio::test]
async fn an_empty_database_is_opened_by_many_at_once() {
    let database = TestDatabase::fresh();
    let (a, b, c, d) = tokio::join!(open(&database), open(&database), open(&database), open(&database));
    let stores = [a, b, c, d].map(|store| store.expect("a store"));
    let epoch = stores[0].head().await.expect("a head").epoch;
    for (stored, store) in (1..).zip(&stores) {
        assert_eq!(store.head().await.expect("a head").epoch, epoch);
        assert_eq!(positions(&append(store, counted(StreamId::generate(), exact(0), 1)).await), [stored]);
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let database = TestDatabase::fresh();
    drop(open(&database).await.expect("a store"));
    database
        .execute("INSERT INTO refinery_schema_history VALUES (999, 'later', '2030-01-01T00:00:00Z', '1')")
        .expect("a newer schema");
    assert!(matches!(open(&database).await, Err(OpenError::Migration { .. })));
}

#[tokio::test]
async fn a_role_that_owns_nothing_can_serve_and_not_rewrite() {
    let database = TestDatabase::fresh();
    drop(open(&database).await.expect("a store"));
    let role = format!("server_{}", uuid::Uuid::new_v4().simple());
    let grants: String = include_str!("../../../migrations/postgres/0001_events.sql")
        .lines()
        .filter_map(|line| line.strip_prefix("--   "))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("ordo_server", &role);
    assert!(grants.contains("GRANT"));
    database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'a-test-password'; {grants}")).expect("a role");
    let url = database.url_as(&role);
    let store = PostgresStore::open(&url, in_postgres(PostgresOptions::default())).await.expect("a store");
    append(&store, counted(StreamId::generate(), exact(0), 2)).await;
    assert_eq!(positions(&log_of(&store).await), [1, 2]);
    drop(store);
    for change in ["UPDATE events SET version = 7", "DELETE FROM events", "TRUNCATE events"] {
        assert!(database.execute(&format!("SET ROLE {role}; {change}")).is_err(), "{change}");
    }
    database
        .execute(&format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"))
        .expect("no role");
}

#[tokio::test]
async fn events_cannot_be_changed_even_by_the_owner() {
    let database = TestDatabase::fresh();
    let store = open(&database).await.expect("a store");
    append(&store, counted(StreamId::generate(), exact(0), 2)).await;
    let before = log_of(&store).await;
    for change in [
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "SET session_replication_role = replica; DELETE FROM events",
    ] {
        let refused = database.execute(change).expect_err(change);
        assert!(refused.as_db_error().is_some_and(|error| error.message().contains("events are final")), "{change}");
    }
    assert_eq!(log_of(&store).await, before);
}

#[tokio::test]
async fn the_password_is_in_no_error() {
    let secret = "sE-cr3t";
    for url in [
        format!("postgres://me:{secret}@127.0.0.1:1/orders"),
        format!("postgres://me:{secret}?x={secret}@h/orders"),
        format!("postgres://me:{secret}@127.0.0.1:notaport/orders"),
        format!("host=127.0.0.1 port=1 password={secret} {secret}"),
    ] {
        let error = PostgresStore::open(&url, in_postgres(PostgresOptions::default())).await.expect_err("no server");
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let url = "postgres://me@127.0.0.1:1/orders";
    let error = PostgresStore::open(url, in_postgres(PostgresOptions::default())).await.expect_err("no server");
    assert!(error.to_string().contains("127.0.0.1:1/orders"), "{error}");
}
