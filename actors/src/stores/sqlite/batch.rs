//! One batch inside its transaction: a verdict for each commit, and the rows of those that win.

use std::{collections::HashMap, sync::Arc};

use crate::log::{
    checksum::{Checksummer, EventContent, NextLink, usable_record},
    event::{EventEnvelope, Position, StreamId, Version},
    store::{Commit, IdempotencyKey, IdempotencyRecord, Snapshot, StoredKind, Verdict},
};
use rusqlite::{CachedStatement, Connection, Error, OptionalExtension, Result, Row, params};

use super::{
    columns::{blob, count, number, time},
    tail::{Kinds, Tail},
};

/// A batch being written. Dropped without its transaction being committed, it leaves no trace in the file;
/// `tail` and `kinds` are the caller's to set back.
pub struct Batch<'c> {
    connection: &'c Connection,
    insert_event: CachedStatement<'c>,
    select_end: CachedStatement<'c>,
    kinds: &'c mut Kinds,
    tail: Tail,
    /// Where the streams end that this batch has looked at.
    ends: HashMap<StreamId, Version>,
    has_written: bool,
    checksums: Checksummer,
    /// Absent until there is an event.
    next_link: Option<NextLink>,
    /// The commit before this one was not appended.
    after_loser: bool,
}

impl<'c> Batch<'c> {
    /// Starts a batch at the end of the log.
    pub fn new(connection: &'c Connection, tail: Tail, kinds: &'c mut Kinds) -> Result<Self> {
        Ok(Self {
            insert_event: connection.prepare_cached(
                "INSERT INTO events (position, aggregate_id, version, event_id, event_type, schema_version, \
                 aggregate_type, timestamp, payload, metadata, checksum, chain) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            select_end: connection.prepare_cached("SELECT max(version) FROM events WHERE aggregate_id = ?")?,
            connection,
            kinds,
            tail,
            ends: HashMap::new(),
            has_written: false,
            checksums: Checksummer::default(),
            next_link: None,
            after_loser: false,
        })
    }

    /// Judges one commit and writes it if it wins.
    pub fn take(&mut self, commit: Commit) -> Result<Verdict> {
        let verdict = self.judge(commit)?;
        self.after_loser = !matches!(verdict, Verdict::Appended { .. });
        Ok(verdict)
    }

    /// Looks at the key, then at the versions in the order of the writes.
    fn judge(&mut self, mut commit: Commit) -> Result<Verdict> {
        if let Some(record) = &commit.idempotency
            && let Some(first) = find_record(self.connection, &record.key)?
        {
            return Ok(Verdict::Duplicate(first));
        }
        let mut base = Vec::with_capacity(commit.writes.len());
        for write in &commit.writes {
            let actual = self.end_of(write.stream)?;
            if !write.expected.accepts(actual, self.after_loser) {
                return Ok(Verdict::Conflict { stream: write.stream, actual });
            }
            base.push(actual);
        }
        let events = self.insert_events(&mut commit, &base)?;
        self.keep_snapshots(&mut commit)?;
        if let Some(record) = &commit.idempotency {
            self.insert_record(record)?;
        }
        Ok(Verdict::Appended { events, position: self.tail.head })
    }

    /// Ends the batch: where the log ends now, or nothing when there is nothing to commit.
    pub fn finish(mut self) -> Result<Option<Tail>> {
        if !self.has_written {
            return Ok(None);
        }
        if let Some(link) = self.next_link.take() {
            self.tail.link = link.end(self.tail.head);
            self.tail.seal(self.connection)?;
        }
        self.tail.close_block(self.connection)?;
        Ok(Some(self.tail))
    }

    fn end_of(&mut self, stream: StreamId) -> Result<Version> {
        if let Some(end) = self.ends.get(&stream) {
            return Ok(*end);
        }
        let end: Option<i64> = self.select_end.query_row([stream.0.as_bytes()], |row| row.get(0))?;
        let end = Version(end.unwrap_or(0).cast_unsigned());
        self.ends.insert(stream, end);
        Ok(end)
    }

    fn insert_events(&mut self, commit: &mut Commit, base: &[Version]) -> Result<Vec<Arc<EventEnvelope>>> {
        let events = commit.take_envelopes(base, self.tail.head);
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let micros = commit.timestamp.timestamp_micros();
        let metadata =
            serde_json::to_string(&*commit.metadata).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
        for event in &events {
            let kind = self.kind_of(event)?;
            self.tail.widen(kind, micros);
            self.insert_event(event, micros, &metadata)?;
            self.ends.insert(event.aggregate_id, event.version);
            self.tail.head = event.position;
        }
        self.has_written = true;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    fn insert_event(&mut self, event: &EventEnvelope, micros: i64, metadata: &str) -> Result<()> {
        let checksum = self.checksums.event(&EventContent {
            event_id: event.event_id,
            event_type: &event.event_type,
            schema_version: event.schema_version,
            aggregate_id: event.aggregate_id,
            aggregate_type: &event.aggregate_type,
            micros,
            payload: event.payload.get(),
            metadata,
        });
        let before = self.tail.link;
        let chain = if self.next_link.is_none() { before.0.as_slice() } else { &[] };
        let next = self.next_link.get_or_insert_with(|| NextLink::after(before, self.tail.head));
        next.push(event.version, &checksum.0);
        let insert = &mut self.insert_event;
        insert.raw_bind_parameter(1, number(event.position.0))?;
        insert.raw_bind_parameter(2, event.aggregate_id.0.as_bytes().as_slice())?;
        insert.raw_bind_parameter(3, number(event.version.0))?;
        insert.raw_bind_parameter(4, event.event_id.as_bytes().as_slice())?;
        insert.raw_bind_parameter(5, &*event.event_type)?;
        insert.raw_bind_parameter(6, event.schema_version)?;
        insert.raw_bind_parameter(7, &*event.aggregate_type)?;
        insert.raw_bind_parameter(8, micros)?;
        insert.raw_bind_parameter(9, event.payload.get())?;
        insert.raw_bind_parameter(10, metadata)?;
        insert.raw_bind_parameter(11, checksum.0.as_slice())?;
        insert.raw_bind_parameter(12, chain)?;
        insert.raw_execute()?;
        Ok(())
    }

    fn kind_of(&mut self, event: &EventEnvelope) -> Result<i64> {
        let EventEnvelope { aggregate_type, event_type, schema_version, .. } = event;
        if let Some(kind) = self.kinds.number(aggregate_type, event_type, *schema_version) {
            return Ok(kind);
        }
        let kind = self.kinds.push(StoredKind {
            aggregate_type: aggregate_type.clone(),
            event_type: event_type.clone(),
            schema_version: *schema_version,
        });
        self.connection
            .prepare_cached(
                "INSERT INTO event_kinds (kind, aggregate_type, event_type, schema_version) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![kind, &**aggregate_type, &**event_type, schema_version])?;
        Ok(kind)
    }

    fn keep_snapshots(&mut self, commit: &mut Commit) -> Result<()> {
        for write in &mut commit.writes {
            if let Some(snapshot) = write.snapshot.take() {
                self.keep_snapshot(write.stream, &snapshot)?;
            }
        }
        Ok(())
    }

    /// Keeps a snapshot unless a newer one is there, or the stream does not reach so far.
    fn keep_snapshot(&mut self, stream: StreamId, snapshot: &Snapshot) -> Result<()> {
        let Snapshot { version, schema, state, .. } = snapshot;
        let Some(position) = self.position_of(stream, *version)? else { return Ok(()) };
        let checksum = self.checksums.snapshot(stream, snapshot).at(position);
        let written = self
            .connection
            .prepare_cached(
                "INSERT INTO snapshots (aggregate_id, version, position, schema, state, checksum) \
                 VALUES (?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (aggregate_id) DO UPDATE SET version = excluded.version, position = excluded.position, \
                 schema = excluded.schema, state = excluded.state, checksum = excluded.checksum \
                 WHERE snapshots.version <= excluded.version",
            )?
            .execute(params![
                stream.0.as_bytes(),
                number(version.0),
                number(position.0),
                schema,
                state.get(),
                checksum.0
            ])?;
        self.has_written |= written > 0;
        Ok(())
    }

    fn position_of(&self, stream: StreamId, version: Version) -> Result<Option<Position>> {
        self.connection
            .prepare_cached("SELECT position FROM events WHERE aggregate_id = ? AND version = ?")?
            .query_row(params![stream.0.as_bytes(), number(version.0)], |row| count(row, 0).map(Position))
            .optional()
    }

    fn insert_record(&mut self, record: &IdempotencyRecord) -> Result<()> {
        let checksum = self.checksums.record(record).at(self.tail.head);
        let IdempotencyRecord { key: IdempotencyKey { scope, key }, fingerprint, answer, recorded_at, .. } = record;
        self.connection
            .prepare_cached(
                "INSERT INTO idempotency (scope, key, fingerprint, answer, position, recorded_at, checksum) \
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                scope,
                key,
                fingerprint,
                answer,
                number(self.tail.head.0),
                recorded_at.timestamp_micros(),
                checksum.0
            ])?;
        self.has_written = true;
        Ok(())
    }
}

/// What was answered to a key.
pub fn find_record(connection: &Connection, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>> {
    connection
        .prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM idempotency WHERE scope = ? AND key = ?"))?
        .query_row([&key.scope, &key.key], |row| Ok(usable_record(record(row, key)?, blob(row, 4)?)))
        .optional()
}

/// What [`record`] reads, and behind it the checksum.
pub const RECORD_COLUMNS: &str = "fingerprint, answer, position, recorded_at, checksum";

/// The record of a key as its row has it.
pub fn record(row: &Row<'_>, key: &IdempotencyKey) -> Result<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: key.clone(),
        fingerprint: row.get(0)?,
        answer: row.get(1)?,
        position: Position(count(row, 2)?),
        recorded_at: time(row, 3)?,
    })
}
