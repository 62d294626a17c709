//! The arrows of the design, held against the sources: docs/architecture.md draws them, and is read here.

mod circles;
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

use sources::{Source, sources};

/// Crates by what they are for.
const WAITING: &[&str] = &["actix", "tokio"];
const WEB: &[&str] = &["actix_web", "actix_http", "actix_ws", "actix_cors", "reqwest"];
const DESCRIBING: &[&str] = &["utoipa"];
const SQL: &[&str] = &["rusqlite", "tokio_postgres", "bb8", "bb8_postgres", "refinery"];

/// Crates that some folders must not name: what decides neither waits nor stores, and only the stores speak SQL.
const FOREIGN: &[(&str, &[&[&str]])] = &[
    ("src/", &[SQL]),
    ("src/order/", &[WAITING, WEB]),
    ("src/import/", &[WAITING, WEB, DESCRIBING, &["ordo_actors"]]),
    ("src/read_models/", &[WEB, DESCRIBING]),
    ("src/ordering/", &[WEB, DESCRIBING, &["actix"]]),
    ("actors/src/", &[WEB, SQL, DESCRIBING]),
];

/// Where SQL is spoken all the same: in the stores, and for a ledger of its own, which is no store.
const SQL_PLACES: &[&str] = &["actors/src/stores/", "src/partner_sim/ledger_file.rs", "src/partner_sim/ledger_rows.rs"];

/// The only files that know actix: the engine's actors, the application's composition root, and the import, which runs the
/// actors without a server.
const ACTOR_PLACES: &[&str] = &[
    "actors/src/aggregate/actor",
    "actors/src/aggregate/engine.rs",
    "actors/src/aggregate/message.rs",
    "actors/src/projection/actor",
    "actors/src/saga/actor.rs",
    "actors/src/saga/supervisor.rs",
    "actors/src/testing/",
    "src/application",
    "src/cli/import.rs",
    "src/main.rs",
];

/// What a dependency of the engine must not be called, in part, unless it is optional.
const NOT_IN_THE_ENGINE: &[&str] = &[
    "ordo", "sql", "postgres", "bb8", "refinery", "http", "actix-", "hyper", "reqwest", "axum", "utoipa", "clap", "csv",
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "service", "manager", "data", "misc"];

const LONG_FILE: usize = 400;
const MAIN_LINES: usize = 40;

/// The modules of the application in layers, top to bottom. A module may name those in layers below its own and no other:
/// neither those above nor its neighbours.
fn layers(architecture: &str) -> Vec<Vec<&str>> {
    let drawn = architecture.lines().find(|line| line.starts_with("main > ")).expect("the layers are drawn");
    let names = |layer| str::split(layer, [' ', '{', '}', ',']).filter(|name| !name.is_empty()).collect();
    let mut layers: Vec<_> = drawn.split('>').map(names).collect();
    assert_eq!((layers.remove(0), layers.pop()), (vec!["main"], Some(vec!["ordo-actors"])));
    layers
}

fn architecture() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap()
}

/// The sources of both crates, tests aside.
fn code() -> Vec<Source> {
    ["src", "actors/src"].into_iter().flat_map(sources).filter(|file| !file.is_test()).collect()
}

fn demand_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n\n  {}\n\n", faults.join("\n  "));
}

fn broken_arrows(file: &Source, layers: &[Vec<&str>]) -> Vec<String> {
    let level = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let Some(own) = &file.module().first().cloned() else { return Vec::new() };
    let Some(at) = level(own) else {
        return vec![format!("{}: `{own}` is in no layer of docs/architecture.md", file.path)];
    };
    let mut faults = Vec::new();
    for path in file.paths("crate") {
        let named = path.split("::").nth(1).unwrap_or_default();
        match level(named) {
            _ if named == own => {}
            Some(other) if other > at => {}
            Some(_) => faults.push(format!("{}: `{own}` sees `{named}`, which is not below it", file.path)),
            None => faults.push(format!("{}: `{named}` is in no layer of docs/architecture.md", file.path)),
        }
    }
    if file.module().len() == 1 && !file.paths("super").is_empty() || file.code.contains("super::super") {
        faults.push(format!("{}: `super` hides where an arrow points: write `crate::`", file.path));
    }
    faults
}

#[test]
fn arrows_between_modules_point_down() {
    let text = architecture();
    let layers = layers(&text);
    let files = sources("src").into_iter().filter(|file| !file.is_test());
    demand_none(&files.flat_map(|file| broken_arrows(&file, &layers)).collect::<Vec<_>>());
    let exists = |module: &&str| ["", "/mod"].iter().any(|end| Path::new(&format!("src/{module}{end}.rs")).exists());
    assert!(layers.iter().flatten().all(exists), "{layers:?} names a module that is not there");
}

#[test]
fn every_file_that_the_architecture_names_is_there() {
    let files: Vec<_> =
        ["src", "actors/src"].into_iter().flat_map(sources).map(|file| format!("/{}", file.path)).collect();
    let text = architecture();
    let named = text.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs") && !name.contains(['{', ' ']));
    let missing = named.filter(|name| !files.iter().any(|path| path.ends_with(&format!("/{name}"))));
    demand_none(&missing.map(|name| format!("docs/architecture.md names `{name}`")).collect::<Vec<_>>());
}

#[test]
fn files_stand_in_no_circle_but_those_that_are_explained() {
    let text = architecture();
    let explained = circles::explained(&text);
    let found = ["src", "actors/src"].map(|folder| {
        let files: Vec<_> = sources(folder).into_iter().filter(|file| !file.is_test()).collect();
        circles::find(&files)
    });
    let is_known = |circle: &_| explained.iter().any(|known| BTreeSet::is_subset(circle, known));
    let unexplained = found.concat().into_iter().filter(|circle| !is_known(circle));
    demand_none(
        &unexplained.map(|circle| format!("docs/architecture.md does not explain {circle:?}")).collect::<Vec<_>>(),
    );
}

fn foreign_crates(file: &Source) -> Vec<String> {
    let speaks_sql = SQL_PLACES.iter().any(|place| file.path.starts_with(place));
    let rules = FOREIGN.iter().filter(|(folder, _)| file.path.starts_with(folder));
    let crates = rules.flat_map(|(_, crates)| crates.iter().copied().flatten()).filter(|name| file.names_crate(name));
    let foreign = crates.filter(|name| !(speaks_sql && SQL.contains(name)));
    foreign.map(|name| format!("{}: must not know `{name}`", file.path)).collect()
}

#[test]
fn no_module_names_a_crate_that_is_foreign_to_it() {
    demand_none(&code().iter().flat_map(foreign_crates).collect::<Vec<_>>());
}

#[test]
fn actix_is_known_to_the_actors_and_the_composition_root_alone() {
    let is_home = |file: &&Source| ACTOR_PLACES.iter().any(|place| file.path.starts_with(place));
    let (homes, others): (Vec<_>, Vec<_>) = code().into_iter().partition(|file| is_home(&file));
    assert!(homes.iter().any(|file| file.names_crate("actix")));
    let foreign = others.iter().filter(|file| file.names_crate("actix"));
    demand_none(&foreign.map(|file| format!("{}: actix belongs to the actors", file.path)).collect::<Vec<_>>());
}

#[test]
fn the_engine_depends_on_no_application_sql_or_http_crate() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("actors/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let needed = dependencies
        .iter()
        .filter(|(_, how)| how.get("optional").is_none_or(|optional| optional.as_bool() != Some(true)));
    let unfit = needed.filter(|(name, _)| NOT_IN_THE_ENGINE.iter().any(|part| name.contains(part)));
    demand_none(&unfit.map(|(name, _)| format!("the engine must not need `{name}`")).collect::<Vec<_>>());
}

#[test]
fn no_file_is_long_and_none_has_an_empty_name() {
    let mut faults = Vec::new();
    for file in code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(root.join(&file.path)).unwrap();
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().count();
        if lines > if file.path == "src/main.rs" { MAIN_LINES } else { LONG_FILE } {
            faults.push(format!("{} has {lines} lines", file.path));
        }
        if file.module().iter().any(|name| EMPTY_NAMES.contains(&name.rsplit('_').next().unwrap_or(name))) {
            faults.push(format!("{}: the name does not say what it is", file.path));
        }
    }
    demand_none(&faults);
}

/// The rules themselves, on sources made up to break them.
mod rules {
    use super::*;

    fn arrows(path: &str, text: &str) -> usize {
        let layers = layers("main > cli > { live, http } > order > ordo-actors");
        broken_arrows(&Source::new(path, text), &layers).len()
    }

    #[test]
    fn an_arrow_that_points_up_or_sideways_is_found_in_any_spelling() {
        for (path, text) in [
            ("src/order/state.rs", "fn f() { crate::http::serve() }"),
            ("src/http/orders.rs", "use crate::{order::Order, live::Page};"),
            ("src/http/orders.rs", "use crate::{\n    order::{self, Order},\n    cli,\n};"),
            ("src/http/mod.rs", "use super::live::Page;"),
            ("src/http/a/b.rs", "use super::super::super::live;"),
            ("src/new_thing.rs", ""),
            ("src/http/orders.rs", "use crate::new_thing::X;"),
        ] {
            assert_eq!(arrows(path, text), 1, "{text}");
        }
        for (path, text) in [
            ("src/http/orders.rs", "use crate::{http::error::Problem, order::{Order, live}};"),
            ("src/http/orders.rs", "use super::live::Hub;"),
            ("src/order/state.rs", "// crate::http\n#[cfg(test)]\nmod tests { use crate::http::X; }"),
        ] {
            assert_eq!(arrows(path, text), 0, "{text}");
        }
    }

    #[test]
    fn a_foreign_crate_is_found_and_a_name_that_contains_it_is_not() {
        let foreign = |text| foreign_crates(&Source::new("src/order/state.rs", text)).len();
        assert_eq!(foreign("use tokio::sync::mpsc;"), 1);
        assert_eq!(foreign("fn f() { actix_web::rt() } use rusqlite;"), 2);
        assert_eq!(foreign("let tokio = 1; a.tokio(); crate::order::tokio::f(); use tokio_like::x;"), 0);
    }
}
