//! Disks that fail and servers that go away: never a false success, nothing that was acknowledged is lost.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt,
    process::Command,
    thread,
};

use serde_json::json;
use tokio::sync::watch;

use crate::support::{
    api::widget,
    clients::{Clients, Mix},
    effort::rounds,
    history_checker::HistoryChecker,
    ordo_command::verify,
    postgres_server::{PrivateServer, TestDatabase},
    rng::Rng,
    small_fs::SmallFs,
    test_app::{Store, TestApp},
};

const CLIENTS: u64 = 24;

/// Runs clients against a server whose disk fails until it has ended; gives how it ended. Then holds what they were told
/// against the log that a healthy server finds.
fn until_it_ends(mut app: TestApp, seed: u64) -> std::process::ExitStatus {
    let mut checker = HistoryChecker::default();
    let clients = Clients::start(&app.url(""), CLIENTS, &Mix::Everything, seed);
    checker.add(clients.finish());
    let status = app.wait_for_exit();
    verify(&app.store());
    app.restart_plainly();
    checker.repeat(&app);
    checker.check(&app);
    let (accepted, ..) = checker.count();
    assert!(accepted > 0, "nothing was accepted before the fault");
    status
}

/// Whether system calls can be made to fail here.
fn strace_works() -> bool {
    let works = Command::new("strace").args(["-D", "-f", "true"]).output().is_ok_and(|output| output.status.success());
    if !works {
        io::stderr().write_all(b"left out: a test with a failing disk (strace does not work here)\n").unwrap();
    }
    works
}

/// Makes every call of these kinds fail from the n-th on, in the thread that appends.
fn failing(calls: &str, from: u64) -> Vec<String> {
    let inject = format!("inject={calls}:error=EIO:when={from}+");
    let words = ["strace", "-D", "-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject];
    words.map(str::to_owned).to_vec()
}

/// The disk takes so many calls at least: opening a new log needs some itself.
fn a_disk_that_fails(calls: &str, at_least: u64, seed: u64) {
    if !strace_works() {
        return;
    }
    let mut rng = Rng::new(seed);
    for _ in 0..rounds(2) {
        let launcher = failing(calls, at_least + rng.below(at_least));
        let launcher: Vec<_> = launcher.iter().map(String::as_str).collect();
        let app = TestApp::launch(&launcher, Store::sqlite(), &["--snapshot-every", "4"]);
        let status = until_it_ends(app, rng.next());
        assert_eq!(status.code(), Some(1), "the process stops by itself: {status}");
    }
}

#[test]
fn a_disk_that_cannot_sync_stops_the_server_and_no_answer_was_false() {
    a_disk_that_fails("fsync,fdatasync", 60, 21);
}

#[test]
fn a_disk_that_cannot_be_written_stops_the_server_and_no_answer_was_false() {
    a_disk_that_fails("pwrite64", 800, 22);
}

#[test]
fn a_server_that_may_not_write_so_large_a_file_ends_and_no_answer_was_false() {
    // Ended by the signal, or told by the error when the signal is ignored.
    for (seed, trap) in [(23, ""), (24, "trap '' XFSZ; ")] {
        let script = format!("{trap}ulimit -f 700; exec \"$0\" \"$@\"");
        let app = TestApp::launch(&["sh", "-c", &script], Store::sqlite(), &[]);
        let status = until_it_ends(app, seed);
        assert!(status.code() == Some(1) || status.signal().is_some(), "{status}");
    }
}

#[test]
fn a_full_disk_refuses_every_command_and_takes_them_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let Some(_mount) = SmallFs::of_kilobytes(&path, 6000) else { return };
    let ballast = path.join("ballast");
    fs::write(&ballast, vec![1; 5 << 20]).unwrap();
    let mut app = TestApp::start_on(Store::Sqlite(folder), &[]);
    let mut checker = HistoryChecker::default();
    let clients = Clients::start(&app.url(""), CLIENTS, &Mix::Everything, 25);
    checker.add(clients.finish());
    // What was rolled back may have left room for a few more.
    let refused =
        (0..1000).map(|_| app.post("/orders", &json!({"items": [widget(1)]}))).find(|reply| reply.status != 201);
    refused.expect("a disk that is full").problem(503, "store-unavailable");
    app.get("/livez").expect(200);
    let full = app.get("/readyz").expect(503).json()["position"].as_u64().unwrap();
    assert!(full > 0);
    fs::remove_file(ballast).unwrap();
    let (end, ends) = watch::channel(false);
    let more = Clients::persistent(&app.url(""), CLIENTS, 26, ends);
    more.until_answered(50);
    end.send_replace(true);
    checker.add(more.finish());
    assert!(app.head() > full);
    checker.repeat(&app);
    checker.check(&app);
    app.kill();
    verify(&app.store());
    app.restart();
    checker.check(&app);
}

#[test]
fn sessions_that_postgres_ends_under_load_cost_no_acknowledged_command() {
    let (database, operator) = (TestDatabase::fresh(), TestDatabase::fresh());
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let app = TestApp::start_on(Store::Postgres(database), &["--snapshot-every", "4"]);
    let mut checker = HistoryChecker::default();
    let (end, ends) = watch::channel(false);
    let clients = Clients::persistent(&app.url(""), CLIENTS, 27, ends);
    let mut rng = Rng::new(28);
    for _ in 0..rounds(5) {
        clients.until_answered(clients.answered() + 20 + rng.below(100));
        let end_all = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '{name}%'");
        operator.execute(&end_all).unwrap();
    }
    clients.until_answered(clients.answered() + 100);
    end.send_replace(true);
    checker.add(clients.finish());
    checker.repeat(&app);
    checker.check(&app);
    verify(&app.store());
}

fn a_server_that_goes_away(stop: impl Fn(&mut PrivateServer), seed: u64) {
    let mut server = PrivateServer::start(&[]);
    let app = TestApp::start_on(Store::Postgres(TestDatabase::on(&server.url())), &[]);
    let mut checker = HistoryChecker::default();
    let (end, ends) = watch::channel(false);
    let clients = Clients::persistent(&app.url(""), CLIENTS, seed, ends);
    for _ in 0..rounds(2) {
        clients.until_answered(clients.answered() + 100);
        let before = clients.unavailable();
        stop(&mut server);
        // As many more as there are clients: none of them was on its way before the stop.
        clients.until_unavailable(before + 2 * CLIENTS);
        app.get("/readyz").expect(503);
        app.get("/livez").expect(200);
        server.start_again();
        clients.until_answered(clients.answered() + 100);
    }
    app.get("/readyz").expect(200);
    end.send_replace(true);
    checker.add(clients.finish());
    checker.repeat(&app);
    checker.check(&app);
    verify(&app.store());
    drop(app);
}

#[test]
fn a_postgres_that_is_stopped_and_started_again_is_used_again_without_a_restart() {
    a_server_that_goes_away(PrivateServer::stop, 29);
}

#[test]
fn a_postgres_that_crashes_and_recovers_has_every_acknowledged_command() {
    a_server_that_goes_away(PrivateServer::crash, 30);
}

#[test]
fn a_server_that_starts_without_its_postgres_says_so_and_ends() {
    let refused = crate::support::ordo_command::run(&["serve", "--store", "postgres://ordo@127.0.0.1:1/ordo"]);
    refused.complains(1, &["127.0.0.1:1/ordo", "cannot be used"]);
}

#[test]
fn a_server_told_to_stop_while_its_store_hangs_ends_all_the_same() {
    let database = TestDatabase::fresh();
    let url = database.url();
    let mut app = TestApp::start_on(Store::Postgres(database), &["--shutdown-seconds", "2"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (client, connection) = runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls)).unwrap();
    runtime.spawn(connection);
    runtime.block_on(client.batch_execute("BEGIN; LOCK TABLE log_head IN ACCESS EXCLUSIVE MODE")).unwrap();
    let request = app.request(reqwest::Method::POST, "/orders").json(&json!({"items": [widget(1)]}));
    let asking = thread::spawn(move || request.send().map(|answer| answer.status().as_u16()));
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while runtime.block_on(client.query_one(waiting, &[])).unwrap().get::<_, i64>(0) == 0 {}
    assert_eq!(app.terminate().code(), Some(0));
    assert!(!matches!(asking.join().unwrap(), Ok(200..300)), "answered without being stored");
}
