//! The connections for reading, and for the rows that follow the log.

use std::{borrow::Cow, collections::HashMap, pin::pin, sync::Arc, time::Duration};

use crate::log::store::StoreError;
use bb8::{ManageConnection, Pool, PooledConnection, RunError};
use bb8_postgres::PostgresConnectionManager;
use futures_util::{TryStreamExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{Client, Row, Statement, error::SqlState, types::ToSql};

use super::{
    options::PostgresOptions,
    server::{ConnectError, Server, Tls},
    server_error::{Fate, describe, not_connected, nothing_done},
};

/// Every statement has one right plan, along an index, whatever the tables held when it was made. Without whole sorts a read
/// through the zones stops when its limit is reached (its order comes from an incremental sort).
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; SET plan_cache_mode = force_generic_plan; \
    SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0";

/// How much longer than the server's own limits an answer is waited for.
const READ_GRACE: Duration = Duration::from_secs(1);
const WRITE_GRACE: Duration = Duration::from_secs(5);

/// Most statements kept prepared per connection; beyond that it begins anew.
const MOST_STATEMENTS: usize = 512;

/// A connection and what was prepared on it; bb8 keeps no statements.
pub(super) struct Reader {
    client: Client,
    statements: HashMap<Cow<'static, str>, Statement>,
    /// At work, or in a transaction: a connection given back like that is thrown away.
    is_busy: bool,
}

/// bb8-postgres' manager, with the session set up in time and the last failure kept: bb8 itself only says that time ran out.
struct ReaderManager {
    sessions: PostgresConnectionManager<Tls>,
    server: Server,
    set_up: String,
    last_failure: Arc<Mutex<String>>,
}

/// The pool. Everything runs on the store's runtime: bb8 and the driver start their tasks on the runtime of the caller,
/// and would lose them with it.
pub(super) struct Readers {
    pool: Pool<ReaderManager>,
    runtime: Handle,
    size: u32,
    patience: Duration,
    /// How long a read may take, the wait for a connection included.
    read_within: Duration,
    /// How long a transaction may take, and how it begins.
    write_within: Duration,
    begin: String,
    last_failure: Arc<Mutex<String>>,
}

impl Readers {
    /// Connects to nothing yet.
    pub(super) fn new(server: &Server, options: &PostgresOptions, runtime: Handle) -> Self {
        let last_failure = Arc::new(Mutex::new(String::new()));
        let manager = ReaderManager {
            sessions: PostgresConnectionManager::new(server.config(), Server::tls()),
            server: server.clone(),
            set_up: format!("{SESSION}; {}", options.time_limits()),
            last_failure: Arc::clone(&last_failure),
        };
        let pool = {
            let _inside = runtime.enter();
            Pool::builder()
                .max_size(options.readers.max(1))
                // A ping per read doubles its cost; a broken connection is noticed and replaced below.
                .test_on_check_out(false)
                .connection_timeout(options.read_patience)
                .build_unchecked(manager)
        };
        Self {
            pool,
            runtime,
            size: options.readers.max(1),
            patience: options.read_patience,
            read_within: options.statement_timeout + READ_GRACE,
            write_within: options.read_patience + options.rows_timeout + WRITE_GRACE,
            begin: format!("BEGIN; SET LOCAL statement_timeout = {}", options.rows_timeout.as_millis()),
            last_failure,
        }
    }

    /// Runs one statement and hands its rows to `decode`, both on the store's runtime.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        text: impl Into<Cow<'static, str>>,
        parameters: impl AsParameters,
        decode: impl FnOnce(Vec<Row>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_some(text, parameters, usize::MAX, decode).await
    }

    /// The same with the first rows only, until they have come with this many bytes.
    pub(super) async fn read_some<T: Send + 'static>(
        &self,
        text: impl Into<Cow<'static, str>>,
        parameters: impl AsParameters,
        most_bytes: usize,
        decode: impl FnOnce(Vec<Row>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (pool, size, patience) = (self.pool.clone(), self.size, self.patience);
        let last_failure = Arc::clone(&self.last_failure);
        let (text, within) = (text.into(), self.read_within);
        let task = self.runtime.spawn(async move {
            match timeout(within, rows(&pool, size, &text, &parameters, most_bytes)).await {
                Ok(Ok(rows)) => decode(rows),
                Ok(Err(error)) => Err(not_run(error, patience, &last_failure)),
                Err(_) => Err(StoreError::Unavailable(format!("no answer to a read within {within:?}"))),
            }
        });
        task.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".into())))
    }

    /// Runs `work` in a transaction, on the store's runtime, and commits when it says so. Only a failed COMMIT may leave the
    /// outcome unknown.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut Reader) -> Written<'c, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (pool, size, patience) = (self.pool.clone(), self.size, self.patience);
        let last_failure = Arc::clone(&self.last_failure);
        let (begin, within) = (self.begin.clone(), self.write_within);
        let task = self.runtime.spawn(async move {
            let transaction = async {
                let started = begun(&pool, size, &begin).await;
                let mut reader = started.map_err(|error| not_run(error, patience, &last_failure))?;
                let (done, has_written) = work(&mut reader).await?;
                reader.end(if has_written { "COMMIT" } else { "ROLLBACK" }).await.map(|()| done)
            };
            let late = |_| Err(StoreError::Unknown(format!("no answer to a transaction within {within:?}")));
            timeout(within, transaction).await.unwrap_or_else(late)
        });
        task.await.unwrap_or_else(|_| Err(StoreError::Unknown("the store is closed".into())))
    }
}

/// What was done, and whether it is to be committed. After an error the connection is thrown away, and with it the transaction.
pub(super) type Written<'c, T> = BoxFuture<'c, Result<(T, bool), StoreError>>;

fn not_run(error: RunError<ConnectError>, patience: Duration, last_failure: &Mutex<String>) -> StoreError {
    match error {
        RunError::User(ConnectError::Driver(error)) => nothing_done(error),
        RunError::User(error) => StoreError::Unavailable(error.to_string()),
        RunError::TimedOut => {
            let within = format!("no connection for reading within {patience:?}");
            StoreError::Unavailable(not_connected(&within, &last_failure.lock()))
        }
    }
}

/// Values for a statement, owned, so that they can travel to another runtime.
pub(super) trait AsParameters: Send + Sync + 'static {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)>;
}

impl AsParameters for () {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        Vec::new()
    }
}

impl<A: ToSql + Sync + Send + 'static> AsParameters for (A,) {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.0]
    }
}

impl<A: ToSql + Sync + Send + 'static, B: ToSql + Sync + Send + 'static> AsParameters for (A, B) {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.0, &self.1]
    }
}

impl<A, B, C> AsParameters for (A, B, C)
where
    A: ToSql + Sync + Send + 'static,
    B: ToSql + Sync + Send + 'static,
    C: ToSql + Sync + Send + 'static,
{
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.0, &self.1, &self.2]
    }
}

impl AsParameters for super::log_query::LogStatement {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters()
    }
}

/// Asks on any connection. One that proves broken is thrown away and the next is asked: after a restart of the server all
/// that are in the pool are, but reading again does no harm.
#[expect(clippy::ptr_arg, reason = "the statement is kept under it, without a copy when it is static")]
async fn rows(
    pool: &Pool<ReaderManager>,
    size: u32,
    text: &Cow<'static, str>,
    parameters: &impl AsParameters,
    most_bytes: usize,
) -> Result<Vec<Row>, RunError<ConnectError>> {
    let mut broken = 0;
    loop {
        let mut reader = pool.get().await?;
        // Given up in between, it is thrown away: what it was asked may still be under way.
        reader.is_busy = true;
        let answered = reader.query(text, &parameters.as_parameters(), most_bytes).await;
        reader.is_busy = match &answered {
            // The rest is still to come.
            Ok((_, is_whole)) => !is_whole,
            Err(error) => is_broken(&reader.client, error),
        };
        match answered {
            Ok((rows, _)) => return Ok(rows),
            Err(error) if broken <= size && is_broken(&reader.client, &error) => broken += 1,
            Err(error) => return Err(RunError::User(ConnectError::Driver(error))),
        }
    }
}

/// A connection in a transaction that has done nothing yet.
async fn begun<'p>(
    pool: &'p Pool<ReaderManager>,
    size: u32,
    begin: &str,
) -> Result<PooledConnection<'p, ReaderManager>, RunError<ConnectError>> {
    let mut broken = 0;
    loop {
        let mut reader = pool.get().await?;
        reader.is_busy = true;
        match reader.client.batch_execute(begin).await {
            Ok(()) => return Ok(reader),
            Err(error) if broken <= size && is_broken(&reader.client, &error) => broken += 1,
            Err(error) => return Err(RunError::User(ConnectError::Driver(error))),
        }
    }
}

fn is_broken(client: &Client, error: &tokio_postgres::Error) -> bool {
    let is_useless = match Fate::of(error) {
        Fate::Unknown => error.as_db_error().is_some(),
        // A plan that no longer fits its table is made anew by another session.
        Fate::Unfit => error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED),
        Fate::Pooled => true,
        Fate::TryAgain | Fate::Occupied(_) | Fate::Refused => false,
    };
    client.is_closed() || error.is_closed() || is_useless
}

impl Reader {
    /// The first rows until they have this many bytes, and whether that is all.
    #[expect(clippy::ptr_arg, reason = "the statement is kept under it, without a copy when it is static")]
    async fn query(
        &mut self,
        text: &Cow<'static, str>,
        parameters: &[&(dyn ToSql + Sync)],
        most_bytes: usize,
    ) -> Result<(Vec<Row>, bool), tokio_postgres::Error> {
        let statement = self.statement(text).await?;
        let parameters = parameters.iter().map(|parameter| *parameter as &dyn ToSql);
        let mut coming = pin!(self.client.query_raw(&statement, parameters).await?);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = coming.try_next().await? {
            bytes += row.raw_size_bytes();
            rows.push(row);
            if bytes >= most_bytes {
                return Ok((rows, false));
            }
        }
        Ok((rows, true))
    }

    /// The statement of a text, prepared once.
    #[expect(clippy::ptr_arg, reason = "the statement is kept under it, without a copy when it is static")]
    pub(super) async fn statement(&mut self, text: &Cow<'static, str>) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= MOST_STATEMENTS {
            self.statements.clear();
        }
        let statement = self.client.prepare(text).await?;
        self.statements.insert(text.clone(), statement.clone());
        Ok(statement)
    }

    /// The connection itself.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the transaction.
    async fn end(&mut self, how: &str) -> Result<(), StoreError> {
        self.client.batch_execute(how).await.map_err(|error| match Fate::of(&error) {
            Fate::Unknown => StoreError::Unknown(describe(&error)),
            Fate::TryAgain | Fate::Occupied(_) | Fate::Refused | Fate::Unfit | Fate::Pooled => nothing_done(error),
        })?;
        self.is_busy = false;
        Ok(())
    }
}

impl ManageConnection for ReaderManager {
    type Connection = Reader;
    type Error = ConnectError;

    async fn connect(&self) -> Result<Reader, ConnectError> {
        let connecting = async {
            let client = self.sessions.connect().await?;
            client.batch_execute(&self.set_up).await?;
            Ok(client)
        };
        let connected = self.server.in_time(connecting).await;
        let client = connected.inspect_err(|error| *self.last_failure.lock() = error.to_string())?;
        Ok(Reader { client, statements: HashMap::new(), is_busy: false })
    }

    async fn is_valid(&self, reader: &mut Reader) -> Result<(), ConnectError> {
        self.sessions.is_valid(&mut reader.client).await.map_err(ConnectError::Driver)
    }

    fn has_broken(&self, reader: &mut Reader) -> bool {
        reader.is_busy || reader.client.is_closed()
    }
}
