//! The one writing connection: transactions that either reach the disk or never happened.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::log::store::{Commit, StoreError, Verdict};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, Error, Result, config::DbConfig, params};

use super::{
    batch::Batch,
    checkpoint::{self, Frames},
    columns::{micros_from, number},
    failure::{self, Health, Refused},
    own_file::OwnFile,
    tail::{Kinds, Tail},
};

/// Writes the log. Owned by one caller at a time.
pub struct Writer {
    connection: Connection,
    tail: Tail,
    kinds: Kinds,
    /// How many of `kinds` are in the file; those beyond belong to a batch that came to nothing.
    known_kinds: usize,
    health: Arc<Health>,
    head: Arc<AtomicU64>,
    frames: Frames,
    /// Frames in the write-ahead log with which the next checkpoint is due.
    checkpoint_at: u32,
    /// Closed after the connection.
    file: OwnFile,
}

impl Writer {
    /// Takes the connection over and reads where the log ends. `head` follows it: what it says, readers see.
    pub fn new(
        connection: Connection,
        file: OwnFile,
        frames: Frames,
        health: Arc<Health>,
        head: Arc<AtomicU64>,
    ) -> Result<Self> {
        let tail = Tail::load(&connection)?;
        let kinds = Kinds::load(&connection)?;
        head.store(tail.head.0, Ordering::Release);
        let checkpoint_at = frames.get() + checkpoint::FRAMES;
        Ok(Self { connection, tail, known_kinds: kinds.len(), kinds, health, head, frames, checkpoint_at, file })
    }

    /// Appends a batch: one transaction, one fsync, and neither when there is nothing to write. A file that does not hold what
    /// this process remembers breaks the store: another program has written it.
    pub fn append(&mut self, batch: Vec<Commit>) -> Result<Vec<Verdict>, StoreError> {
        self.transact(|connection, tail, kinds| {
            let mut writing = Batch::new(connection, tail, kinds)?;
            let verdicts = batch.into_iter().map(|commit| writing.take(commit)).collect::<Result<Vec<_>>>()?;
            Ok((verdicts, writing.finish()?))
        })
        .map_err(|error| match error {
            StoreError::Corrupt(reason) => self.health.note(StoreError::Broken(reason)),
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Broken(_) => error,
        })
    }

    /// Forgets idempotency records written before a time, the oldest first.
    pub fn forget_idempotency(&mut self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.transact(|connection, tail, _| {
            let forgotten = connection
                .prepare_cached(
                    "DELETE FROM idempotency WHERE id IN \
                     (SELECT id FROM idempotency WHERE recorded_at < ? ORDER BY recorded_at LIMIT ?)",
                )?
                .execute(params![micros_from(before), number(limit as u64)])?;
            Ok((forgotten, (forgotten > 0).then_some(tail)))
        })
    }

    /// Changes rows in a transaction of their own; `work` says whether there is something to commit.
    pub fn change_rows<T>(&mut self, work: impl FnOnce(&Connection) -> Result<(T, bool)>) -> Result<T, StoreError> {
        self.transact(|connection, tail, _| {
            let (done, has_written) = work(connection)?;
            Ok((done, has_written.then_some(tail)))
        })
    }

    /// Whether a transaction that writes could be started now; after one that failed, whether one can be committed.
    pub fn ping(&mut self) -> Result<(), StoreError> {
        self.check()?;
        match self.health.refused() {
            Refused::No => self.transact(|_, _, _| Ok(((), None))),
            Refused::Lately(reason) => Err(StoreError::Unavailable(reason)),
            Refused::LongAgo => self.probe(),
        }
    }

    /// Writes as much as a small batch, and deletes it again.
    fn probe(&mut self) -> Result<(), StoreError> {
        for probe in ["zeroblob(65536)", "NULL"] {
            let text = format!("UPDATE log_file SET probe = {probe}");
            self.change_rows(|connection| Ok((connection.prepare_cached(&text)?.execute([])?, true)))?;
        }
        Ok(())
    }

    /// Whether the file is still where it was, and whole. Takes microseconds.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: nobody may find what was written last.
    pub fn check(&self) -> Result<(), StoreError> {
        self.file.check().map_err(|reason| self.health.note(StoreError::Broken(reason)))?;
        self.check_log()
    }

    /// Whether the write-ahead log is as long as the last commit has left it. The next one would hide that it was cut off.
    fn check_log(&self) -> Result<(), StoreError> {
        let length = self.file.wal_length();
        let is_whole = length >= checkpoint::wal_length(self.frames.get())
            // Another program may have brought it all into the file and emptied it: SQLite knows.
            || checkpoint::least_wal_length(&self.connection).is_ok_and(|least| length >= least);
        if is_whole {
            return Ok(());
        }
        let reason = "the write-ahead log was cut off while it was open: restore a backup".to_owned();
        Err(self.health.note(StoreError::Broken(reason)))
    }

    /// Runs `work` in a transaction, and commits when it hands back where the log ends then.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Connection, Tail, &mut Kinds) -> Result<(T, Option<Tail>)>,
    ) -> Result<T, StoreError> {
        self.health.check()?;
        if !self.connection.is_autocommit() {
            self.roll_back()?; // a panic left it open
        }
        self.kinds.truncate(self.known_kinds);
        self.check_log()?;
        if let Err(error) = self.run("BEGIN IMMEDIATE") {
            return Err(self.health.note(failure::writing(&error)));
        }
        match work(&self.connection, self.tail, &mut self.kinds) {
            Ok((done, Some(tail))) => {
                self.commit()?;
                self.check()?;
                self.tail = tail;
                self.known_kinds = self.kinds.len();
                self.head.store(tail.head.0, Ordering::Release);
                self.health.wrote();
                self.checkpoint_if_due();
                Ok(done)
            }
            Ok((done, None)) => self.roll_back().map(|()| done),
            Err(error) => {
                self.roll_back()?;
                Err(self.health.refuse(failure::writing(&error)))
            }
        }
    }

    /// Makes a checkpoint when the write-ahead log has become long. What was committed stays so whatever comes of it.
    fn checkpoint_if_due(&mut self) {
        if self.frames.get() < self.checkpoint_at {
            return;
        }
        if let Err(error) = checkpoint::checkpoint(&self.connection) {
            let error = self.health.refuse(failure::writing(&error));
            log::warn!("the write-ahead log was not brought into the file: {error}");
        }
        self.checkpoint_at = self.frames.get().saturating_add(checkpoint::FRAMES);
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.run("COMMIT").map_err(|error| {
            let rolled_back = self.roll_back().is_ok();
            self.health.refuse(failure::committing(&error, rolled_back))
        })
    }

    /// Undoes the transaction, unless SQLite has done so by itself. If that fails, nobody knows what the file holds.
    fn roll_back(&self) -> Result<(), StoreError> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("ROLLBACK").map_err(|error| self.health.note(failure::committing(&error, false)))
    }

    fn run(&self, statement: &str) -> Result<(), Error> {
        self.connection.prepare_cached(statement)?.raw_execute().map(|_| ())
    }
}

impl Drop for Writer {
    /// Leaves a tidy file behind: complete, and without a write-ahead log. After a failed commit it leaves the file to the next
    /// process as it is.
    fn drop(&mut self) {
        let is_complete = !self.health.is_broken() && checkpoint::complete(&self.connection).is_ok();
        if !is_complete
            && let Err(error) = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            log::warn!("the write-ahead log may be checkpointed at close: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::log::{
        event::StreamId,
        store::{ExpectedVersion, NewEvent, StreamWrite},
    };
    use serde_json::value::to_raw_value;
    use uuid::Uuid;

    use super::*;
    use crate::stores::sqlite::{SqliteOptions, open};

    fn writer(directory: &tempfile::TempDir) -> Writer {
        let opened = open::open(&directory.path().join("log.db"), SqliteOptions::default()).expect("a new log");
        let (health, head) = (Arc::default(), Arc::default());
        Writer::new(opened.writer, opened.file, opened.frames, health, head).expect("an empty log")
    }

    fn commit(stream: StreamId, expected: ExpectedVersion, events: usize) -> Commit {
        let event = || NewEvent {
            event_id: Uuid::now_v7(),
            event_type: "Counted".into(),
            schema_version: 1,
            payload: to_raw_value(&1).expect("a number"),
        };
        Commit {
            timestamp: DateTime::from_timestamp_micros(1).expect("a time"),
            metadata: Arc::default(),
            writes: vec![StreamWrite {
                stream,
                aggregate_type: "Counter".into(),
                expected,
                events: (0..events).map(|_| event()).collect(),
                snapshot: None,
            }],
            idempotency: None,
        }
    }

    fn rows(writer: &Writer, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        writer.connection.query_row(&count, [], |row| row.get(0)).expect("a count")
    }

    #[test]
    fn a_file_that_cannot_be_written_takes_nothing_and_resumes_when_it_can() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&directory);
        let one = || vec![commit(StreamId::generate(), ExpectedVersion::NoStream, 1)];
        writer.connection.pragma_update(None, "query_only", true).expect("a pragma");
        assert!(matches!(writer.append(one()), Err(StoreError::Unavailable(_))));
        assert!(matches!(writer.ping(), Err(StoreError::Unavailable(_))));
        assert_eq!(rows(&writer, "events"), 0);
        writer.connection.pragma_update(None, "query_only", false).expect("a pragma");
        assert!(matches!(writer.append(one()).as_deref(), Ok([Verdict::Appended { .. }])));
        assert_eq!(writer.head.load(Ordering::Acquire), 1);
    }

    #[test]
    fn a_kind_first_seen_in_a_batch_that_failed_is_written_with_the_next() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&directory);
        let stream = StreamId::generate();
        // Two events at one position, as only a bug could do it.
        let failed: Result<(), _> = writer.transact(|connection, tail, kinds| {
            Batch::new(connection, tail, kinds)?.take(commit(stream, ExpectedVersion::Any, 1))?;
            Batch::new(connection, tail, kinds)?.take(commit(StreamId::generate(), ExpectedVersion::Any, 1))?;
            Ok(((), None))
        });
        assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
        assert_eq!(rows(&writer, "event_kinds"), 0);
        writer.append(vec![commit(stream, ExpectedVersion::NoStream, 1)]).expect("a healthy store");
        assert_eq!(rows(&writer, "event_kinds"), 1);
    }

    #[test]
    fn a_batch_that_writes_nothing_commits_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&directory);
        let stream = StreamId::generate();
        writer.append(vec![commit(stream, ExpectedVersion::NoStream, 1)]).expect("a verdict");
        let file_state = |writer: &Writer| -> i64 {
            let path = writer.connection.path().expect("a file").to_owned() + "-wal";
            std::fs::metadata(path).expect("a write-ahead log").len().cast_signed()
        };
        let before = file_state(&writer);
        let lost = commit(stream, ExpectedVersion::NoStream, 1);
        let demand = commit(stream, ExpectedVersion::Exact(crate::log::event::Version(1)), 0);
        let verdicts = writer.append(vec![lost, demand]).expect("verdicts");
        assert!(matches!(&verdicts[..], [Verdict::Conflict { .. }, Verdict::Appended { .. }]), "{verdicts:?}");
        assert_eq!(file_state(&writer), before);
    }

    #[test]
    fn a_transaction_left_open_by_a_panic_is_rolled_back_by_the_next() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&directory);
        writer.run("BEGIN IMMEDIATE").expect("a transaction");
        writer.connection.execute("DELETE FROM log", []).expect("a change");
        writer.append(vec![commit(StreamId::generate(), ExpectedVersion::NoStream, 1)]).expect("a healthy store");
        assert_eq!(rows(&writer, "log"), 1);
    }

    #[test]
    fn a_broken_store_refuses_to_write() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&directory);
        writer.health.note(StoreError::Broken("fsync".to_owned()));
        assert!(matches!(writer.append(Vec::new()), Err(StoreError::Broken(_))));
    }

    #[test]
    fn the_open_block_is_found_again_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&directory);
        for micros in [5, 4, 3, 6, 7, 1, 2, 9, 4, 8] {
            let mut many = commit(StreamId::generate(), ExpectedVersion::NoStream, 300);
            many.timestamp = DateTime::from_timestamp_micros(micros).expect("a time");
            writer.append(vec![many]).expect("a verdict");
        }
        let found = Tail::load(&writer.connection).expect("a tail");
        assert_eq!(format!("{found:?}"), format!("{:?}", writer.tail));
        assert_eq!(rows(&writer, "event_blocks"), 3);
    }
}
