//! Files that commands write: their owner's alone, whole or not there, and never by way of a link.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::{
    api::widget,
    ordo_command::{run, sqlite},
};

/// Writes a file in each way in which a command does.
fn writes(folder: &Path, path: &Path) -> Vec<crate::support::ordo_command::Ended> {
    let store = sqlite(&folder.join("ordo.db"));
    let orders = folder.join("orders.jsonl");
    let line = json!({"external_id": "1", "customer_id": "ada", "items": [widget(1)]});
    fs::write(&orders, format!("{line}\nno order\n")).unwrap();
    let (orders, path) = (orders.to_str().unwrap(), path.to_str().unwrap());
    let rejects = run(&["import", orders, "--rejects", path, "--store", &store]);
    // A store to export is there either way.
    run(&["import", orders, "--store", &store]).expect(0);
    vec![
        rejects,
        run(&["export", "--output", path, "--store", &store]),
        run(&["export", "events", "-o", path, "--store", &store]),
    ]
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_with_orders_in_it_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(&folder.path().join("ordo.db"));
    let orders = folder.path().join("orders.jsonl");
    fs::write(&orders, "no order\n").unwrap();
    let (rejects, export) = (folder.path().join("rejects.csv"), folder.path().join("export.jsonl"));
    // What is there already is replaced, whoever could read it.
    fs::write(&export, "an older export, much longer than the new one\n").unwrap();
    fs::set_permissions(&export, fs::Permissions::from_mode(0o666)).unwrap();
    let in_any_mode = |arguments: &[&str]| {
        let words = ["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_ordo")];
        let status =
            Command::new("sh").args(words).args(arguments).stderr(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    };
    in_any_mode(&["import", orders.to_str().unwrap(), "--rejects", rejects.to_str().unwrap(), "--store", &store]);
    in_any_mode(&["export", "--output", export.to_str().unwrap(), "--store", &store]);
    assert_eq!((mode(&rejects), mode(&export)), (0o600, 0o600));
    assert_eq!(fs::read_to_string(&export).unwrap(), "");
    assert_eq!(fs::read_to_string(&rejects).unwrap().lines().count(), 2);
}

#[test]
fn a_link_is_neither_followed_nor_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (victim, link) = (folder.path().join("victim.txt"), folder.path().join("link"));
    let dangling = folder.path().join("dangling");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &link).unwrap();
    symlink(folder.path().join("not there"), &dangling).unwrap();
    for path in [&link, &dangling] {
        for ended in writes(folder.path(), path) {
            ended.complains(1, &[path.to_str().unwrap(), "symbolic link"]);
        }
        assert!(fs::symlink_metadata(path).unwrap().is_symlink());
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!folder.path().join("not there").exists());
}

#[test]
fn what_is_no_file_of_ones_own_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let own_folder = folder.path().join("folder");
    fs::create_dir(&own_folder).unwrap();
    for ended in writes(folder.path(), &own_folder) {
        ended.complains(1, &["no regular file"]);
    }
    let foreign = folder.path().join("foreign");
    fs::write(&foreign, "precious").unwrap();
    // Only root can give a file away; for anybody else there is none to find here.
    if chown(&foreign, Some(65534), None).is_ok() {
        for ended in writes(folder.path(), &foreign) {
            ended.complains(1, &["another user"]);
        }
        assert_eq!(fs::read_to_string(&foreign).unwrap(), "precious");
    }
    let left = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_device_or_a_pipe_of_the_shell_is_written_to_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for ended in writes(folder.path(), Path::new("/dev/stdout")) {
        assert!(!ended.expect(0).out.is_empty());
    }
    for ended in writes(folder.path(), Path::new("/dev/null")) {
        ended.expect(0);
    }
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.jsonl");
    fs::write(&path, "precious").unwrap();
    run(&["export", "-o", path.to_str().unwrap(), "--store", &sqlite(&folder.path().join("none.db"))]).expect(1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}
