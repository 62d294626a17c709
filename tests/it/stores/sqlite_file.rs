//! The SQLite store's file: it is one file whatever it is called, it stays where it is while it is open, and what is missing of
//! it is told.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write as _},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    api::widget,
    ordo_command::{Ended, ended, ordo, run, sqlite, verify},
    small_fs::SmallFs,
    test_app::{Store, TestApp},
    waiting::wait_until,
};

/// A folder with a server on a file in it.
struct Served {
    folder: TempDir,
    app: TestApp,
}

impl Served {
    /// With so many orders.
    fn with_orders(orders: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start_on(Store::Shared(sqlite(&folder.path().join("o.db"))), &[]);
        (0..orders).for_each(|_| drop(app.draft()));
        Self { folder, app }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("o.db")
    }

    fn wal(&self) -> PathBuf {
        self.path("o.db-wal")
    }

    fn shell(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }

    /// Stops the server, and leaves a file that is complete. A server that has no time left to close its file leaves its log.
    fn close(&mut self) {
        assert_eq!(self.app.terminate().code(), Some(0));
        while self.wal().exists() {
            assert_eq!(starts(&self.database(), &[]).terminate().code(), Some(0));
        }
    }

    /// Waits until the server has stopped by itself; how, and after how long.
    fn stops(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        (self.app.wait_for_exit().code(), began.elapsed())
    }
}

/// Tries to serve a file; it must end by itself.
fn serve(path: &Path) -> Ended {
    run(&["serve", "--listen", "127.0.0.1:0", "--store", &sqlite(path)])
}

/// Serves a file until it is ready, with further arguments.
fn starts(path: &Path, arguments: &[&str]) -> TestApp {
    TestApp::start_on(Store::Shared(sqlite(path)), arguments)
}

fn left_out(what: &str) {
    // Past the test harness, which would swallow it.
    io::stderr().write_all(format!("left out: {what}\n").as_bytes()).unwrap();
}

#[test]
fn a_second_process_is_refused_by_whatever_name_it_calls_the_file() {
    let served = Served::with_orders(1);
    let other = tempfile::tempdir().unwrap();
    let names = ["hard.db", "soft.db", "soft-of-soft.db"].map(|name| other.path().join(name));
    fs::hard_link(served.database(), &names[0]).unwrap();
    symlink(served.database(), &names[1]).unwrap();
    symlink(&names[1], &names[2]).unwrap();
    symlink(served.folder.path(), other.path().join("folder")).unwrap();
    let through_folder = other.path().join("folder").join("o.db");
    for name in names.iter().chain([&through_folder, &served.database()]) {
        serve(name).complains(1, &["in use by another process"]);
        for command in ["verify", "export"] {
            run(&[command, "--store", &sqlite(name)]).complains(1, &["in use by another process"]);
        }
    }
    let file = other.path().join("file.db");
    fs::write(&file, "").unwrap();
    let bound = Command::new("mount").arg("--bind").arg(served.database()).arg(&file).output();
    if bound.is_ok_and(|bound| bound.status.success()) {
        serve(&file).complains(1, &["in use by another process"]);
        Command::new("umount").arg(&file).output().unwrap();
    } else {
        left_out("a bind mount (mount is not allowed)");
    }
    let inherited = fs::File::open(served.database()).unwrap();
    let by_descriptor = Command::new(env!("CARGO_BIN_EXE_ordo"))
        .args(["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:/proc/self/fd/0"])
        .stdin(Stdio::from(inherited))
        .output()
        .unwrap();
    assert_eq!(by_descriptor.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&by_descriptor.stderr).contains("in use by another process"));
    // None of them has taken a lock of the server's away, or left something beside another name.
    served.app.draft();
    assert!(!other.path().join("hard.db-wal").exists() && !other.path().join("soft.db-wal").exists());
}

#[test]
fn a_second_process_is_refused_when_the_lock_file_was_deleted() {
    let served = Served::with_orders(1);
    fs::remove_file(served.path("o.db.lock")).unwrap();
    serve(&served.database()).complains(1, &["in use by another process"]);
    served.app.draft();
}

#[test]
fn a_file_opened_by_a_link_has_its_write_ahead_log_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    let real = folder.path().join("real").join("o.db");
    fs::write(&real, "").unwrap();
    let link = folder.path().join("link.db");
    symlink(&real, &link).unwrap();
    let mut app = starts(&link, &[]);
    app.draft();
    assert!(folder.path().join("real/o.db-wal").exists() && !folder.path().join("link.db-wal").exists());
    app.kill();
    assert_eq!(starts(&real, &[]).head(), 2);
}

#[test]
fn a_link_to_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("o.db");
    symlink(folder.path().join("unmounted").join("o.db"), &link).unwrap();
    serve(&link).complains(1, &["o.db", "is a link to a file that is not there"]);
}

#[test]
fn a_hard_link_is_refused_after_a_crash_and_nothing_is_lost() {
    let mut served = Served::with_orders(3);
    served.app.kill();
    let second = served.path("second.db");
    fs::hard_link(served.database(), &second).unwrap();
    serve(&second).complains(1, &["second.db", "second name", "o.db"]);
    run(&["verify", "--store", &sqlite(&second)]).complains(1, &["second name"]);
    assert_eq!(starts(&served.database(), &[]).head(), 6);
}

#[test]
fn a_file_that_is_moved_deleted_or_replaced_stops_the_server() {
    type Harm = fn(&Served);
    let harms: [(&str, Harm); 8] = [
        ("moved", |served| fs::rename(served.database(), served.path("backup.db")).unwrap()),
        ("deleted", |served| fs::remove_file(served.database()).unwrap()),
        ("replaced", |served| {
            fs::copy(served.database(), served.path("copy.db")).unwrap();
            fs::rename(served.path("copy.db"), served.database()).unwrap();
        }),
        ("linked", |served| {
            fs::rename(served.database(), served.path("elsewhere.db")).unwrap();
            symlink(served.path("elsewhere.db"), served.database()).unwrap();
        }),
        ("cut off", |served| fs::File::options().write(true).open(served.database()).unwrap().set_len(0).unwrap()),
        ("log deleted", |served| fs::remove_file(served.wal()).unwrap()),
        ("log cut off", |served| fs::File::options().write(true).open(served.wal()).unwrap().set_len(0).unwrap()),
        ("shared memory deleted", |served| fs::remove_file(served.path("o.db-shm")).unwrap()),
    ];
    for (what, harm) in harms {
        let mut served = Served::with_orders(3);
        harm(&served);
        let (code, after) = served.stops();
        assert_eq!(code, Some(1), "{what}");
        assert!(after < Duration::from_secs(5), "{what}: {after:?}");
    }
}

#[test]
fn nothing_is_acknowledged_into_a_file_that_was_taken_away() {
    let mut served = Served::with_orders(1);
    let path = served.app.draft();
    fs::rename(served.database(), served.path("backup.db")).unwrap();
    let order = json!({"items": [widget(1)]});
    let sent = served.app.request(reqwest::Method::POST, "/orders").json(&order).send();
    assert!(!sent.is_ok_and(|answer| answer.status().is_success()));
    assert_eq!(served.stops().0, Some(1));
    serve(&served.database()).complains(1, &["o.db is not there", "moved or deleted"]);
    fs::rename(served.path("backup.db"), served.database()).unwrap();
    starts(&served.database(), &[]).get(&path).expect(200);
}

#[test]
fn a_file_that_others_look_at_copy_and_shrink_is_served_on() {
    let served = Served::with_orders(3);
    let shell = served.shell();
    shell.execute("VACUUM INTO ?", [served.path("into.db").to_str().unwrap()]).unwrap();
    shell.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert_eq!(fs::metadata(served.wal()).unwrap().len(), 0);
    served.app.draft();
    shell.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(shell);
    fs::hard_link(served.database(), served.path("kept.db")).unwrap();
    served.app.draft();
    // Longer than the pause between two looks.
    let until = Instant::now() + Duration::from_millis(1500);
    wait_until("some looks at the file", || {
        served.app.get("/readyz").expect(200);
        Instant::now() > until
    });
    assert_eq!(verify(&sqlite(&served.path("into.db"))), 6);
}

#[test]
fn a_lost_write_ahead_log_is_told_and_accepted_only_when_asked_to() {
    for harm in ["deleted", "emptied", "shortened", "damaged"] {
        let mut served = Served::with_orders(20);
        served.app.kill();
        let log = fs::read(served.wal()).unwrap();
        match harm {
            "deleted" => fs::remove_file(served.wal()).unwrap(),
            "emptied" => fs::write(served.wal(), "").unwrap(),
            "shortened" => fs::write(served.wal(), &log[..log.len() / 2]).unwrap(),
            _ => {
                let mut log = log.clone();
                log[32 + 24 + 4120 * 5 + 100] ^= 1;
                fs::write(served.wal(), log).unwrap();
            }
        }
        let told = ["o.db-wal", "is lost", "--accept-lost-tail"];
        serve(&served.database()).complains(1, &told);
        // Looking changes nothing of it.
        let verified = run(&["verify", "--store", &sqlite(&served.database())]).expect(1);
        assert!(verified.out.contains("is lost"), "{harm}: {verified:?}");
        run(&["export", "--store", &sqlite(&served.database())]).expect(0);
        serve(&served.database()).complains(1, &told);
        if harm == "deleted" {
            fs::write(served.wal(), &log).unwrap();
            assert_eq!(starts(&served.database(), &[]).head(), 40);
            continue;
        }
        let mut app = starts(&served.database(), &["--accept-lost-tail"]);
        assert!(app.head() < 40, "{harm}");
        app.draft();
        app.wait_for_lists();
        app.restart();
        app.terminate();
        verify(&sqlite(&served.database()));
        assert!(starts(&served.database(), &[]).head() < 42);
    }
}

#[test]
fn a_log_that_has_lost_its_end_is_another_log() {
    let mut served = Served::with_orders(3);
    served.app.kill();
    let epoch = |path: &Path| -> String {
        Connection::open(path).unwrap().query_row("SELECT epoch FROM log", [], |row| row.get(0)).unwrap()
    };
    fs::remove_file(served.wal()).unwrap();
    let copy = served.path("copy.db");
    fs::copy(served.database(), &copy).unwrap();
    let mut app = starts(&served.database(), &["--accept-lost-tail"]);
    app.kill();
    assert_ne!(epoch(&served.database()), epoch(&copy));
}

#[test]
fn a_file_that_is_complete_without_its_write_ahead_log_is_served() {
    let mut served = Served::with_orders(20);
    let copies = ["backup.db", "into.db", "stopped.db"].map(|name| served.path(name));
    let shell = served.shell();
    shell.backup("main", &copies[0], None::<fn(rusqlite::backup::Progress)>).unwrap();
    shell.execute("VACUUM INTO ?", [copies[1].to_str().unwrap()]).unwrap();
    drop(shell);
    served.app.kill();
    // The last program that closes the file brings the log into it and deletes it.
    served.shell().query_row("SELECT count(*) FROM events", [], |_| Ok(())).unwrap();
    assert!(!served.wal().exists());
    served.app = starts(&served.database(), &[]);
    assert_eq!(served.app.head(), 40);
    served.close();
    fs::copy(served.database(), &copies[2]).unwrap();
    for copy in &copies {
        assert_eq!(verify(&sqlite(copy)), 40);
        assert_eq!(starts(copy, &[]).head(), 40);
    }
}

#[test]
fn a_copy_of_the_file_alone_that_was_made_while_it_was_served_is_refused() {
    let served = Served::with_orders(20);
    let copy = served.path("copy.db");
    fs::copy(served.database(), &copy).unwrap();
    serve(&copy).complains(1, &["-wal is not there", "is lost"]);
}

#[test]
fn an_empty_or_truncated_file_is_told_with_advice() {
    let mut served = Served::with_orders(20);
    served.close();
    let whole = fs::read(served.database()).unwrap();
    for length in [0, 1, 90, 300, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(served.database(), &whole[..length]).unwrap();
        serve(&served.database()).complains(1, &["o.db", "cut off", "backup"]);
        assert_eq!(fs::metadata(served.database()).unwrap().len(), length as u64);
    }
    fs::write(served.database(), &whole).unwrap();
    assert_eq!(starts(&served.database(), &[]).head(), 40);
}

#[test]
fn what_is_left_of_a_log_that_is_gone_is_told() {
    for left in ["-wal", ".lock"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.db");
        fs::write(folder.path().join(format!("o.db{left}")), "").unwrap();
        serve(&path).complains(1, &["o.db is not there", left, "moved or deleted"]);
        assert!(!path.exists());
    }
}

#[test]
fn a_log_that_is_shorter_than_a_read_model_is_refused() {
    let mut served = Served::with_orders(3);
    served.app.wait_for_lists();
    served.close();
    served
        .shell()
        .execute_batch("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE position > 4")
        .unwrap();
    serve(&served.database()).complains(1, &["ends at position 4", "events are missing"]);
    let verified = run(&["verify", "--store", &sqlite(&served.database())]).expect(1);
    assert!(verified.out.contains("events are missing"), "{verified:?}");
}

#[test]
fn a_file_that_others_can_read_is_made_private() {
    let mut served = Served::with_orders(1);
    served.app.kill();
    for file in [served.database(), served.wal()] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    }
    let _app = starts(&served.database(), &[]);
    for file in [served.database(), served.wal(), served.path("o.db-shm")] {
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_file_on_a_medium_that_cannot_be_written_can_be_verified_and_exported() {
    let mut served = Served::with_orders(5);
    served.app.wait_for_lists();
    served.close();
    let database = fs::read(served.database()).unwrap();
    let medium = tempfile::tempdir().unwrap();
    let Some(mount) = SmallFs::of_kilobytes(medium.path(), 20_000) else { return };
    let path = medium.path().join("a copy?.db");
    fs::write(&path, &database).unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(medium.path()).status().unwrap();
    assert!(remounted.success());
    assert_eq!(verify(&sqlite(&path)), 10);
    assert_eq!(crate::support::ordo_command::events(&sqlite(&path)).lines().count(), 10);
    serve(&path).complains(1, &["a copy?.db cannot be opened", "Read-only"]);
    drop(mount);
}

/// Runs a command as somebody who owns nothing; nothing when that cannot be done here.
fn as_nobody(arguments: &[&str]) -> Option<Ended> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordo"));
    let output = command.args(arguments).current_dir("/").uid(65_534).gid(65_534).output();
    if output.is_err() {
        left_out("a command run by somebody else (that is not allowed, or the binary is not theirs to run)");
    }
    output.ok().map(|output| ended(&output))
}

#[test]
fn a_file_in_a_folder_that_cannot_be_written_can_be_verified_and_exported_and_is_not_served() {
    let mut served = Served::with_orders(5);
    served.app.wait_for_lists();
    let (folder, file) = (served.folder.path().to_owned(), served.database());
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&folder, 0o755);
    mode(&file, 0o644);
    served.app.kill();
    // The newest orders are in a log that cannot be read without writing beside it.
    fs::remove_file(served.path("o.db-shm")).unwrap();
    mode(&served.wal(), 0o644);
    let store = sqlite(&file);
    let Some(told) = as_nobody(&["verify", "--store", &store]) else { return };
    told.complains(1, &["o.db-wal", "copy"]);
    mode(&served.wal(), 0o600);
    served.app = starts(&file, &[]);
    served.close();
    mode(&file, 0o644);
    let verified = as_nobody(&["verify", "--json", "--store", &store]).unwrap().expect(0);
    assert!(verified.out.contains("\"events\":10,"), "{verified:?}");
    as_nobody(&["export", "events", "--store", &store]).unwrap().expect(0);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--store", &store];
    as_nobody(&serve).unwrap().complains(1, &["o.db cannot be opened", "Permission denied"]);
    // The file is theirs, the folder is not: the folder is named.
    std::os::unix::fs::chown(&file, Some(65_534), Some(65_534)).unwrap();
    let folder = folder.to_str().unwrap();
    as_nobody(&serve).unwrap().complains(1, &[&format!("{folder} cannot be opened"), "Permission denied"]);
    as_nobody(&["verify", "--store", &store]).unwrap().expect(0);
}

#[test]
fn the_partners_ledger_is_one_file_whatever_it_is_called_and_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.db");
    let partners = |path: &Path| ordo(&["partners", "--listen", "127.0.0.1:0", "--ledger", path.to_str().unwrap()]);
    let mut first = Command::new(env!("CARGO_BIN_EXE_ordo"))
        .args(["partners", "--listen", "127.0.0.1:0", "--ledger", ledger.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(first.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let names = [folder.path().join("hard.db"), folder.path().join("soft.db")];
    fs::hard_link(&ledger, &names[0]).unwrap();
    symlink(&ledger, &names[1]).unwrap();
    for name in names.iter().chain([&ledger]) {
        ended(&partners(name).output().unwrap()).complains(1, &["in use by another process"]);
    }
    fs::rename(&ledger, folder.path().join("moved.db")).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(1));
}

#[test]
fn a_server_whose_disk_is_full_is_not_ready_says_why_and_comes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = SmallFs::of_kilobytes(folder.path(), 6000) else { return };
    let ballast = folder.path().join("ballast");
    fs::write(&ballast, vec![1; 5 << 20]).unwrap();
    let app = starts(&folder.path().join("o.db"), &[]);
    let order = json!({"items": [widget(1)]});
    let refused = (0..5000).map(|_| app.post("/orders", &order)).find(|reply| reply.status != 201).unwrap();
    let problem = refused.problem(503, "store-unavailable");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("written") && detail.contains("disk full"), "{detail}");
    for path in ["/readyz", "/health"] {
        let health = app.get(path).expect(503).json();
        assert_eq!((&health["status"], &health["writes"]), (&json!("unavailable"), &json!("disk full")), "{health}");
    }
    app.get("/events?limit=1").expect(200);
    app.get("/livez").expect(200);
    fs::remove_file(ballast).unwrap();
    // Nobody writes meanwhile.
    wait_until("a server that is ready again", || app.get("/readyz").status == 200);
    assert_eq!(app.get("/readyz").expect(200).json()["writes"], "ok");
    app.draft();
}

#[test]
fn a_file_that_another_program_has_appended_to_stops_the_server() {
    let mut served = Served::with_orders(1);
    let shell = served.shell();
    shell
        .create_scalar_function("only_the_store_may_append", 0, rusqlite::functions::FunctionFlags::empty(), |_| {
            Ok(true)
        })
        .unwrap();
    shell
        .execute_batch(
            "INSERT INTO events SELECT 3, x'00112233445566778899aabbccddeeff', 1, x'01', event_type, schema_version, \
             aggregate_type, timestamp, payload, metadata, checksum, chain FROM events WHERE position = 1",
        )
        .unwrap();
    let order = json!({"items": [widget(1)]});
    let sent = served.app.request(reqwest::Method::POST, "/orders").json(&order).send();
    assert!(!sent.is_ok_and(|answer| answer.status().is_success()));
    assert_eq!(served.stops().0, Some(1));
}
