//! Every command and flag.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{ServeArgs, StoreArgs};

/// An event-sourced order management server: every order an actor, every change an event.
#[derive(Debug, Parser)]
#[command(name = "ordo", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without a command the server runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The store, when no command is named.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The server's settings, when no command is named.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// A TOML file with settings; flags and environment win over it.
    #[arg(long, env = "ORDO_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default).
    Serve(ServeCommand),
    /// Ask a running server whether it is well: for container health checks.
    Health(HealthCommand),
}

/// `ordo serve`
#[derive(Debug, Args)]
pub struct ServeCommand {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// A TOML file with settings; flags and environment win over it.
    #[arg(long, env = "ORDO_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// `ordo health`
#[derive(Debug, Args)]
pub struct HealthCommand {
    /// The server's address.
    #[arg(long, env = "ORDO_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: std::net::SocketAddr,
}
