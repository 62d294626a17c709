//! The ledger in a file (SQLite, WAL, `synchronous=FULL`). One thread writes: it takes the calls that wait, writes them in one
//! transaction, and answers when that is on disk.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use ordo_actors::{
    clock::{Clock, SystemClock},
    saga::CallStatus,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{oneshot, watch};

use super::{
    ledger::{CallVerdict, Entry, LedgerStore, PartnerRules, call_status},
    ledger_rows::{COLUMNS, Shown, entry, of_order, shown},
    reconciliation::{Reconciliation, reconcile},
};
use crate::{
    fulfilment::{
        call::{Call, Terms},
        partner::CallKey,
        wire::goods_bodies,
    },
    order::{OrderId, ProductId, Reference},
};
use ordo_actors::stores::sqlite::{OpenError, OwnFile};

/// Calls that wait for the writer; one more is turned away.
const MOST_WAITING: usize = 4096;
/// Calls in one transaction.
const MOST_AT_ONCE: usize = 256;
/// How often the file is looked for when nobody calls.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// How long a transaction waits for another program that locks the file.
const BUSY: Duration = Duration::from_secs(5);
/// "ordp": says in the file's header whose file it is.
const APPLICATION_ID: i64 = 0x6f72_6470;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        order_id TEXT NOT NULL,
        undoes TEXT,
        payment_id TEXT,
        goods TEXT,
        amount_cents INTEGER,
        currency TEXT,
        state TEXT NOT NULL,
        took_effect INTEGER NOT NULL,
        reference TEXT NOT NULL,
        reason TEXT,
        heard_at TEXT NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS entries_of_order ON entries (order_id);
    CREATE TABLE IF NOT EXISTS held (product_id TEXT PRIMARY KEY, quantity INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Why the ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// More calls wait than are taken.
    #[error("more calls are waiting than are taken")]
    Busy,
    /// The writer is gone, or did not live to answer.
    #[error("the ledger is closed")]
    Closed,
    /// The file is something else.
    #[error("{} is not a ledger of this program: it is left untouched", .0.display())]
    Foreign(PathBuf),
    /// The file cannot be made, or another process has it open.
    #[error("{}", with_cause(.0))]
    Open(#[from] OpenError),
    /// The machine gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The file is not where it was.
    #[error("{0}")]
    Lost(String),
    /// SQLite refused. Whether a call was kept is not known.
    #[error("the ledger's file failed: {0}")]
    Sqlite(String),
}

fn with_cause(error: &OpenError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.to_string())
    }
}

/// A ledger in a file, which no other process has open. Clones share it; it closes with the last.
#[derive(Debug, Clone)]
pub struct LedgerFile(Arc<Writing>);

#[derive(Debug)]
struct Writing {
    path: PathBuf,
    /// None once closing.
    jobs: Option<SyncSender<Job>>,
    /// Becomes some reason when the file was taken away.
    lost: watch::Receiver<Option<String>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Writing {
    /// Waits for the calls under way, and until the file is closed.
    fn drop(&mut self) {
        self.jobs = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the ledger's writer panicked");
        }
    }
}

enum Job {
    Perform {
        call: Call,
        refusal: Option<String>,
        twice: bool,
        answer: oneshot::Sender<Result<CallVerdict, LedgerError>>,
    },
    CallStatus {
        key: CallKey,
        answer: oneshot::Sender<Result<CallStatus, LedgerError>>,
    },
}

impl LedgerFile {
    /// Opens or creates the file and starts its writer.
    pub fn open(path: &Path, rules: PartnerRules) -> Result<Self, LedgerError> {
        let mut file = OwnFile::open(path)?;
        let path = &file.path().to_owned();
        let connection = connect(path)?;
        let foreign = || LedgerError::Foreign(path.to_owned());
        let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(|error| {
            if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) { foreign() } else { error.into() }
        })?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if owner != APPLICATION_ID && (owner, tables) != (0, 0) {
            return Err(foreign());
        }
        file.keep_private()?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        file.lock_name()?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        file.watch_companions()?;
        let (jobs, waiting) = sync_channel(MOST_WAITING);
        let (tell, lost) = watch::channel(None);
        let started = thread::Builder::new().name("ledger".into()).spawn(move || {
            if let Err(reason) = write_all(connection, &file, rules, &waiting) {
                tell.send_replace(Some(reason));
            }
        });
        let thread = Some(started.map_err(LedgerError::Thread)?);
        Ok(Self(Arc::new(Writing { path: path.clone(), jobs: Some(jobs), lost, thread })))
    }

    /// Resolves when the file was moved, deleted or replaced: nothing is kept any more.
    pub async fn lost(&self) -> LedgerError {
        let mut lost = self.0.lost.clone();
        let reason = lost.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.map_or(LedgerError::Closed, LedgerError::Lost)
    }

    /// Does what is asked, once. `twice` asks it again at once and gives the second answer.
    pub async fn perform(&self, call: Call, refusal: Option<String>, twice: bool) -> Result<CallVerdict, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Perform { call, refusal, twice, answer })?;
        answered.await.map_err(|_| LedgerError::Closed)?
    }

    /// What is known about a key.
    pub async fn call_status(&self, key: CallKey) -> Result<CallStatus, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::CallStatus { key, answer })?;
        answered.await.map_err(|_| LedgerError::Closed)?
    }

    fn send(&self, job: Job) -> Result<(), LedgerError> {
        let jobs = self.0.jobs.as_ref().ok_or(LedgerError::Closed)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => LedgerError::Busy,
            TrySendError::Disconnected(_) => LedgerError::Closed,
        })
    }

    /// Adds everything up, order by order. Blocks, and beside the writer.
    pub fn reconcile(&self) -> Result<Reconciliation, LedgerError> {
        let connection = connect(&self.0.path)?;
        let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM entries ORDER BY order_id, number"))?;
        let mut rows = statement.query([])?;
        let (mut reconciliation, mut entries) = (Reconciliation::default(), Vec::<Entry>::new());
        while let Some(row) = rows.next()? {
            let entry = entry(row)?;
            if let Some(before) = entries.first().map(|before| before.call.order_id)
                && before != entry.call.order_id
            {
                reconciliation.add(before, &reconcile(&entries));
                entries.clear();
            }
            entries.push(entry);
        }
        if let Some(last) = entries.first() {
            reconciliation.add(last.call.order_id, &reconcile(&entries));
        }
        Ok(reconciliation)
    }

    /// Every entry of an order, oldest first. Blocks, and beside the writer.
    pub fn of_order(&self, order: OrderId) -> Result<Vec<Shown>, LedgerError> {
        Ok(of_order(&connect(&self.0.path)?, order)?)
    }

    /// The newest entries, newest first. Blocks, and beside the writer.
    pub fn newest(&self, most: u32) -> Result<Vec<Shown>, LedgerError> {
        let connection = connect(&self.0.path)?;
        let mut statement =
            connection.prepare(&format!("SELECT {COLUMNS} FROM entries ORDER BY number DESC LIMIT ?1"))?;
        let rows = statement.query_map([most], shown)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Ends when the last handle is gone; with a reason when the file is not where it was. Nothing is told then of what was written
/// last: it may be in a file that nobody finds.
fn write_all(
    mut connection: Connection,
    file: &OwnFile,
    rules: PartnerRules,
    waiting: &Receiver<Job>,
) -> Result<(), String> {
    loop {
        let first = match waiting.recv_timeout(CHECK_EVERY) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let mut jobs: Vec<_> = first.into_iter().collect();
        if !jobs.is_empty() {
            jobs.extend(waiting.try_iter().take(MOST_AT_ONCE - 1));
        }
        let written = if jobs.is_empty() { Ok(Vec::new()) } else { write(&mut connection, rules, &jobs) };
        file.check()?;
        match written {
            Ok(answers) => jobs.into_iter().zip(answers).for_each(|(job, answer)| job.tell(answer)),
            Err(error) => {
                log::error!("the ledger's file failed: {error}");
                jobs.into_iter().for_each(|job| job.fail(&error));
            }
        }
    }
}

enum Told {
    CallVerdict(CallVerdict),
    CallStatus(CallStatus),
}

impl Job {
    /// Whoever asked may be gone; what is written stays.
    fn tell(self, told: Told) {
        match (self, told) {
            (Self::Perform { answer, .. }, Told::CallVerdict(verdict)) => drop(answer.send(Ok(verdict))),
            (Self::CallStatus { answer, .. }, Told::CallStatus(call_status)) => drop(answer.send(Ok(call_status))),
            (job, _) => drop(job),
        }
    }

    fn fail(self, error: &rusqlite::Error) {
        let error = LedgerError::Sqlite(error.to_string());
        match self {
            Self::Perform { answer, .. } => drop(answer.send(Err(error))),
            Self::CallStatus { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

fn write(connection: &mut Connection, rules: PartnerRules, jobs: &[Job]) -> rusqlite::Result<Vec<Told>> {
    let mut file = FileEntries {
        transaction: connection.transaction_with_behavior(TransactionBehavior::Immediate)?,
        now: SystemClock.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
    };
    let answers = jobs.iter().map(|job| match job {
        Job::Perform { call, refusal, twice, .. } => {
            let mut verdict = rules.perform(&mut file, call, refusal.as_deref())?;
            if *twice {
                verdict = rules.perform(&mut file, call, refusal.as_deref())?;
            }
            Ok(Told::CallVerdict(verdict))
        }
        Job::CallStatus { key, .. } => Ok(Told::CallStatus(call_status(&file, key)?)),
    });
    let answers = answers.collect::<rusqlite::Result<_>>()?;
    file.transaction.commit()?;
    Ok(answers)
}

struct FileEntries<'a> {
    transaction: Transaction<'a>,
    now: String,
}

impl LedgerStore for FileEntries<'_> {
    type Failure = rusqlite::Error;

    fn find(&self, key: &CallKey) -> rusqlite::Result<Option<Entry>> {
        let mut statement =
            self.transaction.prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE key = ?1"))?;
        statement.query_row([&key.0], entry).optional()
    }

    fn of_order(&self, order: OrderId) -> rusqlite::Result<Vec<Entry>> {
        Ok(of_order(&self.transaction, order)?.into_iter().map(|shown| shown.entry).collect())
    }

    fn put(&mut self, entry: Entry) -> rusqlite::Result<()> {
        let Entry { call, state, took_effect, reference, reason } = entry;
        let (goods, amount_cents, currency) = match &call.terms {
            Terms::Goods(goods) => (Some(serde_json::to_string(&goods_bodies(goods)).map_err(unwritable)?), None, None),
            Terms::Money { amount_cents, currency } => (None, Some(*amount_cents), Some(currency.code())),
        };
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO entries (key, kind, order_id, undoes, payment_id, goods, amount_cents, currency, state, \
             took_effect, reference, reason, heard_at, changed_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13) \
             ON CONFLICT (key) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at",
        )?;
        statement.execute(params![
            call.key.0,
            call.kind.name(),
            call.order_id.to_string(),
            call.of.map(|key| key.0),
            call.payment_id.as_ref().map(Reference::as_str),
            goods,
            amount_cents,
            currency,
            state.name(),
            took_effect,
            reference.as_str(),
            reason,
            self.now,
        ])?;
        Ok(())
    }

    fn held(&self, product: &ProductId) -> rusqlite::Result<u64> {
        let mut statement = self.transaction.prepare_cached("SELECT quantity FROM held WHERE product_id = ?1")?;
        let held: Option<i64> = statement.query_row([product.as_str()], |row| row.get(0)).optional()?;
        Ok(held.unwrap_or_default().try_into().unwrap_or_default())
    }

    fn set_held(&mut self, product: &ProductId, quantity: u64) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO held (product_id, quantity) VALUES (?1, ?2) \
             ON CONFLICT (product_id) DO UPDATE SET quantity = excluded.quantity",
        )?;
        statement.execute(params![product.as_str(), i64::try_from(quantity).unwrap_or(i64::MAX)])?;
        Ok(())
    }
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

#[cfg(test)]
#[path = "ledger_file_tests.rs"]
mod tests;
