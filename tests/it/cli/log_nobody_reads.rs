//! A log whose reader has stopped reading costs lines of the log, never a request.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    live_client::until_metric,
    test_app::{Store, TestApp},
};

/// Far more than a pipe and all that may wait for its reader hold: each request logs its path.
const REQUESTS: usize = 1500;
const PATH_CHARS: usize = 1500;

/// A server that logs everything into a pipe with a reader that reads nothing.
fn unread() -> (TempDir, TestApp) {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("log");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let redirected = format!("ORDO_LOG=ordo=debug exec \"$@\" 2<>{}", pipe.display());
    let app = TestApp::launch(&["sh", "-c", &redirected, "sh"], Store::Memory, &["--shutdown-seconds", "1"]);
    let nowhere = format!("/{}", "x".repeat(PATH_CHARS));
    for _ in 0..REQUESTS {
        app.get(&nowhere).expect(404);
    }
    (folder, app)
}

fn read(pipe: &Path) -> Vec<String> {
    let pipe = OpenOptions::new().read(true).open(pipe).unwrap();
    BufReader::new(pipe).lines().map(Result::unwrap).collect()
}

#[test]
fn requests_are_answered_while_nobody_reads_the_log_and_the_lines_that_are_missing_are_counted() {
    let (folder, mut app) = unread();
    until_metric(&app, "ordo_log_lines_dropped_total", |dropped| dropped > 0);
    let pipe = folder.path().join("log");
    let reader = thread::spawn(move || read(&pipe));
    // There is room again, and what is logged now comes out.
    assert_eq!(app.terminate().code(), Some(0));
    let lines: Vec<Value> = reader.join().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<u64> = lines.iter().filter_map(|line| line["dropped"].as_u64()).collect();
    let requests = lines.iter().filter(|line| line["message"].as_str().unwrap().starts_with("GET /x")).count();
    assert!(told.iter().sum::<u64>() + requests as u64 >= REQUESTS as u64 && requests > 0, "{told:?} {requests}");
    assert_eq!(lines.last().unwrap()["message"], "stopped");
}

#[test]
fn a_server_whose_log_nobody_reads_stops_in_order() {
    let (_folder, mut app) = unread();
    assert_eq!(app.terminate().code(), Some(0));
}
