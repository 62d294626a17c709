//! The real server, as a process of its own on a free port, and a client that knows its way around.

use std::{
    io::{BufRead, BufReader, Read},
    ops::Deref,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::{NamedTempFile, TempDir};

use super::{api::Api, ordo_command::bare, postgres_server::TestDatabase};

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
    /// The running server, or the last one.
    api: Api,
}

struct Server {
    process: Child,
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
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let (arguments, launcher) = (owned(arguments), owned(launcher));
        let mut app = Self { server: None, store, arguments, launcher, api: Api::at(String::new()) };
        app.restart();
        app
    }

    /// Starts a server on the same store, after killing the one that runs.
    pub fn restart(&mut self) {
        self.kill();
        self.start_at("127.0.0.1:0");
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
        let (server, base) = Server::start_at(address, &self.launcher, &self.store.argument(), &self.arguments);
        self.server = Some(server);
        self.api = Api::at(base);
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
}

impl Deref for TestApp {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Server {
    /// Starts it; gives where it listens as well.
    fn start_at(address: &str, launcher: &[String], store: &str, arguments: &[String]) -> (Self, String) {
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
        let server = Self { process, _stdout: stdout, log };
        let Some(base) = base else { panic!("the server did not start: {}", server.said()) };
        (server, base)
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
