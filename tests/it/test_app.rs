//! The real server, as a process of its own on a free port, and a client that knows its way around.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use reqwest::{
    Method,
    blocking::{Client, RequestBuilder, Response},
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use crate::{ordo_command::bare, postgres_server::TestDatabase};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the server may take to stop when it is told to.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Where the orders are. The file or the database goes with this value.
pub enum Store {
    Memory,
    Sqlite(TempDir),
    Postgres(TestDatabase),
    /// The store of another server; it must outlive this value.
    Shared(String),
}

impl Store {
    /// A new file.
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A new database.
    pub fn postgres() -> Self {
        Self::Postgres(TestDatabase::fresh())
    }

    /// As `--store` takes it.
    pub fn argument(&self) -> String {
        match self {
            Self::Memory => "memory".into(),
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("ordo.db").display()),
            Self::Postgres(database) => database.url(),
            Self::Shared(url) => url.clone(),
        }
    }
}

/// A server, its store and a client. The process ends with it, whatever happens.
pub struct TestApp {
    server: Option<Server>,
    store: Store,
    arguments: Vec<String>,
    /// What starts the server, when not the system: `strace`, or a shell that sets limits and then becomes it.
    launcher: Vec<String>,
    client: Client,
}

struct Server {
    process: Child,
    base: String,
    /// What it prints after its welcome must not meet a closed pipe.
    _stdout: BufReader<ChildStdout>,
    log: NamedTempFile,
}

impl TestApp {
    /// A server on a fresh memory store.
    pub fn start() -> Self {
        Self::start_on(Store::Memory, &[])
    }

    /// A server on a store, with further arguments.
    pub fn start_on(store: Store, arguments: &[&str]) -> Self {
        Self::launch(&[], store, arguments)
    }

    /// The same, started by another program, which must become the server.
    pub fn launch(launcher: &[&str], store: Store, arguments: &[&str]) -> Self {
        let client = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let (arguments, launcher) = (owned(arguments), owned(launcher));
        let mut app = Self { server: None, store, arguments, launcher, client };
        app.restart();
        app
    }

    /// Starts a server on the same store, after killing the one that runs.
    pub fn restart(&mut self) {
        self.kill();
        self.server = Some(Server::start(&self.launcher, &self.store.argument(), &self.arguments));
    }

    /// Starts a server on the same store as any other process is started.
    pub fn restart_plainly(&mut self) {
        self.launcher.clear();
        self.restart();
    }

    /// Its store.
    pub fn store_held(&self) -> &Store {
        &self.store
    }

    /// Its store, as `--store` takes it.
    pub fn store(&self) -> String {
        self.store.argument()
    }

    /// The same, at the address it had: for clients that come back by themselves.
    pub fn restart_in_place(&mut self) {
        let address = self.address();
        self.kill();
        self.start_at(&address);
    }

    /// Starts a server that was killed again, at an address that is free.
    pub fn start_at(&mut self, address: &str) {
        self.server = Some(Server::start_at(address, &self.launcher, &self.store.argument(), &self.arguments));
    }

    /// Ends the server without a warning, as `kill -9` does.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Tells the server to stop and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.server.as_mut().unwrap().signal("TERM");
        self.wait_for_exit()
    }

    /// Sends the server a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        self.server.as_ref().unwrap().signal(name);
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.server.as_ref().unwrap().said()
    }

    /// Tells the server to stop and does not wait.
    pub fn begin_to_terminate(&self) {
        self.server.as_ref().unwrap().signal("TERM");
    }

    /// Kills the server as `kill -9` does, and does not wait.
    pub fn begin_to_kill(&self) {
        self.server.as_ref().unwrap().signal("KILL");
    }

    /// Waits until a server that has been told to stop has stopped.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.server.take().unwrap().exit()
    }

    /// The most memory the server has had at once, in MiB.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.as_ref().unwrap().process.id()));
        let peak = status
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak.unwrap() >> 10
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.as_ref().unwrap().base)
    }

    /// The host and port it listens on.
    pub fn address(&self) -> String {
        self.url("").trim_start_matches("http://").to_owned()
    }

    /// A request to be made up freely.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub fn get(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::GET, path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(Method::POST, path).json(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(Method::PATCH, path).json(body))
    }

    pub fn delete(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::DELETE, path))
    }

    /// Sends text as it is, called JSON.
    pub fn post_text(&self, path: &str, body: impl Into<String>) -> Reply {
        Reply::to(self.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body.into()))
    }

    /// Places a draft of two widgets for 10.00 each; gives its path.
    pub fn draft(&self) -> String {
        self.place(&json!({"customer_id": "ada", "items": [widget(2)]}))
    }

    /// Places an order; gives its path.
    pub fn place(&self, order: &Value) -> String {
        let placed = self.post("/orders", order).expect(201);
        placed.header("location").unwrap().to_owned()
    }

    /// An order of two widgets that has come to this state; gives its path.
    pub fn order_in(&self, state: &str) -> String {
        let path = self.draft();
        if state == "Cancelled" {
            self.post(&format!("{path}/cancel"), &json!({"reason": "ordered twice"})).expect(200);
            return path;
        }
        let steps = [
            ("Draft", ""),
            ("Submitted", "submit"),
            ("Reserved", "reserve"),
            ("Processing", "process"),
            ("Completed", "complete"),
        ];
        let last = steps.iter().position(|(name, _)| *name == state).unwrap();
        for (_, step) in &steps[1..=last] {
            self.post(&format!("{path}/{step}"), &json!({})).expect(200);
        }
        path
    }

    /// Waits until every list shows all that is in the log by now.
    pub fn wait_for_lists(&self) {
        let head = self.head();
        for list in ["/orders", "/orders/history", "/customers", "/inventory"] {
            // Each answer has waited for some seconds.
            let shown = (0..60).any(|_| self.get(&format!("{list}?limit=1&min_position={head}")).status == 200);
            assert!(shown, "{list} does not come to position {head}");
        }
    }

    /// How far the log has come.
    pub fn head(&self) -> u64 {
        self.get("/readyz").expect(200).json()["position"].as_u64().unwrap()
    }
}

/// The item most tests order.
pub fn widget(quantity: i64) -> Value {
    item("widget", quantity, 1000)
}

pub fn item(product: &str, quantity: i64, unit_price_cents: i64) -> Value {
    json!({"product_id": product, "product_name": format!("The {product}"), "quantity": quantity, "unit_price_cents": unit_price_cents})
}

impl Server {
    fn start(launcher: &[String], store: &str, arguments: &[String]) -> Self {
        Self::start_at("127.0.0.1:0", launcher, store, arguments)
    }

    fn start_at(address: &str, launcher: &[String], store: &str, arguments: &[String]) -> Self {
        let log = NamedTempFile::new().unwrap();
        let words: Vec<&str> = launcher.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_ordo")]).collect();
        let mut process = bare(words[0])
            .args(&words[1..])
            .args(["serve", "--listen", address, "--store", store])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        // From here on the process ends with its value, even if it never says where it listens.
        let base = welcome(&mut stdout);
        let server = Self { process, base: base.clone().unwrap_or_default(), _stdout: stdout, log };
        assert!(base.is_some(), "the server did not start: {}", server.said());
        server
    }

    fn said(&self) -> String {
        let mut text = String::new();
        self.log.reopen().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn exit(self) -> ExitStatus {
        let (tell, told) = mpsc::channel();
        let pid = self.process.id();
        thread::spawn(move || {
            let mut server = self;
            let _ = tell.send(server.process.wait().unwrap());
        });
        told.recv_timeout(STOP_WITHIN).unwrap_or_else(|_| {
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status();
            panic!("the server did not stop within {STOP_WITHIN:?}")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprint_log(&self.said());
        }
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::print_stderr, reason = "what the server said explains why a test failed")]
fn eprint_log(log: &str) {
    eprint!("{log}");
}

/// Reads until the line that says where the server listens.
fn welcome(stdout: &mut BufReader<ChildStdout>) -> Option<String> {
    stdout.lines().map_while(Result::ok).find_map(|line| {
        let base = line.trim().strip_prefix("orders")?.trim().strip_suffix("/orders")?;
        Some(base.to_owned())
    })
}

/// An answer that has been read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// Sends a request and reads the answer.
    pub fn to(request: RequestBuilder) -> Self {
        Self::read(request.send().unwrap())
    }

    pub fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().unwrap() }
    }

    /// Goes on when the status is this.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Goes on with the body when this is a whole problem of that kind.
    #[track_caller]
    pub fn problem(&self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{name}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        assert!(!problem["request_id"].as_str().unwrap().is_empty());
        problem
    }

    /// The pointers of a problem's faults, in order.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        let problem = self.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| !error["detail"].as_str().unwrap().is_empty()), "{problem}");
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}
