//! Settings: flag over environment over file over default. The only file that reads the environment (through clap).

mod passfile_args;
mod store_url;

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use ordo_actors::aggregate::engine::Lifespan;
use serde::Deserialize;

use crate::{
    fulfilment::{
        StepTimeouts,
        settings::{BaseUrl, PartnerLimits, PartnerSettings},
    },
    guard::{
        host::AllowedHost,
        origin::{AllowedOrigin, Origins},
    },
    http::state::HttpLimits,
    live::limits::LiveLimits,
    order::MAX_LINES,
};
use ordo_actors::stores::postgres::passfile;

pub use passfile_args::PassfileArgs;
pub use store_url::{ReadPartner, ReadStore, StoreUrl, names_memory};

/// Where the orders are: for every command that touches them.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreArgs {
    /// memory, sqlite:PATH or postgres://... [default: `DATABASE_URL`, else sqlite:./ordo-data/ordo.db]
    #[arg(long, env = "ORDO_STORE", value_name = "STORE", value_parser = ReadStore, hide_env_values = true)]
    pub store: Option<StoreUrl>,
    /// Used when no store is named.
    #[arg(long, env = "DATABASE_URL", value_parser = ReadStore, hide = true, hide_env_values = true)]
    pub database_url: Option<StoreUrl>,
    /// A file that holds nothing but the password of the PostgreSQL store: in a URL it would be in the list of processes.
    /// Without one, PGPASSFILE or ~/.pgpass is asked, as libpq does
    #[arg(long, env = "ORDO_STORE_PASSWORD_FILE", value_name = "FILE")]
    pub store_password_file: Option<PathBuf>,
    /// Where else a password may be.
    #[command(flatten)]
    pub passfile: PassfileArgs,
    /// Accept a PostgreSQL that may forget what it has confirmed (fsync or synchronous commit off).
    #[arg(long, env = "ORDO_ALLOW_UNSAFE_DURABILITY")]
    pub allow_unsafe_durability: bool,
    /// Go on with an SQLite file that has lost what was confirmed last, with its -wal file.
    #[arg(long)]
    pub accept_lost_tail: bool,
}

impl StoreArgs {
    /// What may be wrong with it.
    #[must_use]
    pub fn accepted(&self) -> Accepted {
        Accepted { unsafe_durability: self.allow_unsafe_durability, lost_tail: self.accept_lost_tail }
    }

    /// The store to use, with its password.
    ///
    /// # Errors
    /// A sentence: the file that should hold the password does not.
    pub fn url(&self) -> Result<StoreUrl, String> {
        self.unlocked(None, None)
    }

    /// The same where a file of settings may name the store and the file of its password.
    fn unlocked(&self, store: Option<StoreUrl>, password_file: Option<PathBuf>) -> Result<StoreUrl, String> {
        let fallback = || StoreUrl::Sqlite(PathBuf::from("ordo-data/ordo.db"));
        let store = self.store.clone().or(store).or_else(|| self.database_url.clone()).unwrap_or_else(fallback);
        let password_file = self.store_password_file.clone().or(password_file);
        match (store, password_file) {
            (StoreUrl::Postgres(url), Some(_)) if url.has_password() => {
                Err("the password of the store is in its URL and in a file: leave one of them away".into())
            }
            (StoreUrl::Postgres(url), Some(file)) => {
                Ok(StoreUrl::Postgres(Box::new(url.with_password(&passfile::read_password(&file)?))))
            }
            (store, _) => Ok(self.passfile.unlock(store)),
        }
    }
}

/// What an operator has accepted that is refused otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accepted {
    /// A PostgreSQL that may forget what it has confirmed.
    pub unsafe_durability: bool,
    /// An SQLite file without the events it has lost with its write-ahead log.
    pub lost_tail: bool,
}

/// Everything `ordo serve` can be told. The names in a file are those of the flags, with `_` for `-`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "ORDO_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, env = "ORDO_WORKERS")]
    pub workers: Option<NonZeroUsize>,
    /// Largest request body, in bytes [default: 4194304]
    #[arg(long, env = "ORDO_MAX_BODY_BYTES")]
    pub max_body_bytes: Option<NonZeroUsize>,
    /// Bytes of all request bodies together; beyond them the slowest is answered 503 [default: 134217728]
    #[arg(long, env = "ORDO_MAX_BODY_MEMORY")]
    pub max_body_memory: Option<NonZeroUsize>,
    /// Requests under way at once before the server answers 503 [default: 8192]
    #[arg(long, env = "ORDO_MAX_IN_FLIGHT")]
    pub max_in_flight: Option<NonZeroUsize>,
    /// Orders kept in memory [default: 100000]
    #[arg(long, env = "ORDO_MAX_ACTORS")]
    pub max_actors: Option<NonZeroUsize>,
    /// Bytes that the lines of all orders in memory may take; the longest unused leave first [default: 268435456]
    #[arg(long, env = "ORDO_MAX_ACTOR_BYTES")]
    pub max_actor_bytes: Option<NonZeroUsize>,
    /// Lines an order may have, 1 to 10000 [default: 2000]
    #[arg(long, env = "ORDO_MAX_ORDER_LINES", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub max_order_lines: Option<u16>,
    /// Seconds after which an unused order leaves memory [default: 300]
    #[arg(long, env = "ORDO_IDLE_SECONDS")]
    pub idle_seconds: Option<u64>,
    /// Events between two snapshots of an order; 0 writes none [default: 100]
    #[arg(long, env = "ORDO_SNAPSHOT_EVERY")]
    pub snapshot_every: Option<u64>,
    /// Hours for which idempotency keys are kept, at least 24 [default: 48]
    #[arg(long, env = "ORDO_IDEMPOTENCY_HOURS", value_parser = clap::value_parser!(u32).range(24..=8760))]
    pub idempotency_hours: Option<u32>,
    /// A web page that may send requests and listen besides the server's own, such as `https://shop.example`; several with commas
    #[arg(long, env = "ORDO_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<AllowedOrigin>,
    /// A name by which the server may be asked besides those of this machine, such as `orders.example`; several with commas
    #[arg(long, env = "ORDO_ALLOW_HOST", value_name = "HOST", value_delimiter = ',')]
    pub allow_host: Vec<AllowedHost>,
    /// Live connections at once [default: 20000]
    #[arg(long, env = "ORDO_MAX_LIVE_CONNECTIONS")]
    pub max_live_connections: Option<NonZeroUsize>,
    /// Live events kept for slow listeners before they are sent to the store [default: 8192]
    #[arg(long, env = "ORDO_LIVE_RING_EVENTS")]
    pub live_ring_events: Option<NonZeroUsize>,
    /// Seconds between two heartbeats of a live connection [default: 15]
    #[arg(long, env = "ORDO_LIVE_HEARTBEAT_SECONDS")]
    pub live_heartbeat_seconds: Option<NonZeroU32>,
    /// Seconds a listener may take nothing of what waits for it before it is closed [default: 20]
    #[arg(long, env = "ORDO_LIVE_STALL_SECONDS")]
    pub live_stall_seconds: Option<NonZeroU32>,
    /// Start the fulfilment of an order when it is submitted.
    #[arg(long, env = "ORDO_FULFIL_ON_SUBMIT", num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub fulfil_on_submit: Option<bool>,
    /// Seconds after which a step of a fulfilment is given up and the fulfilment undone [default: 900]
    #[arg(long, env = "ORDO_SAGA_STEP_SECONDS")]
    pub saga_step_seconds: Option<NonZeroU32>,
    /// The inventory, as `http://HOST[:PORT][/PATH]`; simulated in the process when absent
    #[arg(long, env = "ORDO_INVENTORY_URL", value_name = "URL", value_parser = ReadPartner, hide_env_values = true)]
    pub inventory_url: Option<BaseUrl>,
    /// The payment provider; simulated in the process when absent
    #[arg(long, env = "ORDO_PAYMENTS_URL", value_name = "URL", value_parser = ReadPartner, hide_env_values = true)]
    pub payments_url: Option<BaseUrl>,
    /// The carrier; simulated in the process when absent
    #[arg(long, env = "ORDO_SHIPPING_URL", value_name = "URL", value_parser = ReadPartner, hide_env_values = true)]
    pub shipping_url: Option<BaseUrl>,
    /// Seconds a partner has to answer a call [default: 10]
    #[arg(long, env = "ORDO_PARTNER_SECONDS")]
    pub partner_seconds: Option<NonZeroU32>,
    /// Seconds for which a server that was told to stop still takes requests, each the last of its connection; part of
    /// --shutdown-seconds [default: 1]
    #[arg(long, env = "ORDO_DRAIN_SECONDS")]
    pub drain_seconds: Option<u64>,
    /// Seconds that requests have to finish when the server stops [default: 8]
    #[arg(long, env = "ORDO_SHUTDOWN_SECONDS")]
    pub shutdown_seconds: Option<u64>,
    /// In a file only: the store.
    #[arg(skip)]
    pub store: Option<StoreUrl>,
    /// In a file only: the file of its password.
    #[arg(skip)]
    pub store_password_file: Option<PathBuf>,
}

/// Each of these settings from the flags, else from the file.
macro_rules! flag_or_file {
    ($flags:ident, $file:ident, $($name:ident),+) => {
        ServeArgs {
            $($name: $flags.$name.or($file.$name),)+
            allow_origin: list($flags.allow_origin, $file.allow_origin),
            allow_host: list($flags.allow_host, $file.allow_host),
        }
    };
}

impl ServeArgs {
    /// These settings, and where they say nothing those of a file.
    fn over(self, file: Self) -> Self {
        flag_or_file!(
            self,
            file,
            listen,
            workers,
            max_body_bytes,
            max_body_memory,
            max_in_flight,
            max_actors,
            max_actor_bytes,
            max_order_lines,
            idle_seconds,
            snapshot_every,
            idempotency_hours,
            max_live_connections,
            live_ring_events,
            live_heartbeat_seconds,
            live_stall_seconds,
            fulfil_on_submit,
            saga_step_seconds,
            inventory_url,
            payments_url,
            shipping_url,
            partner_seconds,
            drain_seconds,
            shutdown_seconds,
            store,
            store_password_file
        )
    }
}

/// What the server runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store.
    pub store: StoreUrl,
    /// What may be wrong with the store.
    pub accepted: Accepted,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads that serve requests.
    pub workers: Option<NonZeroUsize>,
    /// Limits of the HTTP side.
    pub http: HttpLimits,
    /// Limits of the live side.
    pub live: LiveLimits,
    /// Names by which the server may be asked, besides those of the machine.
    pub hosts: Vec<AllowedHost>,
    /// Web pages that may send requests and listen, besides the server's own.
    pub origins: Origins,
    /// How orders are fulfilled.
    pub fulfilment: FulfilmentSettings,
    /// Limits of the orders in memory.
    pub lifespan: Lifespan,
    /// How long idempotency keys are kept.
    pub idempotency_kept: Duration,
    /// How long requests are still taken at the end.
    pub drain: Duration,
    /// How long requests may take to finish at the end.
    pub shutdown: Duration,
}

/// A partner that does not answer is given up by its client first.
const LATER_THAN_PARTNERS: Duration = Duration::from_secs(2);

/// How orders are fulfilled.
#[derive(Debug, Clone, Default)]
pub struct FulfilmentSettings {
    /// Who is asked.
    pub partners: PartnerSettings,
    /// Whether submitting an order starts it.
    pub on_submit: bool,
    /// How long it waits for partners.
    pub timeouts: StepTimeouts,
}

impl Settings {
    /// Puts flags (and environment), file and defaults together.
    ///
    /// # Errors
    /// A sentence that says which value is wrong, and where.
    pub fn resolve(store: &StoreArgs, serve: &ServeArgs, file: Option<&PathBuf>) -> Result<Self, String> {
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        let given = serve.clone().over(file);
        let hours = given.idempotency_hours.unwrap_or(48);
        if !(24..=8760).contains(&hours) {
            return Err(format!("idempotency_hours is 24 to 8760, not {hours}"));
        }
        let (http, lifespan) = (HttpLimits::default(), Lifespan::default());
        let order_lines = given.max_order_lines.map_or(http.order_lines, usize::from);
        if !(1..=MAX_LINES).contains(&order_lines) {
            return Err(format!("max_order_lines is 1 to {MAX_LINES}, not {order_lines}"));
        }
        let (live, limits) = (LiveLimits::default(), PartnerLimits::default());
        let call = seconds(given.partner_seconds, limits.total);
        Ok(Self {
            store: store.unlocked(given.store, given.store_password_file)?,
            accepted: store.accepted(),
            listen: given.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            workers: given.workers,
            http: HttpLimits {
                body_bytes: number(given.max_body_bytes, http.body_bytes),
                body_memory: number(given.max_body_memory, http.body_memory),
                in_flight: number(given.max_in_flight, http.in_flight),
                order_lines,
                ..http
            },
            live: LiveLimits {
                connections: number(given.max_live_connections, live.connections),
                ring_events: number(given.live_ring_events, live.ring_events),
                heartbeat: seconds(given.live_heartbeat_seconds, live.heartbeat),
                stall: seconds(given.live_stall_seconds, live.stall),
            },
            hosts: given.allow_host,
            origins: Origins(given.allow_origin),
            fulfilment: FulfilmentSettings {
                on_submit: given.fulfil_on_submit.unwrap_or(false),
                timeouts: StepTimeouts {
                    call: call + LATER_THAN_PARTNERS,
                    step: seconds(given.saga_step_seconds, StepTimeouts::default().step),
                },
                partners: PartnerSettings {
                    inventory: given.inventory_url,
                    payments: given.payments_url,
                    shipping: given.shipping_url,
                    limits: PartnerLimits { total: call, ..limits },
                },
            },
            lifespan: Lifespan {
                most_actors: number(given.max_actors, lifespan.most_actors),
                most_bytes: number(given.max_actor_bytes, lifespan.most_bytes),
                idle: given.idle_seconds.map_or(lifespan.idle, Duration::from_secs),
                snapshot_every: given.snapshot_every.unwrap_or(lifespan.snapshot_every),
                ..lifespan
            },
            idempotency_kept: Duration::from_hours(u64::from(hours)),
            drain: Duration::from_secs(given.drain_seconds.unwrap_or(1)),
            shutdown: Duration::from_secs(given.shutdown_seconds.unwrap_or(8)),
        })
    }
}

fn number(given: Option<NonZeroUsize>, default: usize) -> usize {
    given.map_or(default, NonZeroUsize::get)
}

fn seconds(given: Option<NonZeroU32>, default: Duration) -> Duration {
    given.map_or(default, |seconds| Duration::from_secs(seconds.get().into()))
}

/// A list of the file counts when the flags name nothing.
fn list<T>(flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flags.is_empty() { file } else { flags }
}

fn read_file(path: &PathBuf) -> Result<ServeArgs, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        // Not the line itself, which the error would show: it may hold the password of a store.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        format!("{}, line {line}: {}", path.display(), error.message())
    })
}
