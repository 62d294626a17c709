//! The command line: what it takes, what it refuses and with which words, and how it ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use chrono::DateTime;
use ordo::application::open_stores;
use ordo_actors::log::{
    event::StreamId,
    store::{Commit, ExpectedVersion, NewEvent, StreamWrite},
};
use serde_json::value::RawValue;
use tempfile::{NamedTempFile, TempDir};
use uuid::Uuid;

use crate::support::{
    ordo_command::{Ended, ended, events, ordo, run, sqlite},
    postgres_server::TestDatabase,
    small_fs::SmallFs,
    test_app::{Store, TestApp},
};

const SECRET: &str = "s3cret-w0rd";

fn with_environment(arguments: &[&str], name: &str, value: &str) -> Ended {
    ended(&ordo(arguments).env(name, value).output().unwrap())
}

fn settings(text: &str) -> NamedTempFile {
    let file = NamedTempFile::with_suffix(".toml").unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

fn with_file(text: &str) -> Ended {
    run(&["serve", "--store", "memory", "--config", settings(text).path().to_str().unwrap()])
}

/// A folder and a store in it.
fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(&folder.path().join("ordo.db"));
    (folder, store)
}

#[test]
fn help_names_every_command_and_the_version_is_told() {
    let help = run(&["--help"]).expect(0).out;
    for command in ["serve", "import", "export", "verify", "migrate", "health"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in {help}");
        run(&[command, "--help"]).expect(0);
    }
    assert_eq!(run(&["--version"]).expect(0).out, format!("ordo {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_bad_flag_is_refused_by_its_name() {
    let wrong = [
        ("--listen", "localhost"),
        ("--workers", "0"),
        ("--workers", "many"),
        ("--max-body-bytes", "-1"),
        ("--max-in-flight", "0"),
        ("--max-actors", "1.5"),
        ("--idle-seconds", "soon"),
        ("--snapshot-every", "x"),
        ("--idempotency-hours", "23"),
        ("--shutdown-seconds", ""),
        ("--store", "mysql://host/database"),
        ("--store", "sqlite:"),
    ];
    for (flag, value) in wrong {
        run(&["serve", &format!("{flag}={value}")]).complains(2, &[flag]);
        run(&[&format!("{flag}={value}")]).complains(2, &[flag]);
    }
    run(&["serve", "--nonsense"]).complains(2, &["--nonsense"]);
    run(&["nonsense"]).complains(2, &["nonsense"]);
}

#[test]
fn a_bad_value_in_the_environment_is_refused_like_its_flag() {
    let wrong = [
        ("ORDO_LISTEN", "8080", "--listen"),
        ("ORDO_WORKERS", "two", "--workers"),
        ("ORDO_STORE", "postgres", "--store"),
        ("ORDO_MAX_BODY_BYTES", "4MiB", "--max-body-bytes"),
        ("ORDO_IDEMPOTENCY_HOURS", "9000", "--idempotency-hours"),
        ("ORDO_ALLOW_UNSAFE_DURABILITY", "maybe", "--allow-unsafe-durability"),
        ("DATABASE_URL", "mysql://host/database", "--database-url"),
    ];
    for (name, value, flag) in wrong {
        with_environment(&["serve"], name, value).complains(2, &[flag]);
    }
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_refused_with_the_one_that_was_meant() {
    for (name, meant) in [
        ("ORDO_STROE", "ORDO_STORE"),
        ("ORDO_LISTNE", "ORDO_LISTEN"),
        ("ORDO_LGO", "ORDO_LOG"),
        ("ORDO_MAX_ACTOR", "ORDO_MAX_ACTORS"),
    ] {
        for command in ["serve", "export", "health"] {
            with_environment(&[command], name, "memory").complains(2, &[name, &format!("did you mean {meant}?")]);
        }
    }
    // What others set around a service of this name is told, and nothing more.
    let (_folder, store) = folder();
    append_from_the_future(&store);
    for name in [
        "ORDO_PORT",
        "ORDO_SERVICE_HOST",
        "ORDO_PORT_8080_TCP_ADDR",
        "ORDO_TEST_ROUNDS",
        "ORDO_REAL_DATA",
        "ORDO_BROWSER",
    ] {
        let ended = with_environment(&["export", "events", "--store", &store], name, "1").expect(0);
        assert!(ended.err.contains(name) && ended.err.contains("no effect"), "{}", ended.err);
    }
}

#[test]
fn what_other_programs_call_a_database_in_memory_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sqlite::memory:", "sqlite://:memory:", "sqlite:file:orders?mode=memory"] {
        let refused = ordo(&["serve", "--store", name]).current_dir(folder.path()).output().unwrap();
        ended(&refused).complains(2, &["--store", "called memory"]);
    }
    let refused = ordo(&["partners", "--ledger", ":memory:"]).current_dir(folder.path()).output().unwrap();
    ended(&refused).complains(2, &["--ledger", "is a file"]);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_bad_settings_file_is_refused_with_its_name_and_line() {
    with_file("listn = \"127.0.0.1:0\"").complains(2, &[".toml", "line 1", "listn"]);
    with_file("\nworkers = \"two\"").complains(2, &[".toml", "line 2", "invalid type: string"]);
    with_file("workers = 0").complains(2, &[".toml", "nonzero"]);
    with_file("idempotency_hours = 1").complains(2, &["idempotency_hours", "24"]);
    with_file("workers = ").complains(2, &[".toml", "line 1"]);
    with_file("[serve]\nworkers = 1").complains(2, &[".toml", "serve"]);
    run(&["serve", "--config", "/nowhere/ordo.toml"]).complains(2, &["/nowhere/ordo.toml", "No such file"]);
}

/// The address and the store that a server says it has, for each of these ways to tell it.
fn welcome(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordo"));
    let mut serving = command
        .env_remove("ORDO_REAL_DATA")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(tempfile::tempdir().unwrap().keep())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(serving.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<_> = lines.take_while(|line| !line.starts_with("Place")).collect();
    serving.kill().unwrap();
    serving.wait().unwrap();
    said.join("\n")
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = settings("listen = \"127.0.0.4:0\"\nstore = \"memory\"");
    let file = ["--config", file.path().to_str().unwrap()];
    let environment = [("ORDO_LISTEN", "127.0.0.3:0")];
    let flag = ["--listen", "127.0.0.2:0"];
    for command in [&[][..], &["serve"]] {
        let with = |further: &[&[&str]], environment: &[(&str, &str)]| {
            welcome(&[command, &further.concat()].concat(), environment)
        };
        let said = with(&[&file], &[]);
        assert!(said.contains("127.0.0.4") && said.contains("memory"), "{said}");
        assert!(with(&[&file], &environment).contains("127.0.0.3"));
        assert!(with(&[&file, &flag], &environment).contains("127.0.0.2"));
        let said = with(&[&flag], &[]);
        assert!(said.contains("sqlite:ordo-data/ordo.db"), "{said}");
    }
    // The one flag that has two names in the environment.
    let (_folder, store) = folder();
    let said = welcome(&["--listen", "127.0.0.1:0"], &[("DATABASE_URL", &store)]);
    assert!(said.contains(&store), "{said}");
    let said = welcome(&["--listen", "127.0.0.1:0"], &[("DATABASE_URL", &store), ("ORDO_STORE", "memory")]);
    assert!(said.contains("memory"), "{said}");
}

#[test]
fn a_second_process_on_a_file_ends_at_once_and_says_why() {
    let app = TestApp::start_on(Store::sqlite(), &[]);
    let store = app.store();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["verify"], &["export"]] {
        run(&[arguments, &["--store", &store]].concat()).complains(1, &["in use by another process"]);
    }
    app.draft();
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_was() {
    let (folder, store) = folder();
    let path = folder.path().join("ordo.db");
    let foreign = |path: &Path| {
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('x')").unwrap();
    };
    for make in [&foreign as &dyn Fn(&Path), &|path: &Path| fs::write(path, "Dear diary\n").unwrap()] {
        let _ = fs::remove_file(&path);
        make(&path);
        let before = fs::read(&path).unwrap();
        for command in ["serve", "verify", "export"] {
            run(&[command, "--store", &store]).complains(1, &["ordo.db", "not a log of this program"]);
        }
        assert!(before == fs::read(&path).unwrap());
    }
}

/// Appends an event that no version of this program has written.
fn append_from_the_future(store: &str) {
    let event = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: "OrderTeleported".into(),
        schema_version: 3,
        payload: RawValue::from_string("{}".into()).unwrap(),
    };
    let write = StreamWrite {
        stream: StreamId::generate(),
        aggregate_type: "Order".into(),
        expected: ExpectedVersion::NoStream,
        events: vec![event],
        snapshot: None,
    };
    let commit =
        Commit { timestamp: DateTime::UNIX_EPOCH, metadata: Arc::default(), writes: vec![write], idempotency: None };
    actix_web::rt::System::new().block_on(async {
        let store = open_stores(&store.parse().unwrap(), false).await.unwrap().log;
        store.append(vec![commit]).await.unwrap();
    });
}

#[test]
fn a_log_with_an_event_nobody_here_can_read_is_refused_by_its_name() {
    let (folder, file) = folder();
    let database = TestDatabase::fresh();
    let orders = folder.path().join("orders.jsonl");
    fs::write(&orders, "{\"items\":[]}\n").unwrap();
    for store in [&file, &database.url()] {
        append_from_the_future(store);
        run(&["serve", "--listen", "127.0.0.1:0", "--store", store]).complains(1, &["OrderTeleported", "3"]);
        run(&["import", orders.to_str().unwrap(), "--store", store]).complains(1, &["OrderTeleported"]);
        let verdict = run(&["verify", "--store", store]).complains(1, &["1 fault"]);
        assert!(verdict.out.contains("OrderTeleported"), "{}", verdict.out);
        // What cannot be read can still be taken elsewhere.
        assert!(events(store).contains("OrderTeleported"));
    }
}

#[test]
fn a_port_in_use_is_told() {
    let app = TestApp::start();
    let address = app.address();
    run(&["serve", "--store", "memory", "--listen", &address]).complains(1, &["cannot listen on", &address]);
}

#[test]
fn health_is_good_while_the_server_works_and_bad_when_it_is_gone() {
    let mut app = TestApp::start();
    let address = app.address();
    run(&["health", "--listen", &address]).expect(0);
    with_environment(&["health"], "ORDO_LISTEN", &address).expect(0);
    app.kill();
    run(&["health", "--listen", &address]).complains(1, &[&address]);
}

#[test]
fn an_import_of_what_is_not_there_or_not_understood_fails_and_says_what() {
    let (folder, store) = folder();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let import = |file: &str, further: &[&str]| run(&[&["import", file, "--store", &store], further].concat());
    import("/nowhere/orders.csv", &[]).complains(1, &["/nowhere/orders.csv", "No such file"]);
    import(&file("orders.txt", "x"), &[]).complains(1, &["orders.txt", "--format"]);
    let invoices = file("orders.csv", "a,b\n1,2\n");
    import(&invoices, &[]).complains(1, &["no column \"order\"", "a, b"]);
    import(&invoices, &["--map", "order"]).complains(2, &["--map", "order"]);
    import(&invoices, &["--map", "colour=a"]).complains(2, &["--map", "colour"]);
    import(&invoices, &["--currency", "XXX"]).complains(2, &["--currency"]);
    import(&invoices, &["--format", "xml"]).complains(2, &["--format"]);
    import(&invoices, &["--outcome", "lost"]).complains(2, &["--outcome", "lost"]);
    import(&invoices, &["--rejects", "/nowhere/rejects.csv"]).complains(1, &["/nowhere/rejects.csv"]);
    import(&invoices, &["--store", "memory"]).complains(2, &["--store"]);
}

#[test]
fn a_log_that_is_not_there_is_not_made_by_looking_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("ordo.db");
    let store = sqlite(&path);
    for command in ["verify", "export"] {
        run(&[command, "--store", &store]).complains(1, &["there is no log", path.to_str().unwrap()]);
    }
    let target = sqlite(&folder.path().join("target.db"));
    run(&["migrate", "--from", &store, "--to", &target]).complains(1, &["there is no log"]);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let _mount = SmallFs::read_only(folder.path());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).ok();
    let store = sqlite(&folder.path().join("ordo.db"));
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--store", &store]);
    refused.complains(1, &["ordo.db", "cannot be opened"]);
}

#[test]
fn a_password_is_never_shown() {
    let database = TestDatabase::fresh();
    // The test server trusts everybody, so any password will do.
    let working = database.url().replacen("a-test-password", SECRET, 1);
    let unreachable = format!("postgres://ordo:{SECRET}@127.0.0.1:1/ordo");
    let misspelt = [
        format!("mysql://ordo:{SECRET}@host/ordo"),
        format!("postgres:/ordo:{SECRET}@host/ordo"),
        format!("postgres://ordo:{SECRET}@host:port/ordo"),
        format!("postgres://ordo:p@{SECRET}@127.0.0.1:1/ordo"),
        format!("postgres://127.0.0.1:1/ordo?user=ordo&password=a@{SECRET}"),
        format!("postgres://ordo@127.0.0.1:1/ordo?password={SECRET}&nonsense={SECRET}"),
        format!("postgres://ordo:a@{SECRET}?b@127.0.0.1:1/ordo"),
        format!("postgres://ordo:a#{SECRET}/b@127.0.0.1:1/ordo"),
        format!("postgres://ordo:%40{SECRET}%2F@127.0.0.1:1,127.0.0.1:1/ordo"),
        format!("postgres://ordo:{SECRET}@127.0.0.1:1/ordo?sslmode=verify-full"),
        format!("host=127.0.0.1 port=1 user=ordo password={SECRET}"),
    ];
    let mut said = Vec::new();
    for url in misspelt.iter().chain([&unreachable]) {
        for command in ["serve", "verify", "export"] {
            said.push(run(&[command, "--store", url]));
            said.push(with_environment(&[command], "ORDO_STORE", url));
            said.push(with_environment(&[command], "DATABASE_URL", url));
        }
        said.push(run(&["migrate", "--from", url, "--to", url]));
        // Where something else was asked for.
        said.push(run(&["serve", url]));
        said.push(run(&["verify", url]));
        said.push(run(&["import", url, "--store", "memory"]));
        said.push(run(&["serve", "--listen", url]));
        said.push(run(&["serve", &format!("--workers={url}")]));
        said.push(run(&["serve", "--config", url]));
        let file = settings(&format!("store = \"{url}\""));
        said.push(run(&["serve", "--config", file.path().to_str().unwrap()]));
    }
    assert!(said.iter().all(|ended| matches!(ended.code, Some(1 | 2))), "{said:#?}");
    said.push(with_environment(&["--help"], "ORDO_STORE", &working));
    said.push(with_environment(&["serve", "--help"], "DATABASE_URL", &working));
    let tracing = |arguments: &[&str]| {
        let output = ordo(arguments).env("ORDO_LOG", "trace").args(["--store", &working]).output();
        ended(&output.unwrap()).expect(0)
    };
    said.push(tracing(&["verify"]));
    said.push(tracing(&["export"]));
    for Ended { out, err, .. } in &said {
        assert!(!out.contains(SECRET) && !err.contains(SECRET), "{out}{err}");
    }
    let environment = [("ORDO_STORE", working.as_str()), ("ORDO_LOG", "trace")];
    let said = welcome(&["--listen", "127.0.0.1:0"], &environment);
    assert!(said.contains("postgres://127.0.0.1") && !said.contains(SECRET), "{said}");
}

#[test]
fn an_order_that_is_there_with_another_content_is_not_moved_on_by_an_import() {
    const PEN: &str = r#"{"product_id":"pen","product_name":"Pen","quantity":2,"unit_price_cents":100}"#;
    const INK: &str = r#"{"product_id":"ink","product_name":"Ink","quantity":2,"unit_price_cents":100}"#;
    let (folder, store) = folder();
    let import = |name: &str, item: &str, outcome: &str| {
        let path = folder.path().join(name);
        let line = |id: u8, item: &str| {
            format!(
                r#"{{"order_id":"00000000-0000-7000-8000-00000000000{id}","customer_id":"ada","outcome":"{outcome}","items":[{item}]}}"#
            )
        };
        fs::write(&path, line(1, item) + "\n" + &line(2, PEN)).unwrap();
        let rejects = folder.path().join("rejects.csv");
        let (path, rejects) = (path.to_str().unwrap(), rejects.to_str().unwrap());
        let report = run(&["import", path, "--json", "--rejects", rejects, "--store", &store]).expect(0).out;
        (serde_json::from_str::<serde_json::Value>(&report).unwrap(), fs::read_to_string(rejects).unwrap())
    };
    assert_eq!(import("first.jsonl", PEN, "draft").0["imported"], 2);
    let (report, rejects) = import("other.jsonl", INK, "completed");
    assert_eq!((&report["imported"], &report["refused"]), (&1.into(), &1.into()), "{report}");
    assert!(rejects.contains("an order with this id is there, with another content"), "{rejects}");
    let (report, _) = import("other.jsonl", INK, "completed");
    assert_eq!((&report["already_there"], &report["refused"]), (&1.into(), &1.into()), "{report}");
    let exported = crate::support::ordo_command::orders(&store);
    let outcomes = ["\"draft\"", "\"completed\""].map(|outcome| exported.matches(outcome).count());
    assert_eq!(outcomes, [1, 1], "{exported}");
}
