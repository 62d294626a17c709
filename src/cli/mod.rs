//! The command line: what an operator can ask of the binary. Exit codes: 0 it is done, 1 it failed, 2 it was asked wrongly.

mod arguments;
mod export;
mod health;
mod import;
mod migrate;
mod partners;
mod progress;
mod rebuild;
mod serve;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Cli, Command};
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
    let cli = Cli::parse();
    telemetry::start();
    let result = match cli.command {
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
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error.as_ref());
            if error.is::<Misuse>() { ExitCode::from(MISUSED) } else { ExitCode::FAILURE }
        }
    }
}

/// Says a line to whoever ran the command.
#[expect(clippy::print_stdout, reason = "this is what the command was run for")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "the last word of a command is for whoever ran it")]
fn complain(error: &dyn std::error::Error) {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence = format!("{sentence}: {error}");
        cause = error.source();
    }
    eprintln!("ordo: {sentence}");
}
