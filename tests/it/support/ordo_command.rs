//! The `ordo` command, run to its end.

use std::{fs, path::Path, process::Output, time::Duration};

use assert_cmd::Command;

/// Longer than any command of a test takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// A program that inherits no settings from the environment of the tests.
pub fn bare(program: &str) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name == "DATABASE_URL" || name.to_string_lossy().starts_with("ORDO_") {
            command.env_remove(name);
        }
    }
    command
}

/// The binary, with nothing inherited that could change its mind.
pub fn ordo(arguments: &[&str]) -> Command {
    let mut command = Command::from_std(bare(env!("CARGO_BIN_EXE_ordo")));
    command.args(arguments).timeout(PATIENCE);
    command
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Ended {
    ended(&ordo(arguments).output().unwrap())
}

pub fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Ended {
    /// Goes on when it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Goes on when it failed with a sentence that has these words.
    #[track_caller]
    pub fn complains(self, code: i32, words: &[&str]) -> Self {
        let ended = self.expect(code);
        for word in words {
            assert!(ended.err.contains(word), "{word:?} is missing in {}", ended.err);
        }
        ended
    }
}

/// `sqlite:` and the path.
pub fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// Every event of a store as JSON lines, as it stands in the log.
pub fn events(store: &str) -> String {
    export("events", store)
}

/// Every order of a store as JSON lines.
pub fn orders(store: &str) -> String {
    export("orders", store)
}

fn export(what: &str, store: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    run(&["export", what, "--output", file.path().to_str().unwrap(), "--store", store]).expect(0);
    fs::read_to_string(file.path()).unwrap()
}

/// Fails when `ordo verify` finds a fault; gives the number of events.
#[track_caller]
pub fn verify(store: &str) -> u64 {
    let report = run(&["verify", "--json", "--store", store]).expect(0);
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["faults"], 0, "{report}");
    assert_eq!(report["events"], report["head"]);
    report["events"].as_u64().unwrap()
}
