//! A real `pgbouncer` before a test's database. Where none is installed the tests that need one say so and are left out;
//! `ORDO_PGBOUNCER=required` makes that a failure.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::postgres_server::TestDatabase;

const NONE_FOUND: &str = "this test needs PgBouncer (Debian: apt-get install pgbouncer)";

/// The password that it asks for.
pub const PASSWORD: &str = "b0unc3r";

/// A pooler; ends with this value.
pub struct PgBouncer {
    process: Child,
    folder: TempDir,
    port: u16,
    server: String,
    database: String,
}

impl PgBouncer {
    /// Before a database, in this mode; nothing where there is no `pgbouncer`.
    #[expect(clippy::print_stderr, reason = "a test that was left out says so")]
    pub fn before(database: &TestDatabase, mode: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(!required(), "{NONE_FOUND}");
            eprintln!("left out: {NONE_FOUND}");
            return None;
        };
        let url = database.url();
        let (place, name) = url.rsplit_once('/').unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let users = folder.path().join("users.txt");
        fs::write(&users, format!("\"postgres\" \"{PASSWORD}\"\n")).unwrap();
        let server = place.rsplit('@').next().unwrap().to_owned();
        write_settings(&folder, port, &server, mode);
        let mut command = Command::new(program);
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.args(["-u", "nobody"]);
        }
        let process = command
            .arg("-q")
            .arg(folder.path().join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bouncer = Self { process, folder, port, server, database: name.to_owned() };
        let listens = (0..400).any(|_| {
            thread::park_timeout(Duration::from_millis(25));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(listens, "PgBouncer did not start");
        Some(bouncer)
    }

    /// The database by way of it, with its password.
    pub fn url(&self) -> String {
        self.url_of(&format!("postgres:{PASSWORD}"))
    }

    /// The same for who says so.
    pub fn url_of(&self, login: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/{}", self.port, self.database)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives new connections another mode.
    pub fn change_mode(&self, mode: &str) {
        write_settings(&self.folder, self.port, &self.server, mode);
        let hang_up = format!("kill -HUP {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &hang_up]).status().unwrap().success());
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_settings(folder: &TempDir, port: u16, server: &str, mode: &str) {
    let (host, server_port) = server.split_once(':').unwrap_or((server, "5432"));
    let users = folder.path().join("users.txt");
    let settings = format!(
        "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = 30\n\
         max_client_conn = 200\nserver_check_delay = 0\nserver_login_retry = 0\n",
        users.display()
    );
    fs::write(folder.path().join("pgbouncer.ini"), settings).unwrap();
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}

#[expect(clippy::disallowed_methods, reason = "where everything must be shown, the environment says so")]
fn required() -> bool {
    std::env::var("ORDO_PGBOUNCER").is_ok_and(|wish| wish == "required")
}
