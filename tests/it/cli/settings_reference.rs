//! docs/configuration.md against the code: every flag of `ordo serve`, its variable, its name in a file, its default.

use std::{collections::BTreeMap, fs, path::Path};

use clap::{Args, Command};
use ordo::config::{ServeArgs, Settings, StoreArgs};

/// A row of the table.
struct Row {
    variable: String,
    in_file: String,
    default: String,
}

fn doc(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The rows of the table, by flag.
fn documented() -> BTreeMap<String, Row> {
    let text = doc("configuration.md");
    let rows = text.lines().filter(|line| line.starts_with("| `--"));
    rows.map(|line| {
        let mut cells = line.split('|').skip(1).map(|cell| cell.replace('`', "").trim().to_owned());
        let mut next = || cells.next().unwrap();
        (next(), Row { variable: next(), in_file: next(), default: next() })
    })
    .collect()
}

/// What the server runs with when nothing is set, where that is a number.
fn defaults() -> BTreeMap<&'static str, u64> {
    let settings = Settings::resolve(&StoreArgs::default(), &ServeArgs::default(), None).unwrap();
    let count = |number: usize| number as u64;
    [
        ("--max-body-bytes", count(settings.http.body_bytes)),
        ("--max-body-memory", count(settings.http.body_memory)),
        ("--max-in-flight", count(settings.http.in_flight)),
        ("--max-order-lines", count(settings.http.order_lines)),
        ("--max-actors", count(settings.lifespan.most_actors)),
        ("--max-actor-bytes", count(settings.lifespan.most_bytes)),
        ("--idle-seconds", settings.lifespan.idle.as_secs()),
        ("--snapshot-every", settings.lifespan.snapshot_every),
        ("--idempotency-hours", settings.idempotency_kept.as_secs() / 3600),
        ("--max-live-connections", count(settings.live.connections)),
        ("--live-ring-events", count(settings.live.ring_events)),
        ("--live-heartbeat-seconds", settings.live.heartbeat.as_secs()),
        ("--live-stall-seconds", settings.live.stall.as_secs()),
        ("--saga-step-seconds", settings.fulfilment.timeouts.step.as_secs()),
        ("--partner-seconds", settings.fulfilment.partners.limits.total.as_secs()),
        ("--drain-seconds", settings.drain.as_secs()),
        ("--shutdown-seconds", settings.shutdown.as_secs()),
    ]
    .into()
}

#[test]
fn every_flag_of_the_server_is_described_as_it_is() {
    let mut rows = documented();
    let defaults = defaults();
    let command = ServeArgs::augment_args(StoreArgs::augment_args(Command::new("serve")));
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let flag = format!("--{}", argument.get_long().unwrap());
        let row = rows.remove(&flag).unwrap_or_else(|| panic!("{flag} is not described"));
        let variable = argument.get_env().map_or("", |variable| variable.to_str().unwrap());
        assert_eq!(row.variable, variable, "{flag}");
        let help = argument.get_help().unwrap().to_string();
        let told = help.split_once("[default: ").map(|(_, default)| default.trim_end_matches(']'));
        if let Some(number) = told.and_then(|told| told.parse::<u64>().ok()) {
            assert_eq!(Some(&number), defaults.get(&*flag), "{flag}: {help}");
        }
        if row.default.parse::<u64>().is_ok() || defaults.contains_key(&*flag) {
            assert_eq!(row.default, defaults[&*flag].to_string(), "{flag}");
            assert!(told.is_some(), "{flag} does not tell its default");
        }
    }
    assert!(rows.is_empty(), "these are no flags: {:?}", rows.keys());
}

#[test]
fn the_names_in_a_file_are_those_of_the_flags() {
    for (flag, row) in documented() {
        let name = flag.trim_start_matches("--").replace('-', "_");
        // Of a type that no setting has: a name that is known is told so.
        let refused = toml::from_str::<ServeArgs>(&format!("{name} = 1979-05-27")).unwrap_err();
        let is_known = !refused.message().contains("unknown field");
        assert_eq!(row.in_file.trim_end_matches(", a list"), if is_known { &*name } else { "" }, "{refused}");
    }
}

/// A number as the table of limits may write it: `8,192`, `4 MiB`.
fn spellings(number: u64) -> Vec<String> {
    let digits = number.to_string();
    let grouped = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect::<Vec<_>>()
        .join(",");
    let units =
        [(20, "MiB"), (10, "KiB")].into_iter().filter(|(bits, _)| number > 0 && number.trailing_zeros() >= *bits);
    units.map(|(bits, unit)| format!("{} {unit}", number >> bits)).chain([grouped]).collect()
}

#[test]
fn the_table_of_limits_gives_settings_their_defaults() {
    let (text, mut found) = (doc("architecture.md"), 0);
    for (flag, number) in defaults() {
        let mut rows = text.lines().filter(|line| line.starts_with('|') && line.contains(&format!("`{flag}`")));
        let is_told = |row: &str| spellings(number).iter().any(|spelling| row.contains(spelling));
        assert!(rows.clone().count() == 0 || rows.any(is_told), "{flag} is {:?}", spellings(number));
        found += usize::from(text.contains(&format!("`{flag}`")));
    }
    assert!(found > 10, "{found} settings are limits");
}
