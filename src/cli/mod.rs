//! The command line: what an operator can ask of the binary. Exit codes: 0 it is done, 1 it failed, 2 it was asked wrongly, 141
//! nobody reads what it writes.

mod arguments;
mod export;
mod health;
mod import;
mod migrate;
mod output;
mod partners;
mod private_file;
mod progress;
mod rebuild;
mod serve;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Cli, Command, refuse_misspelt_variables};
use crate::telemetry;

/// Why a command failed: a sentence, its causes after it.
pub(crate) type CommandResult = Result<(), Box<dyn std::error::Error>>;

/// The command was asked wrongly, as only its own looking at what it was given could tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

/// What clap exits with, too.
const MISUSED: u8 = 2;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| refuse(&error));
    let _logging = telemetry::start();
    let ended = refuse_misspelt_variables().map_err(Into::into).and_then(|()| run(cli));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if output::is_reader_gone() => ExitCode::from(output::READER_GONE),
        Err(error) => {
            complain(error.as_ref());
            if error.is::<Misuse>() { ExitCode::from(MISUSED) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli) -> CommandResult {
    match cli.command {
        None => serve::run(&cli.store, &cli.serve, cli.config.as_ref()),
        Some(Command::Serve(args)) => serve::run(&args.store, &args.serve, args.config.as_ref()),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Rebuild(args)) => rebuild::run(&args),
        Some(Command::Migrate(args)) => migrate::run(&args),
        Some(Command::Health(args)) => health::run(&args),
        Some(Command::Watch(args)) => watch::run(&args),
        Some(Command::Partners(args)) => partners::run(&args),
    }
}

fn complain(error: &dyn std::error::Error) {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence = format!("{sentence}: {error}");
        cause = error.source();
    }
    telemetry::say(&format!("ordo: {}", without_secrets(&sentence)));
}

/// Ends the process as clap does, without the passwords that it would repeat.
fn refuse(error: &clap::Error) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    telemetry::say(without_secrets(&error.to_string()).trim_end());
    std::process::exit(error.exit_code())
}

/// A sentence in which every URL that may hold a password is its scheme alone: a URL of a store may stand where something else
/// was asked for, and be repeated in a complaint.
fn without_secrets(sentence: &str) -> String {
    let mut shown = sentence.to_owned();
    for argument in std::env::args_os().filter_map(|argument| argument.into_string().ok()) {
        let value =
            argument.split_once('=').filter(|_| argument.starts_with('-')).map_or(&*argument, |(_, value)| value);
        if may_hold_a_password(value) {
            let scheme = value.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
            shown = shown.replace(value, &format!("{scheme}..."));
        }
    }
    shown
}

fn may_hold_a_password(text: &str) -> bool {
    text.contains("password=") || text.starts_with("postgres") || text.contains("://") && text.contains('@')
}
