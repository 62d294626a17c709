//! A batch of commits as the arrays that `ordo_append` takes (`migrations/postgres/0006_checksums.sql` says what each means).

use std::{collections::HashMap, error::Error};

use crate::log::{
    checksum::{Checksum, Checksummer, EventContent},
    event::StreamId,
    store::{Commit, ExpectedVersion, IdempotencyKey, IdempotencyRecord, Snapshot, StreamWrite},
};
use bytes::BytesMut;
use chrono::{DateTime, Utc};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// Calls the function and tells which server process ran it; its parameters are [`Batch::parameters`] in that order.
pub(super) const APPEND: &str = "SELECT head, outcomes, bases, pg_backend_pid() AS backend FROM ordo_append(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
    $26, $27, $28, $29, $30, $31, $32, $33, $34, $35)";

/// What `write_expected` holds for a write that takes any version.
const ANY_VERSION: i64 = -1;

/// What it holds, less the version, for a write that also demands that the commit before its own was appended.
const FOLLOWING: i64 = -2;

/// Column by column, borrowed from the commits.
#[derive(Default)]
pub(super) struct Batch<'a> {
    writer: Uuid,
    number: i64,
    earliest: DateTime<Utc>,
    latest: DateTime<Utc>,
    event_types: Vec<&'a str>,
    aggregate_types: Vec<&'a str>,
    may_hold_new_kinds: bool,
    stream_ids: Vec<Uuid>,
    commit_writes: Vec<i32>,
    commit_records: Vec<i32>,
    write_streams: Vec<i32>,
    write_expected: Vec<i64>,
    write_events: Vec<i32>,
    events: Events<'a>,
    records: Records<'a>,
    snapshots: Snapshots<'a>,
    kinds: Vec<Kind<'a>>,
}

/// Aggregate type, event type, schema version.
pub(super) type Kind<'a> = (&'a str, &'a str, u32);

#[derive(Default)]
struct Events<'a> {
    writes: Vec<i32>,
    numbers: Vec<i32>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    schemas: Vec<i32>,
    aggregate_types: Vec<&'a str>,
    times: Vec<DateTime<Utc>>,
    metadata: Vec<&'a str>,
    payloads: Vec<&'a str>,
    checksums: Vec<Bytes>,
}

#[derive(Default)]
struct Records<'a> {
    twins: Vec<i32>,
    scopes: Vec<&'a str>,
    keys: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    answers: Vec<&'a [u8]>,
    times: Vec<DateTime<Utc>>,
    checksums: Vec<Bytes>,
}

#[derive(Default)]
struct Snapshots<'a> {
    writes: Vec<i32>,
    versions: Vec<i64>,
    schemas: Vec<i64>,
    states: Vec<&'a str>,
    checksums: Vec<Bytes>,
}

/// A checksum as `bytea`.
#[derive(Debug)]
struct Bytes(Checksum);

impl ToSql for Bytes {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.0.as_slice().to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&[u8] as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Where streams and keys that occur more than once in a batch were first seen.
#[derive(Default)]
struct FirstSeen<'a> {
    streams: HashMap<StreamId, i32>,
    keys: HashMap<&'a IdempotencyKey, i32>,
}

impl<'a> Batch<'a> {
    /// Lays out the commits. `metadata` holds the JSON of each commit's metadata, in the same order.
    pub(super) fn of(commits: &'a [Commit], metadata: &'a [String]) -> Self {
        let mut batch = Self::default();
        let mut seen = FirstSeen::default();
        for (commit, metadata) in commits.iter().zip(metadata) {
            batch.commit_writes.push(count(commit.writes.len()));
            let record = commit.idempotency.as_ref().map_or(0, |record| batch.records.push(record, &mut seen.keys));
            batch.commit_records.push(record);
            for write in &commit.writes {
                batch.push_write(commit.timestamp, metadata, write, &mut seen.streams);
            }
        }
        batch.earliest = batch.events.times.iter().min().copied().unwrap_or_default();
        batch.latest = batch.events.times.iter().max().copied().unwrap_or_default();
        batch
    }

    /// Says whose batch it is, its number among theirs, and which kinds of events the log is known to hold already.
    pub(super) fn sign(&mut self, writer: Uuid, number: i64, is_known: impl Fn(&Kind<'_>) -> bool) {
        self.writer = writer;
        self.number = number;
        self.may_hold_new_kinds = !self.kinds.iter().all(is_known);
    }

    /// Whether it holds a kind of event that [`Self::sign`] did not know.
    pub(super) fn may_hold_new_kinds(&self) -> bool {
        self.may_hold_new_kinds
    }

    /// What [`APPEND`] takes.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 35] {
        let Self { events, records, snapshots, .. } = self;
        [
            &self.writer,
            &self.number,
            &self.earliest,
            &self.latest,
            &self.event_types,
            &self.aggregate_types,
            &self.may_hold_new_kinds,
            &self.stream_ids,
            &self.commit_writes,
            &self.commit_records,
            &self.write_streams,
            &self.write_expected,
            &self.write_events,
            &events.writes,
            &events.numbers,
            &events.ids,
            &events.types,
            &events.schemas,
            &events.aggregate_types,
            &events.times,
            &events.metadata,
            &events.payloads,
            &records.twins,
            &records.scopes,
            &records.keys,
            &records.fingerprints,
            &records.answers,
            &records.times,
            &snapshots.writes,
            &snapshots.versions,
            &snapshots.schemas,
            &snapshots.states,
            &events.checksums,
            &records.checksums,
            &snapshots.checksums,
        ]
    }

    fn push_write(
        &mut self,
        at: DateTime<Utc>,
        metadata: &'a str,
        write: &'a StreamWrite,
        seen: &mut HashMap<StreamId, i32>,
    ) {
        let stream = *seen.entry(write.stream).or_insert_with(|| {
            self.stream_ids.push(write.stream.0);
            count(self.stream_ids.len())
        });
        self.write_streams.push(stream);
        self.write_expected.push(match write.expected {
            ExpectedVersion::NoStream => 0,
            ExpectedVersion::Exact(version) => signed(version.0),
            ExpectedVersion::Following(version) => FOLLOWING - signed(version.0),
            ExpectedVersion::Any => ANY_VERSION,
        });
        self.write_events.push(count(write.events.len()));
        let number = count(self.write_streams.len());
        self.push_events(number, at, metadata, write);
        if let Some(snapshot) = &write.snapshot {
            self.snapshots.push(number, write.stream, snapshot);
        }
    }

    fn push_events(&mut self, write_number: i32, at: DateTime<Utc>, metadata: &'a str, write: &'a StreamWrite) {
        let mut checksums = Checksummer::default();
        for (number, event) in (1..).zip(&write.events) {
            let kind: Kind<'a> = (&write.aggregate_type, &event.event_type, event.schema_version);
            if !self.kinds.contains(&kind) {
                self.push_kind(kind);
            }
            self.events.writes.push(write_number);
            self.events.numbers.push(number);
            self.events.ids.push(event.event_id);
            self.events.types.push(&event.event_type);
            self.events.schemas.push(event.schema_version.cast_signed());
            self.events.aggregate_types.push(&write.aggregate_type);
            self.events.times.push(at);
            self.events.metadata.push(metadata);
            self.events.payloads.push(event.payload.get());
            self.events.checksums.push(Bytes(checksums.event(&EventContent {
                event_id: event.event_id,
                event_type: &event.event_type,
                schema_version: event.schema_version,
                aggregate_id: write.stream,
                aggregate_type: &write.aggregate_type,
                micros: at.timestamp_micros(),
                payload: event.payload.get(),
                metadata,
            })));
        }
    }

    fn push_kind(&mut self, kind: Kind<'a>) {
        self.kinds.push(kind);
        if !self.aggregate_types.contains(&kind.0) {
            self.aggregate_types.push(kind.0);
        }
        if !self.event_types.contains(&kind.1) {
            self.event_types.push(kind.1);
        }
    }
}

impl<'a> Records<'a> {
    /// Adds a record and tells its number.
    fn push(&mut self, record: &'a IdempotencyRecord, seen: &mut HashMap<&'a IdempotencyKey, i32>) -> i32 {
        let number = count(self.keys.len() + 1);
        self.twins.push(*seen.entry(&record.key).or_insert(number));
        self.scopes.push(&record.key.scope);
        self.keys.push(&record.key.key);
        self.fingerprints.push(&record.fingerprint);
        self.answers.push(&record.answer);
        self.times.push(record.recorded_at);
        self.checksums.push(Bytes(Checksummer::default().record(record)));
        number
    }
}

impl<'a> Snapshots<'a> {
    fn push(&mut self, write_number: i32, stream: StreamId, snapshot: &'a Snapshot) {
        self.writes.push(write_number);
        self.versions.push(signed(snapshot.version.0));
        self.schemas.push(i64::from(snapshot.schema));
        self.states.push(snapshot.state.get());
        self.checksums.push(Bytes(Checksummer::default().snapshot(stream, snapshot)));
    }
}

/// A number of things in a batch as SQL counts them. A batch of two thousand million does not fit into memory.
fn count(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

/// A version or position as SQL holds it. What does not fit is larger than any there is.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
