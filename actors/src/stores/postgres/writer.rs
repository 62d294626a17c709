//! Appends batches over one connection of its own, and knows what became of each.
//!
//! A batch is one autocommitted statement, and the driver reports success only after `ReadyForQuery`, which the server
//! sends after the commit. What happens when the answer does not come:
//! 1. A new session is made. It takes an advisory lock that the old one holds, after ending that backend: from here on the
//!    old statement is over, wherever its bytes were (in a socket, waiting for the head row, in its commit).
//! 2. The batch had written its number and verdicts into `log_writers` in its own transaction. They are there, and are the
//!    answer; or they are not, and nothing of the batch was written: it is sent again.
//! 3. If no session can be made in time the outcome is unknown, and said to be. The next append begins with step 1.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    log::{
        event::Epoch,
        store::{Commit, IdempotencyKey, IdempotencyRecord, NO_WRITER, StoreError, StoredKind, Verdict},
    },
    retry::Backoff,
};
use tokio::{runtime::Handle, sync::Mutex, time::timeout};
use tokio_postgres::{Client, Row, Statement, types::ToSql};
use uuid::Uuid;

use super::{
    batch::{APPEND, Batch, Kind},
    options::PostgresOptions,
    outcome::{Outcome, usable_record_from_row},
    own_backend::{AGAIN, require_own_backend},
    server::{ConnectError, POOLED, Patience, Server},
    server_error::{self, Fate, describe, told},
    writability::Writability,
};

/// How often one batch is sent.
const MOST_ATTEMPTS: u32 = 3;

/// The first pause before a batch that met a deadlock is sent again, and the longest.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How much longer than the server's own limit an answer is waited for.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// Inside the append function every statement has one right plan, along an index, whatever the tables held when it was made.
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; SET plan_cache_mode = force_generic_plan; \
    SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0";

/// Ends the backend that holds the fence: this writer's own last one.
const END_PREDECESSOR: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND classid::bigint << 32 | objid::bigint = $1 AND objsubid = 1 AND pid <> pg_backend_pid()";

const OUTCOME: &str = "SELECT head, outcomes, bases FROM log_writers WHERE writer = $1 AND batch = $2";

const RECORDS: &str = "SELECT i.scope, i.key, i.fingerprint, i.answer, i.position, i.recorded_at, i.checksum \
    FROM unnest($1::text[], $2::text[]) AS asked(scope, key) JOIN idempotency i USING (scope, key)";

/// Forgets the last batches of writers that ended long ago.
const FORGET_WRITERS: &str = "DELETE FROM log_writers WHERE used_at < now() - interval '7 days'";

/// One per store, in one process.
pub(super) struct Writer {
    access: Arc<Access>,
    runtime: Handle,
    connect_patience: Duration,
    outcome_patience: Duration,
    answer_timeout: Duration,
    line: Mutex<Line>,
    pub(super) writability: Writability,
}

/// What a session is made from.
struct Access {
    server: Server,
    epoch: Epoch,
    /// Names this writer in `log_writers`.
    id: Uuid,
    /// The advisory lock that at most one session of this writer holds.
    fence: i64,
    set_up: String,
}

/// What an append has to itself.
#[derive(Default)]
struct Line {
    /// Absent while a statement is in flight: an append that is abandoned leaves none behind, and the next one fences.
    session: Option<Session>,
    batches: i64,
    /// A batch was run by another server process than the session's: nothing more may be sent.
    is_pooled: bool,
    /// Kinds of events known to be in the log, so that most batches need not look.
    kinds: HashSet<StoredKind>,
}

struct Session {
    client: Client,
    append: Statement,
    /// The server process it has, and must keep: the fence is a lock of that process.
    backend: i32,
}

impl Writer {
    pub(super) fn new(server: Server, epoch: Epoch, options: &PostgresOptions, runtime: Handle) -> Self {
        let id = Uuid::new_v4();
        let (high, _) = id.as_u64_pair();
        let access = Access {
            server,
            epoch,
            id,
            // Positive, so that it reads the same in pg_locks.
            fence: (high >> 2).cast_signed(),
            set_up: format!("{SESSION}; {}", options.time_limits()),
        };
        Self {
            access: Arc::new(access),
            runtime,
            connect_patience: options.connect_patience,
            outcome_patience: options.outcome_patience,
            answer_timeout: options.statement_timeout + ANSWER_GRACE,
            line: Mutex::new(Line::default()),
            writability: Writability::default(),
        }
    }

    /// Connects, so that the first append need not, and tidies up.
    pub(super) async fn start(&self) -> Result<(), StoreError> {
        let mut line = self.line.lock().await;
        let session = self.connect(self.connect_patience).await.map_err(not_connected)?;
        let tidied = session.client.execute(FORGET_WRITERS, &[]).await;
        if let Err(error) = tidied {
            log::warn!("the last batches of former writers could not be forgotten: {}", describe(&error));
        }
        line.session = Some(session);
        Ok(())
    }

    /// Appends a batch; see [`crate::log::store::EventStore::append`].
    pub(super) async fn append(&self, commits: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let metadata = commits
            .iter()
            .map(|commit| serde_json::to_string(&*commit.metadata))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::Unavailable(format!("metadata that JSON cannot say: {error}")))?;
        let mut line = self.line.lock().await;
        if line.is_pooled {
            return Err(StoreError::Broken(POOLED.into()));
        }
        line.batches += 1;
        let mut batch = Batch::of(&commits, &metadata);
        batch.sign(self.access.id, line.batches, |kind| line.kinds.contains(&stored_kind(kind)));
        let outcome = self.commit(&mut line, &batch).await;
        self.writability.note(outcome.as_ref().err());
        let outcome = outcome?;
        let had_new_kinds = batch.may_hold_new_kinds();
        drop(batch);
        let used = self.records(&mut line, &outcome.used_keys(&commits)).await?;
        let verdicts = outcome
            .into_verdicts(commits, &used)
            .ok_or_else(|| StoreError::Unknown("the server's answer does not fit the batch".into()))?;
        if had_new_kinds {
            line.kinds.extend(kinds_of(&verdicts));
        }
        Ok(verdicts)
    }

    /// Sends the batch until it is certain what became of it.
    async fn commit(&self, line: &mut Line, batch: &Batch<'_>) -> Result<Outcome, StoreError> {
        let mut attempt = 1;
        let mut retries = Backoff::new(RETRY_PAUSE, LONGEST_RETRY_PAUSE, MOST_ATTEMPTS);
        loop {
            let session = match line.session.take().filter(|session| !session.client.is_closed()) {
                Some(session) => session,
                None => self.connect(self.connect_patience).await.map_err(not_connected)?,
            };
            let parameters = batch.parameters();
            let answer = session.client.query_one(&session.append, &parameters);
            let error = match timeout(self.answer_timeout, answer).await {
                Ok(Ok(row)) => {
                    line.is_pooled = row.try_get("backend").ok() != Some(session.backend);
                    line.session = Some(session);
                    return Outcome::from_row(&row).map_err(|error| StoreError::Unknown(describe(&error)));
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let reason = error.as_ref().map_or_else(|| "no answer in time".into(), told);
            match error.as_ref().map_or(Fate::Unknown, Fate::of) {
                Fate::TryAgain if attempt < MOST_ATTEMPTS => {
                    line.session = Some(session);
                    retries.pause().await;
                }
                // Once more: the transaction that put the row there may have ended by now, and is a conflict like any other.
                Fate::Occupied(_) if attempt == 1 => line.session = Some(session),
                Fate::Occupied(index) => {
                    return Err(StoreError::Corrupt(format!("rows were added past the append function: {index}")));
                }
                Fate::TryAgain | Fate::Refused => {
                    line.session = Some(session);
                    return Err(StoreError::Unavailable(reason));
                }
                // Nothing was written; but the fence does not hold either.
                Fate::Pooled => return Err(StoreError::Broken(POOLED.into())),
                Fate::Unfit => {
                    line.session = Some(session);
                    return Err(StoreError::Corrupt(reason));
                }
                Fate::Unknown => {
                    drop(session);
                    log::warn!("the connection broke while appending, looking what became of the batch: {reason}");
                    if let Some(outcome) = self.look_back(line, &reason).await? {
                        return Ok(outcome);
                    }
                    if attempt >= MOST_ATTEMPTS {
                        return Err(StoreError::Unavailable(reason));
                    }
                }
            }
            attempt += 1;
        }
    }

    /// What became of the last batch; `None` is certain: it was not written and will not be.
    async fn look_back(&self, line: &mut Line, reason: &str) -> Result<Option<Outcome>, StoreError> {
        let number = line.batches;
        let found = self.ask(line, OUTCOME, &[&self.access.id, &number]).await;
        let unknown = |later: String| StoreError::Unknown(format!("{reason}; then {later}"));
        let rows = found.map_err(|later| match later {
            ConnectError::Pooled => StoreError::Broken(POOLED.into()),
            later => unknown(later.to_string()),
        })?;
        rows.first().map(Outcome::from_row).transpose().map_err(|later| unknown(describe(&later)))
    }

    /// The records of keys that had been used.
    async fn records(
        &self,
        line: &mut Line,
        keys: &[&IdempotencyKey],
    ) -> Result<HashMap<IdempotencyKey, IdempotencyRecord>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let scopes: Vec<&str> = keys.iter().map(|key| key.scope.as_str()).collect();
        let names: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
        // The batch is in the log: what cannot be read now is an unknown outcome to those who wait for it.
        let rows = self.ask(line, RECORDS, &[&scopes, &names]).await;
        let rows = rows.map_err(|error| StoreError::Unknown(error.to_string()))?;
        let records = rows.iter().map(usable_record_from_row).collect::<Result<Vec<_>, _>>();
        let records = records.map_err(|error| StoreError::Unknown(describe(&error)))?;
        Ok(records.into_iter().map(|record| (record.key.clone(), record)).collect())
    }

    /// Reads over the writer's session, over a new one when it broke.
    async fn ask(
        &self,
        line: &mut Line,
        text: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, ConnectError> {
        let mut patience = Patience::of(self.outcome_patience);
        loop {
            let answer = async {
                let session = match line.session.take().filter(|session| !session.client.is_closed()) {
                    Some(session) => session,
                    None => self.connect(self.outcome_patience).await?,
                };
                let rows = session.client.query(text, parameters).await.map_err(ConnectError::Driver)?;
                line.session = Some(session);
                Ok(rows)
            };
            match patience.attempt(answer).await {
                Ok(rows) => return Ok(rows),
                Err(error) => patience.after(error).await?,
            }
        }
    }

    async fn connect(&self, patience: Duration) -> Result<Session, ConnectError> {
        let access = Arc::clone(&self.access);
        let task = self.runtime.spawn(async move {
            let mut patience = Patience::of(patience);
            loop {
                match patience.attempt(access.connect()).await {
                    Ok(session) => return Ok(session),
                    Err(error) => patience.after(error).await?,
                }
            }
        });
        task.await.unwrap_or(Err(ConnectError::TooLate))
    }
}

impl Access {
    /// A session that is the only one of this writer.
    async fn connect(&self) -> Result<Session, ConnectError> {
        let client = self.server.connect(&self.set_up).await?;
        self.fence(&client).await.map_err(ConnectError::Driver)?;
        self.server.require_durability(&client).await?;
        let row = client.query_one("SELECT epoch FROM log_head", &[]).await.map_err(ConnectError::Driver)?;
        if Epoch(row.get(0)) != self.epoch {
            return Err(ConnectError::OtherLog);
        }
        require_own_backend(&self.server, &client, AGAIN).await?;
        let append = client.prepare(APPEND).await.map_err(ConnectError::Driver)?;
        let backend = client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(ConnectError::Driver)?.get(0);
        Ok(Session { client, append, backend })
    }

    /// Waits until no other backend of this writer is left. A backend gives its advisory locks back after its transaction
    /// has ended, so whatever it had been sent has happened, or never will.
    async fn fence(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        client.execute(END_PREDECESSOR, &[&self.fence]).await?;
        client.execute("SELECT pg_advisory_lock($1)", &[&self.fence]).await?;
        Ok(())
    }
}

/// Nothing had been sent yet.
fn not_connected(error: ConnectError) -> StoreError {
    match error {
        ConnectError::OtherLog => StoreError::Corrupt(error.to_string()),
        ConnectError::Pooled => StoreError::Broken(error.to_string()),
        error => StoreError::Unavailable(server_error::not_connected(NO_WRITER, &error.to_string())),
    }
}

fn stored_kind(kind: &Kind<'_>) -> StoredKind {
    StoredKind {
        aggregate_type: kind.0.to_owned().into(),
        event_type: kind.1.to_owned().into(),
        schema_version: kind.2,
    }
}

fn kinds_of(verdicts: &[Verdict]) -> impl Iterator<Item = StoredKind> + '_ {
    let appended = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Appended { events, .. } => Some(events),
        Verdict::Conflict { .. } | Verdict::Duplicate(_) => None,
    });
    appended.flatten().map(|event| StoredKind {
        aggregate_type: event.aggregate_type.clone(),
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
    })
}
