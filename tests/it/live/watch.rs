//! `ordo watch`: the same from the command line.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    live_client::{id_of, until_metric},
    scripted_server::Script,
    test_app::{Store, TestApp},
};

struct Watch {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(app: &TestApp, arguments: &[&str]) -> Self {
        Self::follow(&format!("ws://{}/ws", app.address()), arguments)
    }

    fn follow(url: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ordo"))
            .args(["watch", "--url", url])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn positions(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.next()["position"].as_u64().unwrap()).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn watch_prints_each_event_once_across_a_kill_of_the_server() {
    let mut app = TestApp::start_on(Store::sqlite(), &[]);
    app.draft();
    let mut watch = Watch::start(&app, &["--after", "0"]);
    assert_eq!(watch.positions(2), [1, 2]);
    app.restart_in_place();
    app.draft();
    assert_eq!(watch.positions(2), [3, 4]);
}

#[test]
fn watch_follows_one_order_from_now_and_ends_when_it_has_seen_enough() {
    let app = TestApp::start();
    let path = app.draft();
    let mut watch = Watch::start(&app, &[&format!("order:{}", id_of(&path)), "--count", "1"]);
    until_metric(&app, "ordo_live_subscriptions", |count| count == 1);
    app.draft();
    app.post(&format!("{path}/submit"), &serde_json::json!({})).expect(200);
    let line = watch.next();
    assert_eq!((&line["position"], &line["order"]), (&5.into(), &app.get(&path).json()));
    assert_eq!(watch.process.wait().unwrap().code(), Some(0));
}

#[test]
fn watch_comes_back_when_the_store_was_away_and_goes_on_after_what_it_has_printed() {
    let script = Script::new();
    let mut watch = Watch::follow(&script.url(), &["--after", "6"]);
    let asked = script.store_goes_away();
    assert_eq!(watch.positions(1), [7]);
    assert_eq!(asked.join().unwrap()["after"], 7);
}

#[test]
fn watch_refuses_what_is_no_topic() {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_ordo"));
    command.args(["watch", "sagas"]).assert().code(2);
}
