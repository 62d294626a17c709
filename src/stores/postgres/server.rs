//! Makes connections, all alike: deadlines set, on the primary, on the store's own runtime.

use std::{fmt, str::FromStr, time::Duration};

use ordo_actors::retry::Backoff;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, TargetSessionAttrs},
};

use super::{
    open_error::{OpenError, UnsafeSetting},
    options::PostgresOptions,
    server_error::describe,
};

/// How connections are encrypted: the one place to change for TLS.
pub(super) type Tls = NoTls;

/// The first pause between two attempts to connect, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Most attempts; time runs out before.
const MOST_TRIES: u32 = 1000;

/// Which server, and how it is spoken to. Shows itself without the password.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
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
    /// No answer in time.
    TooLate,
}

impl Server {
    /// Reads the URL. Deadlines it names itself stay as they are.
    pub(super) fn parse(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        if !is_unambiguous(url) {
            return Err(OpenError::InvalidUrl);
        }
        let mut config = Config::from_str(url).map_err(|_| OpenError::InvalidUrl)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(OpenError::InvalidUrl);
        }
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
        Ok(Self { config, allow_unsafe_durability: options.allow_unsafe_durability })
    }

    /// What a connection is made from.
    pub(super) fn config(&self) -> Config {
        self.config.clone()
    }

    /// How it is encrypted.
    pub(super) fn tls() -> Tls {
        NoTls
    }

    /// Connects and applies `settings`. Must run on the store's runtime: the socket lives where it was opened.
    pub(super) async fn connect(&self, settings: &str) -> Result<Client, ConnectError> {
        let (client, connection) = self.config.connect(Self::tls()).await.map_err(ConnectError::Driver)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                log::debug!("a PostgreSQL session ended: {}", describe(&error));
            }
        });
        client.batch_execute(settings).await.map_err(ConnectError::Driver)?;
        Ok(client)
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

/// Whether it is clear where the password ends: one that holds `@`, `/` or `?` must write them as %40, %2F and %3F. Else a
/// part of it could be taken for the name of the host, and be shown.
fn is_unambiguous(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('@').is_none_or(|(user, place)| {
        let place = place.split('?').next().unwrap_or_default();
        !user.contains(['/', '?']) && !place.contains('@')
    })
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => f.write_str(name)?,
            #[cfg(unix)]
            Some(Host::Unix(path)) => write!(f, "{}", path.display())?,
            None => match self.config.get_hostaddrs().first() {
                Some(address) => write!(f, "{address}")?,
                None => f.write_str("localhost")?,
            },
        }
        write!(f, ":{}", self.config.get_ports().first().copied().unwrap_or(5432))?;
        write!(f, "/{}", self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or_default())
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => f.write_str(&describe(error)),
            Self::Unsafe(setting) => write!(f, "{setting}"),
            Self::OtherLog => f.write_str("the database holds another log than before"),
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
        let is_final = matches!(error, ConnectError::Unsafe(_) | ConnectError::OtherLog);
        if !is_final && matches!(timeout_at(self.deadline, self.backoff.pause()).await, Ok(true)) {
            Ok(())
        } else {
            Err(error)
        }
    }
}
