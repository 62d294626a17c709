//! What bounds the store.

use std::time::Duration;

/// How many connections, and how long to wait for what.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Most connections for reading. One more is used for appending.
    pub readers: u32,
    /// How long a read waits for a connection.
    pub read_patience: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long an append tries to connect before it gives up with nothing written.
    pub connect_patience: Duration,
    /// How long an append whose connection broke tries to find out whether it was committed.
    pub outcome_patience: Duration,
    /// When the server gives up a statement. An append also waits for its turn behind those of other processes.
    pub statement_timeout: Duration,
    /// Accept a server that may lose what it has confirmed.
    pub allow_unsafe_durability: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            readers: 8,
            read_patience: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            connect_patience: Duration::from_secs(2),
            outcome_patience: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
            allow_unsafe_durability: false,
        }
    }
}
