//! Makes connections, all alike: deadlines set, on the primary, on the store's own runtime.

use std::{fmt, time::Duration};

use crate::retry::Backoff;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Client, Config, NoTls, config::TargetSessionAttrs};

use super::{open_error::UnsafeSetting, options::PostgresOptions, server_error::describe, url::PostgresUrl};

/// How connections are encrypted: the one place to change for TLS.
pub(super) type Tls = NoTls;

/// The first pause between two attempts to connect, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a session behind a pooler of transactions is.
pub(super) const POOLED: &str = "the connection changes its server process between transactions, as behind PgBouncer with \
    pool_mode=transaction; set pool_mode=session, or connect to the server itself";

/// Most attempts; time runs out before.
const MOST_TRIES: u32 = 1000;

/// Which server, and how it is spoken to. Shows itself without the password.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    /// Where it is, without the password.
    place: String,
    /// How long it may take to make a connection.
    patience: Duration,
    allow_unsafe_durability: bool,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The server or the network said no.
    Driver(tokio_postgres::Error),
    /// The server may lose what it confirms.
    Unsafe(UnsafeSetting),
    /// It holds another log than the one that was opened.
    OtherLog,
    /// A pooler gives it another server process from one transaction to the next.
    Pooled,
    /// No answer in time.
    TooLate,
}

impl Server {
    /// Of a URL. Deadlines it names itself stay as they are.
    pub(super) fn of(url: &PostgresUrl, options: &PostgresOptions) -> Self {
        let mut config = url.config().clone();
        if config.get_application_name().is_none() {
            config.application_name("ordo");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.connect_timeout);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(10));
        }
        config.keepalives(true).keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(3)).keepalives_retries(3);
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX).max(1);
        let patience = config.get_connect_timeout().copied().unwrap_or(options.connect_timeout) * hosts;
        Self { config, place: url.to_string(), patience, allow_unsafe_durability: options.allow_unsafe_durability }
    }

    /// What a connection is made from.
    pub(super) fn config(&self) -> Config {
        self.config.clone()
    }

    /// How it is encrypted.
    pub(super) fn tls() -> Tls {
        NoTls
    }

    /// Connects and applies `settings`, within the time for a connection. Must run on the store's runtime: the socket lives where
    /// it was opened.
    pub(super) async fn connect(&self, settings: &str) -> Result<Client, ConnectError> {
        let connecting = async {
            let (client, connection) = self.config.connect(Self::tls()).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    log::debug!("a PostgreSQL session ended: {}", describe(&error));
                }
            });
            client.batch_execute(settings).await?;
            Ok(client)
        };
        self.in_time(connecting).await
    }

    /// Gives a connection the time it may take: the driver's own limit does not cover a server that takes a connection and then
    /// says nothing.
    pub(super) async fn in_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ConnectError> {
        match timeout(self.patience, connecting).await {
            Ok(connected) => connected.map_err(ConnectError::Driver),
            Err(_) => Err(ConnectError::TooLate),
        }
    }

    /// Refuses a session in which a confirmed commit could be lost. Asked again on every connection that writes: the
    /// server may have been restarted with other settings.
    pub(super) async fn require_durability(&self, client: &Client) -> Result<(), ConnectError> {
        if self.allow_unsafe_durability {
            return Ok(());
        }
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            let row = client.query_one("SELECT current_setting($1)", &[&name]).await.map_err(ConnectError::Driver)?;
            let value: String = row.get(0);
            if value == "off" {
                return Err(ConnectError::Unsafe(UnsafeSetting { name, value }));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => f.write_str(&describe(error)),
            Self::Unsafe(setting) => write!(f, "{setting}"),
            Self::OtherLog => f.write_str("the database holds another log than before"),
            Self::Pooled => f.write_str(POOLED),
            Self::TooLate => f.write_str("no answer in time"),
        }
    }
}

/// How long to go on trying, with growing pauses between.
pub(super) struct Patience {
    deadline: Instant,
    backoff: Backoff,
}

impl Patience {
    pub(super) fn of(patience: Duration) -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, MOST_TRIES);
        Self { deadline: Instant::now() + patience, backoff }
    }

    /// Gives an attempt the time that is left.
    pub(super) async fn attempt<T>(
        &self,
        attempt: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        timeout_at(self.deadline, attempt).await.unwrap_or(Err(ConnectError::TooLate))
    }

    /// Pauses after an attempt that failed; hands the error back when it is final or there is no time for another.
    pub(super) async fn after(&mut self, error: ConnectError) -> Result<(), ConnectError> {
        let is_final = matches!(error, ConnectError::Unsafe(_) | ConnectError::OtherLog | ConnectError::Pooled);
        if !is_final && matches!(timeout_at(self.deadline, self.backoff.pause()).await, Ok(true)) {
            Ok(())
        } else {
            Err(error)
        }
    }
}
