//! Behind a pooler: one that keeps a session's server process serves, one that changes it is refused. And logging in with a
//! password that is in no command line.

use std::{fs, os::unix::fs::PermissionsExt};

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{OpenError, PostgresOptions, PostgresStore};
use ordo_actors::{
    log::{
        event::StreamId,
        store::{EventStore, StoreError},
    },
    testing::contract::building::{append, counted, exact, log_of, positions},
};
use tempfile::NamedTempFile;

use crate::support::{
    ordo_command::{ended, ordo, run},
    pgbouncer::{PASSWORD, PgBouncer},
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

#[tokio::test]
async fn a_pooler_that_changes_the_server_process_between_transactions_is_refused() {
    let database = TestDatabase::fresh();
    let Some(bouncer) = PgBouncer::before(&database, "transaction") else { return };
    let opened = PostgresStore::open(&bouncer.url(), in_postgres(PostgresOptions::default())).await;
    assert!(matches!(opened, Err(OpenError::Pooled { .. })), "{opened:?}");
}

#[test]
fn every_command_ends_with_1_and_a_word_on_session_mode_behind_such_a_pooler() {
    let database = TestDatabase::fresh();
    drop(TestApp::start_on(Store::Shared(database.url()), &[]));
    for mode in ["transaction", "statement"] {
        let Some(bouncer) = PgBouncer::before(&database, mode) else { return };
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["verify"], &["export"]] {
            let refused = run(&[command, &["--store", &bouncer.url()]].concat());
            refused.complains(1, &["pool_mode=session", "connect to the server itself"]);
        }
    }
}

#[test]
fn a_pooler_that_keeps_the_server_process_of_a_session_serves() {
    let database = TestDatabase::fresh();
    let Some(bouncer) = PgBouncer::before(&database, "session") else { return };
    let app = TestApp::start_on(Store::Shared(bouncer.url()), &[]);
    let order = app.order_in("Completed");
    app.wait_for_lists();
    assert_eq!(app.get(&order).expect(200).json()["state"], "Completed");
}

#[tokio::test]
async fn a_pooler_that_begins_to_change_the_server_process_stops_the_store_with_the_reason() {
    let database = TestDatabase::fresh();
    let Some(bouncer) = PgBouncer::before(&database, "session") else { return };
    let store = PostgresStore::open(&bouncer.url(), in_postgres(PostgresOptions::default())).await.expect("a store");
    append(&store, counted(StreamId::generate(), exact(0), 1)).await;
    bouncer.change_mode("transaction");
    let mut acknowledged = 1;
    let reason = loop {
        database
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
            .expect("no sessions");
        match store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await {
            Ok(_) => acknowledged += 1,
            Err(StoreError::Broken(reason)) => break reason,
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {}
            Err(StoreError::Corrupt(reason)) => panic!("{reason}"),
        }
    };
    assert!(reason.contains("pool_mode=session"), "{reason}");
    let store = PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.expect("a store");
    assert!(positions(&log_of(&store).await).len() >= acknowledged);
}

/// A file of this mode.
fn secret_file(text: &str, mode: u32) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
    file
}

#[test]
fn a_password_in_a_file_logs_in() {
    let database = TestDatabase::fresh();
    let Some(bouncer) = PgBouncer::before(&database, "session") else { return };
    let url = bouncer.url_of("postgres");
    let file = secret_file(&format!("{PASSWORD}\n"), 0o600);
    let file = file.path().to_str().unwrap();
    let app = TestApp::start_on(Store::Shared(url.clone()), &["--store-password-file", file]);
    app.draft();
    assert!(!app.get("/health").body.contains(PASSWORD));
    drop(app);
    run(&["verify", "--store", &url, "--store-password-file", file]).expect(0);
    ended(&ordo(&["verify", "--store", &url]).env("ORDO_STORE_PASSWORD_FILE", file).output().unwrap()).expect(0);
    run(&["verify", "--store", &bouncer.url(), "--store-password-file", file])
        .complains(1, &["leave one of them away"]);
    run(&["verify", "--store", &url, "--store-password-file", "/nowhere"]).complains(1, &["/nowhere"]);
}

#[test]
fn the_file_of_passwords_of_libpq_logs_in_unless_others_may_read_it() {
    let database = TestDatabase::fresh();
    drop(TestApp::start_on(Store::Shared(database.url()), &[]));
    let Some(bouncer) = PgBouncer::before(&database, "session") else { return };
    let url = bouncer.url_of("postgres");
    let lines = format!("# ours\nelsewhere:*:*:*:wrong\n127.0.0.1:{}:*:postgres:{PASSWORD}\n", bouncer.port());
    let (good, open) = (secret_file(&lines, 0o600), secret_file(&lines, 0o644));
    let verify = |name: &str, value: &std::path::Path| {
        ended(&ordo(&["verify", "--store", &url]).env("PGPASSFILE", "/nowhere").env(name, value).output().unwrap())
    };
    verify("PGPASSFILE", good.path()).expect(0);
    verify("PGPASSFILE", open.path()).complains(1, &["0600"]);
    let home = tempfile::tempdir().unwrap();
    fs::copy(good.path(), home.path().join(".pgpass")).unwrap();
    ended(&ordo(&["export", "--store", &url]).env_remove("PGPASSFILE").env("HOME", home.path()).output().unwrap())
        .expect(0);
    let named = format!("{url}?passfile={}", good.path().display());
    run(&["verify", "--store", &named]).expect(0);
}
