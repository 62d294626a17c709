//! A PostgreSQL for the tests: the one of `TEST_DATABASE_URL`, else one in a container, else one started from the machine's
//! own binaries; without any of them the tests fail and say what to do.
//!
//! One server serves the whole test process and ends with it, however it ends. Every test has a database of its own.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use testcontainers_modules::{
    postgres::Postgres,
    testcontainers::{ContainerAsync, ImageExt, core::IntoContainerPort, runners::AsyncRunner},
};
use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// The image for containers.
const IMAGE_TAG: &str = "17-alpine";

/// How long a container may take, with the download of its image.
const CONTAINER_PATIENCE: Duration = Duration::from_mins(4);

const NONE_FOUND: &str = "these tests need PostgreSQL: set TEST_DATABASE_URL=postgres://USER:PASSWORD@HOST/DATABASE for a \
    server where databases may be created, or start Docker, or install the server (Debian: apt-get install postgresql)";

/// An empty database, dropped with this value.
pub struct TestDatabase {
    server: String,
    name: String,
}

/// A server of one test's own, which may be stopped, crashed and started again. Ends with this value.
pub struct PrivateServer {
    port: u16,
    kind: Option<Running>,
}

enum Running {
    Container(Container),
    Process(ServerProcess),
}

struct Container {
    engine_side: Box<ContainerAsync<Postgres>>,
    runtime: tokio::runtime::Runtime,
    /// Removes the container when its standard input ends: with this value, or with the process.
    _keeper: Option<Child>,
}

/// How a server is made to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Sessions are cut off, then all is written out.
    Stop,
    /// Everything ends at once; the next start recovers from the log.
    Crash,
}

impl TestDatabase {
    /// On the server that all tests share.
    pub fn fresh() -> Self {
        Self::on(shared_server())
    }

    /// On the server of a URL.
    pub fn on(server: &str) -> Self {
        let name = format!("ordo_test_{}", Uuid::new_v4().simple());
        execute(server, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).expect("a new database");
        Self { server: server.to_owned(), name }
    }

    /// Where it is, for a store.
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// The same for another role.
    pub fn url_as(&self, role: &str) -> String {
        let url = self.url();
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let place = rest.split_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{role}:a-test-password@{place}")
    }

    /// Runs statements in it, as an operator would.
    pub fn execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        execute(&self.url(), sql)
    }

    /// A setting that every new session in it has.
    pub fn set(&self, setting: &str) {
        execute(&self.server, &format!("ALTER DATABASE {} SET {setting}", self.name)).expect("a setting");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A server that the test has stopped keeps nothing.
        let _ = execute(&self.server, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

impl PrivateServer {
    /// Starts a server with settings such as `fsync=off`.
    pub fn start(settings: &[&str]) -> Self {
        let (kind, port) = start_any(settings);
        Self { kind: Some(kind), port }
    }

    /// For [`TestDatabase::on`].
    pub fn url(&self) -> String {
        url_of(self.port)
    }

    /// Stops it in good order.
    pub fn stop(&mut self) {
        self.end(Ending::Stop);
    }

    /// Ends it at once, without writing anything out.
    pub fn crash(&mut self) {
        self.end(Ending::Crash);
    }

    /// Starts it again on the same port with what is on disk.
    pub fn start_again(&mut self) {
        match self.kind.as_mut().expect("a server") {
            Running::Container(held) => held.runtime.block_on(held.engine_side.start()).expect("a container"),
            Running::Process(server) => server.launch().expect("a server"),
        }
        wait_until_ready(&self.url());
    }

    /// Stops its processes where they are, as an overloaded machine might.
    pub fn freeze(&self) {
        self.signal("STOP", "pause");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal("CONT", "unpause");
    }

    fn signal(&self, signal: &str, docker: &str) {
        let order = match self.kind.as_ref().expect("a server") {
            Running::Container(held) => format!("docker {docker} {}", held.engine_side.id()),
            Running::Process(server) => {
                let keeper = server.keeper.as_ref().expect("a running server").id();
                // The server's sessions are its children, each in a group of its own.
                format!("for server in $(pgrep -P {keeper}); do kill -{signal} $server $(pgrep -P $server); done")
            }
        };
        let sent = Command::new("sh").args(["-c", &order]).stdout(Stdio::null()).status().expect("a shell");
        assert!(sent.success(), "{order}");
    }

    fn end(&mut self, ending: Ending) {
        match self.kind.as_mut().expect("a server") {
            Running::Container(held) => {
                let seconds = if ending == Ending::Crash { 0 } else { 30 };
                held.runtime.block_on(held.engine_side.stop_with_timeout(Some(seconds))).expect("a stopped container");
            }
            Running::Process(server) => server.end(Some(ending)),
        }
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // A container's runtime may not be dropped inside the test's own.
        let kind = self.kind.take();
        let _ = thread::spawn(move || drop(kind)).join();
    }
}

/// The URL of the server all tests share; started once.
fn shared_server() -> &'static str {
    static SERVER: OnceLock<(String, Option<std::sync::Mutex<Running>>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| {
        if let Some(url) = given_url() {
            return (url, None);
        }
        let (running, port) = start_any(&["shared_buffers=64MB"]);
        (url_of(port), Some(std::sync::Mutex::new(running)))
    });
    url
}

#[expect(clippy::disallowed_methods, reason = "tests are told their database by the environment")]
fn given_url() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

/// A container, else a process. On a thread of its own, because callers may be inside a runtime.
fn start_any(settings: &[&str]) -> (Running, u16) {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    let started = thread::spawn(move || {
        let why_no_container = match start_container(&settings) {
            Ok(started) => return started,
            Err(reason) => reason,
        };
        match Binaries::find().ok_or_else(|| "no initdb and postgres".to_owned()).and_then(|binaries| {
            let server = ServerProcess::start(binaries, &settings)?;
            let port = server.port;
            Ok((Running::Process(server), port))
        }) {
            Ok(started) => started,
            Err(why_no_process) => panic!("{NONE_FOUND} ({why_no_container}; {why_no_process})"),
        }
    });
    let (running, port) = started.join().expect("a PostgreSQL server");
    wait_until_ready(&url_of(port));
    (running, port)
}

fn start_container(settings: &[String]) -> Result<(Running, u16), String> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|e| e.to_string())?;
    let port = free_port();
    let mut command = vec!["postgres".to_owned()];
    command.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), setting.clone()]));
    let request = Postgres::default()
        .with_host_auth()
        .with_fsync_enabled()
        .with_tag(IMAGE_TAG)
        .with_cmd(command)
        .with_mapped_port(port, 5432.tcp());
    let started = runtime.block_on(async { tokio::time::timeout(CONTAINER_PATIENCE, request.start()).await });
    let container = started.map_err(|_| "the container did not start in time")?.map_err(|e| e.to_string())?;
    let held = Container { _keeper: keep(container.id()), engine_side: Box::new(container), runtime };
    Ok((Running::Container(held), port))
}

/// Starts a shell that removes a container when its standard input ends: a test process drops nothing when it ends. In a
/// group of its own, so that Ctrl-C does not reach it.
fn keep(container: &str) -> Option<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; docker rm --force --volumes \"$0\"", container])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()
}

/// The programs, and whom to run them as: PostgreSQL refuses to be root.
#[derive(Clone)]
struct Binaries {
    directory: PathBuf,
    user: Option<(u32, u32)>,
}

impl Binaries {
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versioned: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
        versioned.sort();
        let directory = std::env::split_paths(&path)
            .chain(versioned.into_iter().rev())
            .find(|directory| ["initdb", "postgres"].iter().all(|name| directory.join(name).is_file()))?;
        let user = if id(&["-u"])? == 0 { Some(Self::unprivileged()?) } else { None };
        Some(Self { directory, user })
    }

    fn unprivileged() -> Option<(u32, u32)> {
        ["postgres", "nobody"].iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir("/").env("LC_ALL", "C");
        command
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A server in a temporary directory. A shell stands beside it: it ends the server when told to, or when this process is
/// gone, and then removes the directory too.
struct ServerProcess {
    binaries: Binaries,
    directory: PathBuf,
    port: u16,
    settings: Vec<String>,
    keeper: Option<Child>,
}

const KEEPER: &str = r#"
directory=$1; shift
"$@" &
server=$!
exec 2> /dev/null
read -r order || order=remove
if [ "$order" = crash ]; then kill -QUIT $server; else kill -INT $server; fi
wait $server
if [ "$order" = remove ]; then rm -rf "$directory"; fi
"#;

impl ServerProcess {
    fn start(binaries: Binaries, settings: &[String]) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("ordo-postgres-").tempdir().map_err(|e| e.to_string())?.keep();
        if let Some((user, group)) = binaries.user {
            std::os::unix::fs::chown(&directory, Some(user), Some(group)).map_err(|e| e.to_string())?;
        }
        let mut server = Self { binaries, directory, port: 0, settings: settings.to_vec(), keeper: None };
        server.initialize()?;
        let mut failure = String::new();
        // Another process may take the free port first.
        for _ in 0..5 {
            server.port = free_port();
            match server.launch() {
                Ok(()) => return Ok(server),
                Err(reason) => failure = reason,
            }
        }
        Err(failure)
    }

    fn initialize(&self) -> Result<(), String> {
        let initdb = self
            .binaries
            .command(self.binaries.directory.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(self.data())
            .output()
            .map_err(|e| e.to_string())?;
        if initdb.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&initdb.stderr).into_owned()) }
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Starts it and waits until it says that it is ready.
    fn launch(&mut self) -> Result<(), String> {
        let mut command = self.binaries.command("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&self.directory);
        command.arg(self.binaries.directory.join("postgres")).arg("-D").arg(self.data());
        let own = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".into(),
            format!("unix_socket_directories={}", self.directory.display()),
            "max_connections=300".into(),
            "log_min_messages=warning".into(),
        ];
        for setting in own.iter().chain(&self.settings) {
            command.arg("-c").arg(setting);
        }
        let mut keeper = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        let log = BufReader::new(keeper.stderr.take().expect("a pipe"));
        self.keeper = Some(keeper);
        self.wait_for_log(log)
    }

    fn wait_for_log(&mut self, log: impl BufRead + Send + 'static) -> Result<(), String> {
        let mut lines = log.lines();
        let mut last = VecDeque::new();
        for line in lines.by_ref().map_while(Result::ok) {
            if line.contains("ready to accept connections") {
                // Its log must be read on, or it would stop at a full pipe.
                thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Ok(());
            }
            last.push_back(line);
            last.truncate(20);
        }
        self.end(Some(Ending::Stop));
        Err(Vec::from(last).join("\n"))
    }

    /// `None` removes its files too.
    fn end(&mut self, ending: Option<Ending>) {
        let Some(mut keeper) = self.keeper.take() else { return };
        let order: &[u8] = match ending {
            Some(Ending::Stop) => b"stop\n",
            Some(Ending::Crash) => b"crash\n",
            None => b"",
        };
        let mut orders = keeper.stdin.take().expect("a pipe");
        // A keeper that has gone needs no order.
        let _ = orders.write_all(order);
        drop(orders);
        keeper.wait().expect("the end of the server");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end(None);
        remove(&self.directory);
    }
}

fn remove(directory: &Path) {
    // Mostly done by the keeper.
    let _ = fs::remove_dir_all(directory);
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn url_of(port: u16) -> String {
    format!("postgres://postgres:a-test-password@127.0.0.1:{port}/postgres")
}

/// The same URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (place, parameters) = url.split_once('?').map_or((url, None), |(place, rest)| (place, Some(rest)));
    let (scheme, rest) = place.split_once("://").expect("a URL");
    let authority = rest.split('/').next().unwrap_or(rest);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{scheme}://{authority}/{name}{parameters}")
}

fn wait_until_ready(url: &str) {
    let mut failure = None;
    for _ in 0..200 {
        match execute(url, "SELECT 1") {
            Ok(()) => return,
            Err(error) => failure = Some(error),
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    panic!("the PostgreSQL server did not become ready: {failure:?}");
}

/// Runs statements on a connection of their own. On a thread, because callers may be inside a runtime.
fn execute(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let ran = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            let connection = tokio::spawn(connection);
            client.batch_execute(&sql).await?;
            drop(client);
            // The session has ended when this has: a database can be dropped.
            let _ = connection.await;
            Ok(())
        })
    });
    ran.join().expect("no panic")
}
