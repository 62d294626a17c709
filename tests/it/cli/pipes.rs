//! Readers that stop reading: `ordo ... | head`.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, PipeWriter, Read, pipe},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::support::{
    api::widget,
    live_client::until_metric,
    ordo_command::{bare, orders, run, sqlite},
    test_app::{Store, TestApp},
    waiting::wait_until,
};

/// What a shell says of a process that SIGPIPE ended.
const READER_GONE: i32 = 141;

fn command(arguments: &[&str]) -> Command {
    let mut command = bare(env!("CARGO_BIN_EXE_ordo"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The end of a pipe that nobody reads.
fn no_reader() -> PipeWriter {
    pipe().unwrap().1
}

/// Ends a process with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A store of so many orders.
fn store(count: usize) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (folder.path().join("orders.jsonl"), sqlite(&folder.path().join("ordo.db")));
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "{}", json!({"external_id": number.to_string(), "customer_id": "ada", "items": [widget(1)]}))
            .unwrap();
    }
    fs::write(&file, text).unwrap();
    run(&["import", file.to_str().unwrap(), "--store", &store]).expect(0);
    (folder, store)
}

#[test]
fn no_command_complains_when_nobody_reads_what_it_says() {
    let (folder, store) = store(3);
    let file = folder.path().join("orders.jsonl");
    let (file, copy) = (file.to_str().unwrap(), sqlite(&folder.path().join("copy.db")));
    let app = TestApp::start();
    let address = app.address();
    let here = ["--store", store.as_str()];
    let commands: &[&[&str]] = &[
        &["--help"],
        &["help", "serve"],
        &["import", "--help"],
        &["--version"],
        &[&["verify"], &here[..]].concat(),
        &[&["verify", "--json"], &here[..]].concat(),
        &[&["export"], &here[..]].concat(),
        &[&["export", "events"], &here[..]].concat(),
        &[&["import", file], &here[..]].concat(),
        &[&["import", file, "--json"], &here[..]].concat(),
        &[&["rebuild", "current_orders"], &here[..]].concat(),
        &["migrate", "--from", &store, "--to", &copy],
        &["health", "--listen", &address],
        &["nonsense"],
        &["export", "--store", "sqlite:/nowhere/ordo.db"],
    ];
    for arguments in commands {
        let output = command(arguments).stdout(no_reader()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked") && !said.contains("Broken pipe"), "{arguments:?}: {said}");
        let is_mistake = arguments[0] == "nonsense" || arguments.contains(&"sqlite:/nowhere/ordo.db");
        let fits = |code| if is_mistake { [1, 2].contains(&code) } else { [0, READER_GONE].contains(&code) };
        assert!(output.status.code().is_some_and(fits), "{arguments:?}: {:?} {said}", output.status);
        // Nobody reads its complaints either.
        let status = command(arguments).stdout(no_reader()).stderr(no_reader()).status().unwrap();
        assert!(status.code().is_some_and(fits), "{arguments:?}: {status:?}");
    }
    assert_eq!(orders(&copy), orders(&store));
}

#[test]
fn an_export_that_is_read_in_part_ends_quietly() {
    let (_folder, store) = store(2000);
    let (reader, writer) = pipe().unwrap();
    let mut exporting = command(&["export", "--store", &store]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(reader);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    drop(reader);
    let mut said = String::new();
    exporting.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((exporting.wait().unwrap().code(), said.as_str()), (Some(READER_GONE), ""));
}

#[test]
fn output_that_cannot_be_written_for_another_reason_is_a_failure() {
    let (_folder, store) = store(1);
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["export", "--store", &store][..], &["verify", "--store", &store]] {
        let output = command(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
    }
}

#[test]
fn watch_ends_when_nobody_reads_it_though_nothing_happens() {
    let app = TestApp::start_on(Store::Memory, &["--live-heartbeat-seconds", "1"]);
    let url = format!("ws://{}/ws", app.address());
    let (reader, writer) = pipe().unwrap();
    let watching = command(&["watch", "--url", &url]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut watching = Running(watching);
    until_metric(&app, "ordo_live_subscriptions", |count| count == 1);
    drop(reader);
    let mut said = String::new();
    watching.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((watching.0.wait().unwrap().code(), said.as_str()), (Some(READER_GONE), ""));
}

#[test]
fn a_server_that_nobody_listens_to_serves() {
    let ledger = tempfile::tempdir().unwrap();
    let ledger = ledger.path().join("partners.db");
    let serve: &[&str] = &["serve", "--store", "memory"];
    for arguments in [serve, &["partners", "--ledger", ledger.to_str().unwrap()]] {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let all = [arguments, &["--listen", &address]].concat();
        let mut server = Running(command(&all).stdout(no_reader()).stderr(no_reader()).spawn().unwrap());
        let url = format!("http://{address}/{}", if arguments == serve { "readyz" } else { "audit" });
        wait_until("the server", || reqwest::blocking::get(&url).is_ok_and(|answer| answer.status().is_success()));
        assert!(server.0.try_wait().unwrap().is_none(), "{arguments:?} has ended");
    }
}
