//! Every command and flag.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::partners::PartnersCommand;
use crate::{
    config::{PassfileArgs, ReadStore, ServeArgs, StoreArgs, StoreUrl},
    import::{ColumnMap, Format, OrderNumbers, Outcome},
    live::topic::Topic,
    order::Currency,
};

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
    /// Write what was rejected to this file, as CSV.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
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
