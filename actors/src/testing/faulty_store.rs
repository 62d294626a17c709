use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use super::Gate;
use crate::log::{
    event::{Head, StreamId, Version},
    store::{
        Commit, EventPage, EventStore, IdempotencyKey, IdempotencyRecord, LogQuery, Snapshot, StoreError, StoredKind,
        Verdict,
    },
};

/// A store that fails as told: the faults a real one has, each at the append or read a test wants it.
///
/// Appends are counted from the call that sets a fault: the first is the next.
pub struct FaultyStore<S> {
    store: S,
    script: Mutex<Script>,
    before_append: Gate,
    after_append: Gate,
    before_read: Gate,
    before_check: Gate,
    appends: AtomicU64,
    commits: AtomicU64,
    stream_reads: AtomicU64,
    log_reads: AtomicU64,
    shared: AtomicBool,
}

#[derive(Default)]
struct Script {
    faults: BTreeMap<u64, AppendFault>,
    intrusions: BTreeMap<u64, Vec<Commit>>,
    read_failure: Option<(u64, StoreError)>,
    batches: Vec<usize>,
    checks: Vec<usize>,
}

/// How an append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// [`StoreError::Unavailable`]; nothing is written.
    Unavailable,
    /// [`StoreError::Unknown`]; the batch is written.
    UnknownWritten,
    /// [`StoreError::Unknown`]; nothing is written.
    UnknownUnwritten,
    /// [`StoreError::Broken`]; the batch is written.
    BrokenWritten,
    /// [`StoreError::Broken`]; nothing is written.
    BrokenUnwritten,
    /// [`StoreError::Corrupt`]; nothing is written.
    Corrupt,
    /// The append panics; nothing is written.
    Panic,
}

impl AppendFault {
    fn writes(self) -> bool {
        matches!(self, Self::UnknownWritten | Self::BrokenWritten)
    }

    fn raise(self) -> StoreError {
        let told = "as the test told".to_owned();
        match self {
            Self::Unavailable => StoreError::Unavailable(told),
            Self::UnknownWritten | Self::UnknownUnwritten => StoreError::Unknown(told),
            Self::BrokenWritten | Self::BrokenUnwritten => StoreError::Broken(told),
            Self::Corrupt => StoreError::Corrupt(told),
            Self::Panic => panic!("the store was told to panic"),
        }
    }
}

impl<S: EventStore> FaultyStore<S> {
    /// A store without faults so far.
    pub fn new(store: S) -> Self {
        Self {
            store,
            script: Mutex::default(),
            before_append: Gate::default(),
            after_append: Gate::default(),
            before_read: Gate::default(),
            before_check: Gate::default(),
            appends: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            stream_reads: AtomicU64::new(0),
            log_reads: AtomicU64::new(0),
            shared: AtomicBool::new(false),
        }
    }

    /// The store below, without faults, gates and counts: for looking at what was really written.
    pub fn below(&self) -> &S {
        &self.store
    }

    /// Says from now on that other processes may append to the same log.
    pub fn share(&self) {
        self.shared.store(true, Ordering::SeqCst);
    }

    /// Makes the next append fail.
    pub fn fail_next_append(&self, fault: AppendFault) {
        self.fail_nth_append(1, fault);
    }

    /// Makes the n-th append from now fail; one is the next.
    pub fn fail_nth_append(&self, nth: u64, fault: AppendFault) {
        let call = self.appends() + nth;
        self.script.lock().faults.insert(call, fault);
    }

    /// Makes the next `times` appends fail.
    pub fn fail_appends(&self, times: u64, fault: AppendFault) {
        for nth in 1..=times {
            self.fail_nth_append(nth, fault);
        }
    }

    /// Lets another writer come in just before the next append writes, as another process could.
    pub fn intrude_before_next_append(&self, commit: Commit) {
        self.intrude_before_nth_append(1, commit);
    }

    /// Lets another writer come in just before the n-th append from now writes; one is the next.
    pub fn intrude_before_nth_append(&self, nth: u64, commit: Commit) {
        let call = self.appends() + nth;
        self.script.lock().intrusions.entry(call).or_default().push(commit);
    }

    /// Makes the next `times` reads of streams, versions, the log, snapshots and idempotency records fail.
    pub fn fail_reads(&self, times: u64, error: StoreError) {
        self.script.lock().read_failure = Some((times, error));
    }

    /// Forgets all faults that have not happened yet, and opens all gates.
    pub fn heal(&self) {
        let mut script = self.script.lock();
        script.faults.clear();
        script.intrusions.clear();
        script.read_failure = None;
        drop(script);
        for gate in [&self.before_append, &self.after_append, &self.before_read, &self.before_check] {
            gate.open();
        }
    }

    /// Where appends can be held before they write.
    pub fn before_append(&self) -> &Gate {
        &self.before_append
    }

    /// Where appends can be held when they have written and nobody has been told yet.
    pub fn after_append(&self) -> &Gate {
        &self.after_append
    }

    /// Where reads of streams, the log, snapshots and idempotency records can be held.
    pub fn before_read(&self) -> &Gate {
        &self.before_read
    }

    /// Where looks at the versions of streams can be held.
    pub fn before_check(&self) -> &Gate {
        &self.before_check
    }

    /// How many streams each look at versions was about, in order.
    pub fn checks(&self) -> Vec<usize> {
        self.script.lock().checks.clone()
    }

    /// How many appends were asked for, failed ones included.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    /// How many commits were in them.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// How many commits each append had, in order.
    pub fn batches(&self) -> Vec<usize> {
        self.script.lock().batches.clone()
    }

    /// How often a stream was read.
    pub fn stream_reads(&self) -> u64 {
        self.stream_reads.load(Ordering::SeqCst)
    }

    /// How often the log was read.
    pub fn log_reads(&self) -> u64 {
        self.log_reads.load(Ordering::SeqCst)
    }

    fn note_append(&self, commits: usize) -> u64 {
        let mut script = self.script.lock();
        script.batches.push(commits);
        self.commits.fetch_add(commits as u64, Ordering::SeqCst);
        self.appends.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn before_reading(&self) -> Result<(), StoreError> {
        self.before_read.pass().await;
        match &mut self.script.lock().read_failure {
            Some((left, error)) if *left > 0 => {
                *left -= 1;
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }
}

impl<S> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: EventStore> EventStore for FaultyStore<S> {
    async fn append(&self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        let call = self.note_append(batch.len());
        self.before_append.pass().await;
        let (fault, intrusion) = {
            let mut script = self.script.lock();
            (script.faults.remove(&call), script.intrusions.remove(&call))
        };
        if let Some(intrusion) = intrusion {
            self.store.append(intrusion).await?;
        }
        if let Some(fault) = fault.filter(|fault| !fault.writes()) {
            return Err(fault.raise());
        }
        let verdicts = self.store.append(batch).await?;
        self.after_append.pass().await;
        fault.map_or(Ok(verdicts), |fault| Err(fault.raise()))
    }

    async fn read_stream(&self, stream: StreamId, from: Version, limit: usize) -> Result<EventPage, StoreError> {
        self.stream_reads.fetch_add(1, Ordering::SeqCst);
        self.before_reading().await?;
        self.store.read_stream(stream, from, limit).await
    }

    async fn read_all(&self, query: &LogQuery) -> Result<EventPage, StoreError> {
        self.log_reads.fetch_add(1, Ordering::SeqCst);
        self.before_reading().await?;
        self.store.read_all(query).await
    }

    async fn versions(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        self.script.lock().checks.push(streams.len());
        self.before_check.pass().await;
        self.before_reading().await?;
        self.store.versions(streams).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.store.head().await
    }

    async fn snapshot(&self, stream: StreamId) -> Result<Option<Snapshot>, StoreError> {
        self.before_reading().await?;
        self.store.snapshot(stream).await
    }

    async fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.before_reading().await?;
        self.store.idempotency(key).await
    }

    async fn forget_idempotency(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.store.forget_idempotency(before, limit).await
    }

    async fn kinds(&self) -> Result<Vec<StoredKind>, StoreError> {
        self.store.kinds().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::SeqCst) || self.store.is_shared()
    }
}
