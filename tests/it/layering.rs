//! The arrows of the design, held against the sources. docs/architecture.md draws them; here they are enforced.

mod scan;

use std::{fs, path::Path};

use scan::{SourceFile, sources};

/// The modules of the application, top to bottom. A module may name those in rows below its own and no other:
/// neither those above nor its neighbours.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["application"],
    &["config"],
    &["live"],
    &["http", "console", "partner_sim"],
    &["ordering"],
    &["read_models", "import", "audit", "migration", "guard"],
    &["fulfilment"],
    &["telemetry"],
    &["order"],
];

/// Crates by what they are for.
const WAITING: &[&str] = &["actix", "tokio"];
const WEB: &[&str] = &["actix_web", "actix_http", "actix_ws", "actix_cors", "reqwest"];
const SQL: &[&str] = &["rusqlite", "tokio_postgres", "bb8", "bb8_postgres", "refinery"];

/// Crates that some folders must not name: what decides neither waits nor stores, and only the stores speak SQL.
const FOREIGN: &[(&str, &[&[&str]])] = &[
    ("src/", &[SQL]),
    ("src/order/", &[WAITING, WEB]),
    ("src/import/", &[WAITING, WEB, &["ordo_actors"]]),
    ("src/read_models/", &[WEB]),
    ("src/ordering/", &[WEB, &["actix"]]),
    ("actors/src/", &[WEB, SQL]),
];

/// Where SQL is spoken all the same: in the stores, and for a ledger of its own, which is no store.
const SQL_PLACES: &[&str] = &["actors/src/stores/", "src/partner_sim/ledger_file.rs", "src/partner_sim/ledger_rows.rs"];

/// The only files that know actix: the engine's actors, the application's composition root, and the import, which runs the
/// actors without a server.
const ACTOR_FILES: &[&str] = &[
    "actors/src/aggregate/message.rs",
    "actors/src/aggregate/engine.rs",
    "actors/src/saga/supervisor.rs",
    "src/application.rs",
    "src/cli/import.rs",
    "src/main.rs",
];
const ACTOR_SUFFIX: &str = "/actor.rs";
const ACTOR_FOLDERS: &[&str] =
    &["actors/src/aggregate/actor/", "actors/src/projection/actor/", "src/application/", "actors/src/testing/"];

/// What a dependency of the engine must not be called, in part, unless it is optional.
const NOT_IN_THE_ENGINE: &[&str] = &[
    "ordo", "sql", "postgres", "bb8", "refinery", "http", "actix-", "hyper", "reqwest", "axum", "utoipa", "clap", "csv",
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "service", "manager", "data", "misc"];

const LONG_FILE: usize = 400;
const LONG_FILE_REASON: &str = "// This file is long because ";
const MAIN_LINES: usize = 40;

#[test]
fn arrows_between_modules_point_down() {
    demand_none(&each(&sources("src"), broken_arrows));
}

#[test]
fn no_module_names_a_crate_that_is_foreign_to_it() {
    demand_none(&each(&all_sources(), foreign_crates));
}

#[test]
fn actix_is_known_to_the_actors_and_the_composition_root_alone() {
    demand_none(&each(&all_sources(), actix_elsewhere));
}

#[test]
fn the_engine_depends_on_no_application_sql_or_http_crate() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("actors/Cargo.toml")).unwrap();
    let names = dependencies(&manifest);
    assert!(names.contains(&"actix"), "the manifest was not understood: {names:?}");
    demand_none(&unfit_for_the_engine(&names));
}

#[test]
fn a_long_file_says_why() {
    demand_none(&each(&all_sources(), too_long));
}

#[test]
fn no_lint_is_silenced_by_an_allow_attribute() {
    let mut files = all_sources();
    for folder in ["tests", "benches", "actors/tests", "actors/benches"] {
        files.extend(sources(folder));
    }
    demand_none(&each(&files, allow_attributes));
}

#[test]
fn no_module_has_an_empty_name() {
    demand_none(&each(&all_sources(), empty_names));
}

fn all_sources() -> Vec<SourceFile> {
    let files: Vec<_> = ["src", "actors/src"].into_iter().flat_map(sources).collect();
    assert!(files.iter().any(|file| file.path == "actors/src/lib.rs"), "the sources were not found");
    files
}

fn each(files: &[SourceFile], rule: fn(&SourceFile) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(rule).collect()
}

fn demand_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n\n  {}\n\n", faults.join("\n  "));
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn broken_arrows(file: &SourceFile) -> Vec<String> {
    let Some(module) = file.module().filter(|_| !file.is_test()) else { return Vec::new() };
    let Some(own) = layer(module) else {
        return vec![format!("{}: `{module}` has no place in LAYERS of tests/it/layering.rs", file.path)];
    };
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("{}:{line}: {what}", file.path));
    for line in file.occurrences(&["super", "::", "super"]) {
        fault(line, "`super::super` hides where an arrow points: write `crate::`".to_owned());
    }
    for (named, line) in file.named_modules().into_iter().filter(|(named, _)| *named != module) {
        match layer(named) {
            // Below `super`, a name that is no module of the root is an item of the file itself.
            None if file.occurrences(&["crate", "::", named]).is_empty() => {}
            None => fault(line, format!("`crate::{named}` has no place in LAYERS of tests/it/layering.rs")),
            Some(other) if other > own => {}
            Some(other) if other == own => fault(line, format!("`{module}` sees its neighbour `{named}`")),
            Some(_) => fault(line, format!("`{module}` sees `{named}`, which is above it")),
        }
    }
    faults
}

fn foreign_crates(file: &SourceFile) -> Vec<String> {
    let mut faults = Vec::new();
    for (folder, crates) in FOREIGN.iter().filter(|(folder, _)| file.path.starts_with(folder) && !file.is_test()) {
        let at_home = |name: &&&str| SQL.contains(*name) && SQL_PLACES.iter().any(|place| file.path.starts_with(place));
        for name in crates.iter().copied().flatten().filter(|name| !at_home(name)) {
            let lines = file.uses_of_crate(name);
            faults.extend(lines.iter().map(|line| format!("{}:{line}: `{folder}` must not know `{name}`", file.path)));
        }
    }
    faults
}

fn actix_elsewhere(file: &SourceFile) -> Vec<String> {
    let at_home = ACTOR_FILES.contains(&&*file.path)
        || (file.path.starts_with("actors/src/") && file.path.ends_with(ACTOR_SUFFIX))
        || ACTOR_FOLDERS.iter().any(|folder| file.path.starts_with(folder));
    if at_home || file.is_test() {
        return Vec::new();
    }
    let lines = file.uses_of_crate("actix");
    lines.iter().map(|line| format!("{}:{line}: actix belongs to the files of the actors", file.path)).collect()
}

fn too_long(file: &SourceFile) -> Vec<String> {
    if file.path == "src/main.rs" && file.lines > MAIN_LINES {
        return vec![format!("src/main.rs has {} lines; {MAIN_LINES} start what others do", file.lines)];
    }
    let excused = file.text.lines().any(|line| line.starts_with(LONG_FILE_REASON));
    if file.is_test() || excused || file.lines <= LONG_FILE {
        return Vec::new();
    }
    vec![format!("{} has {} lines: split it, or write `{LONG_FILE_REASON}...`", file.path, file.lines)]
}

fn allow_attributes(file: &SourceFile) -> Vec<String> {
    // With its tests, which count here too.
    let whole = SourceFile::with_tests(&file.path, &file.text);
    let mut lines = whole.occurrences(&["#", "[", "allow", "("]);
    lines.extend(whole.occurrences(&["#", "!", "[", "allow", "("]));
    lines.iter().map(|line| format!("{}:{line}: write `#[expect(.., reason = \"..\")]`", file.path)).collect()
}

fn empty_names(file: &SourceFile) -> Vec<String> {
    let names = file.path.split('/').skip_while(|name| *name != "src").skip(1).map(|name| name.trim_end_matches(".rs"));
    let empty = |name: &&str| EMPTY_NAMES.contains(&name.rsplit('_').next().unwrap_or(name));
    names.filter(empty).map(|name| format!("{}: `{name}` does not say what it is", file.path)).collect()
}

fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut in_list = false;
    for line in manifest
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("optional = true"))
    {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            in_list = table.ends_with("dependencies");
            names.extend(table.rsplit_once("dependencies.").map(|(_, name)| name));
        } else if in_list {
            names.extend(line.split(['=', '.']).next().map(str::trim));
        }
    }
    names
}

fn unfit_for_the_engine(names: &[&str]) -> Vec<String> {
    let unfit = |name: &&&str| **name != "ordo-actors" && NOT_IN_THE_ENGINE.iter().any(|part| name.contains(part));
    names.iter().filter(unfit).map(|name| format!("actors/Cargo.toml: the engine must not know `{name}`")).collect()
}

/// The rules themselves, on sources made up to break them.
mod rules {
    use super::*;

    fn faults(rule: fn(&SourceFile) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
        rule(&SourceFile::new(path, text))
    }

    #[test]
    fn an_arrow_that_points_up_or_sideways_is_found_in_any_spelling() {
        for (path, text, fault) in [
            ("src/order/state.rs", "use crate::import::Line;", "which is above it"),
            ("src/order/state.rs", "fn f() { crate::http::serve() }", "which is above it"),
            ("src/http/orders.rs", "use crate::{order::Order, console::Page};", "neighbour `console`"),
            ("src/http/orders.rs", "use crate::{order::Order, live::Hub};", "`live`, which is above it"),
            (
                "src/http/orders.rs",
                "use crate::{\n    order::{self, Order},\n    application,\n};",
                "3: `http` sees `application`",
            ),
            ("src/http/mod.rs", "use super::console::Page;", "neighbour `console`"),
            ("src/telemetry.rs", "use super::{order, http};", "which is above it"),
            ("src/http/a/b.rs", "use super::super::super::live;", "super::super"),
            ("src/new_thing.rs", "", "no place in LAYERS"),
            ("src/http/orders.rs", "use crate::new_thing::X;", "no place in LAYERS"),
        ] {
            let faults = faults(broken_arrows, path, text);
            assert!(faults.iter().any(|found| found.contains(fault)), "{text}: {faults:?}");
        }
    }

    #[test]
    fn an_arrow_down_and_a_path_within_a_module_are_no_fault() {
        for (path, text) in [
            ("src/http/orders.rs", "use crate::{http::error::Problem, order::{Order, live}, import};"),
            ("src/http/orders.rs", "use super::live::Hub;"),
            ("src/http/mod.rs", "use super::*; mod orders; use super::Thing;"),
            (
                "src/order/state.rs",
                "// crate::http\n/* crate::http /* */ crate::live */ const A: &str = \"crate::http\";",
            ),
            ("src/order/state.rs", "const A: (&str, char) = (r#\"\" crate::http\"#, '\"'); fn f<'a>(_: &'a str) {}"),
            ("src/order/state.rs", "#[cfg(test)]\nmod tests { use crate::http::X; fn f() { { } } }"),
            ("src/order/tests.rs", "use crate::http::X;"),
            ("src/main.rs", "use ordo::application;"),
        ] {
            assert_eq!(faults(broken_arrows, path, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn code_behind_a_test_module_is_still_read() {
        let text = "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::http::X;";
        assert_eq!(faults(broken_arrows, "src/order/state.rs", text).len(), 1);
    }

    #[test]
    fn a_file_declared_as_a_test_is_one() {
        let declaring = "#[cfg(test)]\nmod examples;\n#[cfg(test)]\n#[path = \"x\"]\npub mod more;\nmod state;";
        let mut files = vec![SourceFile::new("src/order/mod.rs", declaring)];
        let paths =
            ["src/order/examples.rs", "src/order/more/deep.rs", "src/order/state.rs", "src/order/examples_too.rs"];
        files.extend(paths.map(|path| SourceFile::new(path, "use crate::http::X;")));
        scan::mark_tests(&mut files);
        assert_eq!(each(&files, broken_arrows).len(), 2);
    }

    #[test]
    fn a_foreign_crate_is_found_and_a_name_that_contains_it_is_not() {
        let foreign = |text| faults(foreign_crates, "src/order/state.rs", text).len();
        assert_eq!(foreign("use tokio::sync::mpsc;"), 1);
        assert_eq!(foreign("fn f() { ::actix_web::rt() } use rusqlite;"), 1);
        assert_eq!(foreign("let tokio = 1; a.tokio(); crate::order::tokio::f(); use tokio_like::x;"), 0);
    }

    #[test]
    fn actix_outside_the_actors_is_found() {
        assert_eq!(faults(actix_elsewhere, "actors/src/log/appender.rs", "use actix::Addr;").len(), 1);
        assert_eq!(faults(actix_elsewhere, "src/http/orders.rs", "use actix::Addr;").len(), 1);
        assert_eq!(faults(actix_elsewhere, "src/http/orders.rs", "use actix_web::web;").len(), 0);
        assert_eq!(faults(actix_elsewhere, "actors/src/projection/actor.rs", "use actix::Addr;").len(), 0);
    }

    #[test]
    fn dependencies_are_found_however_they_are_written_unless_they_are_optional() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nactix = \"1\"\nlog.workspace = true\n# rusqlite\n\
                        [dependencies.tokio-postgres]\nversion = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\nhyper = \"1\"\nbb8 = { version = \"1\", optional = true }\n[features]\nsql = []\n";
        assert_eq!(dependencies(manifest), ["actix", "log", "tokio-postgres", "hyper"]);
        assert_eq!(unfit_for_the_engine(&dependencies(manifest)).len(), 2);
        assert_eq!(unfit_for_the_engine(&["ordo-actors", "ordo", "actix-web", "actix"]).len(), 2);
    }

    #[test]
    fn a_long_file_needs_a_reason_and_its_tests_do_not_count() {
        let code = "fn f() {}\n".repeat(LONG_FILE);
        let tests = format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert_eq!(faults(too_long, "src/order/a.rs", &format!("{code}fn g() {{}}\n")).len(), 1);
        assert_eq!(faults(too_long, "src/order/a.rs", &format!("{code}{LONG_FILE_REASON}it lists\n")).len(), 0);
        assert_eq!(faults(too_long, "src/order/a.rs", &tests).len(), 0);
        assert_eq!(faults(too_long, "src/main.rs", &code).len(), 1);
    }

    #[test]
    fn an_allow_attribute_is_found_even_in_tests() {
        let allow = |text| faults(allow_attributes, "src/order/a.rs", text).len();
        assert_eq!(allow("#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(allow("#![allow(dead_code)]"), 1);
        assert_eq!(allow("#[cfg(test)]\nmod tests { #[allow(dead_code)] fn f() {} }"), 1);
        assert_eq!(allow("#[expect(dead_code)] fn f() { allow(1) } // #[allow(x)]"), 0);
    }

    #[test]
    fn an_empty_name_is_found_in_files_and_folders() {
        assert_eq!(faults(empty_names, "src/http/test_utils.rs", "").len(), 1);
        assert_eq!(faults(empty_names, "src/common/mod.rs", "").len(), 1);
        assert_eq!(faults(empty_names, "src/http/orders.rs", "").len(), 0);
    }
}
