//! `ordo partners` as a process of its own, and who is behind the three URLs.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use ordo::fulfilment::{http_partner::HttpPartner, settings::PartnerLimits};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A stand-in on a ledger that goes with this value. The process ends with it, whatever happens.
pub struct PartnerProcess {
    child: Option<(Child, BufReader<ChildStdout>)>,
    address: String,
    arguments: Vec<String>,
    folder: TempDir,
}

impl PartnerProcess {
    /// All calls go well.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut process = Self { child: None, address: "127.0.0.1:0".into(), arguments, folder };
        process.restart();
        process
    }

    /// Ends it without a warning, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some((mut child, _)) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends it a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.as_ref().unwrap().0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Starts it on the same ledger, at the same address once it has one.
    pub fn restart(&mut self) {
        self.kill();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ordo"))
            .args(["partners", "--listen", &self.address, "--ledger"])
            .arg(self.folder.path().join("partners.db"))
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 {
            if let Some(url) = line.trim().strip_prefix("audit") {
                url.trim().trim_start_matches("http://").trim_end_matches('/').clone_into(&mut self.address);
                break;
            }
            line.clear();
        }
        assert!(!self.address.ends_with(":0"), "the partners did not start");
        self.child = Some((child, out));
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One of the three, over HTTP, patient for so long.
    pub fn partner(&self, name: &str, total: Duration) -> HttpPartner {
        let base = self.url(&format!("/{name}")).parse().unwrap();
        HttpPartner::new(base, PartnerLimits { total, ..PartnerLimits::default() }).unwrap()
    }

    /// What happens to the next such calls.
    pub async fn script(&self, order_id: Option<&str>, call: &str, outcomes: &[&str]) {
        let mut script = json!({"call": call, "outcomes": outcomes});
        if let Some(order_id) = order_id {
            script["order_id"] = json!(order_id);
        }
        let answer = reqwest::Client::new().post(self.url("/script")).json(&script).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// What the ledger comes to; of one order with its id.
    pub async fn audit(&self, order_id: Option<&str>) -> Value {
        let path = order_id.map_or("/audit".to_owned(), |order| format!("/audit/{order}"));
        reqwest::get(self.url(&path)).await.unwrap().json().await.unwrap()
    }
}

impl Drop for PartnerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
