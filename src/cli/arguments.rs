//! Every command and flag.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::{Misuse, partners::PartnersCommand};
use crate::{
    config::{PassfileArgs, ReadStore, ServeArgs, StoreArgs, StoreUrl},
    import::{ColumnMap, Format, OrderNumbers, Outcome},
    live::topic::Topic,
    order::Currency,
};

/// Variables that are read where no argument names them.
const FURTHER_VARIABLES: [&str; 1] = ["ORDO_LOG"];

/// How many letters of a variable, behind `ORDO_`, may be wrong for it to be taken for one of ours: one in three, two at most.
fn slip(name: &str) -> usize {
    (name.len().saturating_sub(5) / 3).min(2)
}

/// Refuses a variable of the environment that is nearly one of ours: the server would run with another setting than was meant. Any
/// other `ORDO_*` is told in the log and has no effect; machinery around a service of this name sets some of its own.
pub(super) fn refuse_misspelt_variables() -> Result<(), Misuse> {
    let known = known_variables();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if !name.starts_with("ORDO_") || known.iter().any(|known| *known == name) {
            continue;
        }
        match known.iter().find(|known| strsim::osa_distance(known, &name) <= slip(&name)) {
            Some(meant) => return Err(Misuse(format!("{name} is no setting: did you mean {meant}?"))),
            None => log::warn!("{name} in the environment is no setting and has no effect"),
        }
    }
    Ok(())
}

/// Every variable that a flag of any command is read from.
fn known_variables() -> BTreeSet<String> {
    let cli = Cli::command();
    let arguments = cli.get_arguments().chain(cli.get_subcommands().flat_map(clap::Command::get_arguments));
    let named = arguments.filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()));
    named.chain(FURTHER_VARIABLES.map(str::to_owned)).collect()
}

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
    Serve(Box<ServeCommand>),
    /// Bring orders in from a file: JSON lines or CSV, plain, .gz or .zst. Safe to run twice.
    Import(ImportCommand),
    /// Write orders or events as JSON lines.
    Export(ExportCommand),
    /// Read the whole log and check it, and the read models against it. Nobody should write meanwhile.
    Verify(VerifyCommand),
    /// Build a read model anew from the log, beside the live one.
    Rebuild(RebuildCommand),
    /// Copy the log of one store to another.
    Migrate(MigrateCommand),
    /// Ask a running server whether it is well: for container health checks.
    Health(HealthCommand),
    /// Follow the orders of a running server: every event as a line of JSON, across restarts of the server.
    Watch(WatchCommand),
    /// Stand in for stock, payments and shipping: three partners over HTTP with a ledger, for demos and tests.
    Partners(Box<PartnersCommand>),
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

/// `ordo import`
#[derive(Debug, Args)]
pub struct ImportCommand {
    /// The file; - for standard input.
    pub(crate) file: PathBuf,
    /// csv or jsonl, when the name does not tell.
    #[arg(long, value_parser = format)]
    pub(crate) format: Option<Format>,
    /// Columns of a CSV file: order=InvoiceNo,customer=CustomerID,product=StockCode,name=Description,quantity=Quantity,price=UnitPrice,time=InvoiceDate
    #[arg(long, default_value = "order=order,customer=customer,product=product,quantity=quantity,price=price")]
    pub(crate) map: ColumnMap,
    /// invoice: six digits are an order, a leading C is a cancellation, all else is passed over; any: every number is an order.
    #[arg(long, default_value = "invoice")]
    pub(crate) numbers: OrderNumbers,
    /// The currency of orders that do not name one.
    #[arg(long, default_value = "USD", value_parser = currency)]
    pub(crate) currency: Currency,
    /// How far orders go that do not say: draft, submitted, completed or cancelled [default: completed for CSV, draft for JSON]
    #[arg(long)]
    pub(crate) outcome: Option<Outcome>,
    /// The most bytes that a packed file (.gz, .zst) may unpack to.
    #[arg(long, default_value_t = 8 << 30, value_name = "BYTES")]
    pub(crate) max_unpacked_bytes: u64,
    /// Write what was rejected to this file, as CSV; a ' keeps a spreadsheet from taking a cell for a formula.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Write rejects byte for byte, for programs: no ' before formulas, control characters as they are.
    #[arg(long, requires = "rejects")]
    pub(crate) rejects_as_is: bool,
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

fn format(name: &str) -> Result<Format, String> {
    Format::of_name(std::path::Path::new(&format!("-.{name}"))).ok_or_else(|| "a format is csv or jsonl".into())
}

fn currency(code: &str) -> Result<Currency, String> {
    Currency::new(code).map_err(|invalid| invalid.to_string())
}

/// `ordo export`
#[derive(Debug, Args)]
pub struct ExportCommand {
    /// What to write.
    #[arg(value_enum, default_value = "orders")]
    pub(crate) what: Exported,
    /// Where to; standard output when absent.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Exported {
    /// Every order as it is now, in the shape that import reads.
    Orders,
    /// Every event as it stands in the log.
    Events,
}

/// `ordo verify`
#[derive(Debug, Args)]
pub struct VerifyCommand {
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `ordo rebuild`
#[derive(Debug, Args)]
pub struct RebuildCommand {
    /// Which read model.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// `ordo migrate`
#[derive(Debug, Args)]
pub struct MigrateCommand {
    /// The store to read.
    #[arg(long, value_name = "STORE", value_parser = ReadStore)]
    pub(crate) from: StoreUrl,
    /// The store to write: empty, or left over from a run that was cut off.
    #[arg(long, value_name = "STORE", value_parser = ReadStore)]
    pub(crate) to: StoreUrl,
    #[command(flatten)]
    pub(crate) passfile: PassfileArgs,
    /// Accept a target that may forget what it has confirmed.
    #[arg(long)]
    pub(crate) allow_unsafe_durability: bool,
}

/// `ordo health`
#[derive(Debug, Args)]
pub struct HealthCommand {
    /// The server's address.
    #[arg(long, env = "ORDO_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: std::net::SocketAddr,
}

/// `ordo watch`
#[derive(Debug, Args)]
pub struct WatchCommand {
    /// orders, order:<id> or customer:<id>
    #[arg(default_value = "orders")]
    pub(crate) topic: Topic,
    /// Begin after this position; 0 is the beginning of the log [default: from now on]
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<u64>,
    /// End after so many events.
    #[arg(long, value_name = "EVENTS")]
    pub(crate) count: Option<u64>,
    /// The server.
    #[arg(long, default_value = "ws://127.0.0.1:8080/ws", value_name = "URL")]
    pub(crate) url: String,
}
