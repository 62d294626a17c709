//! What bounds the store.

use std::time::Duration;

use super::schema::SCHEMA;
use crate::stores::schema::Schema;

/// How many connections, and how long to wait for what. The defaults are for a server, whose clients get an answer within 5 s
/// whatever the database does.
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
    /// When the server gives up a statement that reads, or an append that has had its turn.
    pub statement_timeout: Duration,
    /// When the server gives up waiting for a lock. An append waits for its turn behind those of other processes.
    pub lock_timeout: Duration,
    /// When the server gives up a statement that writes rows of read models: nobody waits for it.
    pub rows_timeout: Duration,
    /// Accept a server that may lose what it has confirmed.
    pub allow_unsafe_durability: bool,
    /// The tables; those of the engine unless the application adds its own.
    pub schema: Schema,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            readers: 8,
            read_patience: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            connect_patience: Duration::from_secs(2),
            outcome_patience: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(3),
            lock_timeout: Duration::from_secs(2),
            rows_timeout: Duration::from_secs(15),
            allow_unsafe_durability: false,
            schema: SCHEMA,
        }
    }
}

impl PostgresOptions {
    /// The time limits of a session, as SQL.
    pub(super) fn time_limits(&self) -> String {
        let (statement, lock) = (self.statement_timeout.as_millis(), self.lock_timeout.as_millis());
        format!("SET statement_timeout = {statement}; SET lock_timeout = {lock}")
    }

    /// For commands that nobody waits for with a request: a slow server is waited for.
    #[must_use]
    pub fn patient() -> Self {
        Self {
            read_patience: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            connect_patience: Duration::from_secs(10),
            outcome_patience: Duration::from_secs(10),
            statement_timeout: Duration::from_mins(1),
            lock_timeout: Duration::from_mins(1),
            rows_timeout: Duration::from_mins(1),
            ..Self::default()
        }
    }
}
