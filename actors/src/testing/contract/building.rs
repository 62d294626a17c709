//! Commits in few words, and verdicts taken apart.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::log::{
    event::{EventEnvelope, Metadata, Name, Position, StreamId, Version},
    store::{
        Commit, EventStore, ExpectedVersion, IdempotencyKey, IdempotencyRecord, LogQuery, MAX_READ, NewEvent, Snapshot,
        StreamWrite, Verdict,
    },
};

/// The aggregate type of [`write()`].
pub const COUNTER: &str = "Counter";

/// The event type of [`counted`].
pub const INCREMENTED: &str = "Incremented";

/// A fixed time, so many seconds after the start of 2025.
#[must_use]
pub fn second(seconds: i64) -> DateTime<Utc> {
    Utc.timestamp_opt(1_735_689_600 + seconds, 0).single().expect("a time")
}

/// A fixed time, so many microseconds after the start of 2025.
#[must_use]
pub fn micro(micros: i64) -> DateTime<Utc> {
    second(0) + TimeDelta::microseconds(micros)
}

/// JSON text as it is.
#[must_use]
pub fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("valid JSON")
}

/// The end of a stream at a version.
#[must_use]
pub fn exact(version: u64) -> ExpectedVersion {
    ExpectedVersion::Exact(Version(version))
}

/// An event of a type, schema version 1, with a small payload.
#[must_use]
pub fn event(event_type: impl Into<Name>) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.into(),
        schema_version: 1,
        payload: json(r#"{"by":1}"#),
    }
}

/// An event with this payload.
#[must_use]
pub fn event_saying(payload: &str) -> NewEvent {
    NewEvent { payload: json(payload), ..event(INCREMENTED) }
}

/// A write to a stream of type [`COUNTER`].
#[must_use]
pub fn write(stream: StreamId, expected: ExpectedVersion, events: impl IntoIterator<Item = NewEvent>) -> StreamWrite {
    StreamWrite {
        stream,
        aggregate_type: COUNTER.into(),
        expected,
        events: events.into_iter().collect(),
        snapshot: None,
    }
}

/// A write of `events` events of type [`INCREMENTED`].
#[must_use]
pub fn increments(stream: StreamId, expected: ExpectedVersion, events: usize) -> StreamWrite {
    write(stream, expected, (0..events).map(|_| event(INCREMENTED)))
}

/// A commit of these writes at `second(0)`.
#[must_use]
pub fn commit(writes: impl IntoIterator<Item = StreamWrite>) -> Commit {
    Commit {
        timestamp: second(0),
        metadata: Arc::new(Metadata::default()),
        writes: writes.into_iter().collect(),
        idempotency: None,
    }
}

/// A commit of `events` events of type [`INCREMENTED`] to one stream.
#[must_use]
pub fn counted(stream: StreamId, expected: ExpectedVersion, events: usize) -> Commit {
    commit([increments(stream, expected, events)])
}

/// The same commit at another time.
#[must_use]
pub fn at(timestamp: DateTime<Utc>, commit: Commit) -> Commit {
    Commit { timestamp, ..commit }
}

/// The same commit with a record of a key.
#[must_use]
pub fn keyed(record: IdempotencyRecord, commit: Commit) -> Commit {
    Commit { idempotency: Some(record), ..commit }
}

/// The same write with a snapshot at a version, schema 1.
#[must_use]
pub fn with_snapshot(version: u64, state: &str, write: StreamWrite) -> StreamWrite {
    StreamWrite { snapshot: Some(snapshot(version, state)), ..write }
}

/// A snapshot at a version, schema 1, its position not filled yet.
#[must_use]
pub fn snapshot(version: u64, state: &str) -> Snapshot {
    Snapshot { version: Version(version), position: Position::START, schema: 1, state: json(state) }
}

/// The key of a scope.
#[must_use]
pub fn key(scope: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey { scope: scope.to_owned(), key: key.to_owned() }
}

/// A record of a key of the scope `caller`, with an answer that says the key.
#[must_use]
pub fn record(name: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        key: key("caller", name),
        fingerprint: [7; 32],
        answer: format!("answer to {name}").into_bytes(),
        position: Position::START,
        recorded_at: second(0),
    }
}

/// Appends one commit and returns its verdict.
pub async fn verdict(store: &dyn EventStore, commit: Commit) -> Verdict {
    let mut verdicts = verdicts(store, [commit]).await;
    verdicts.pop().expect("one verdict")
}

/// Appends a batch and returns its verdicts, as many as there were commits.
pub async fn verdicts(store: &dyn EventStore, batch: impl IntoIterator<Item = Commit>) -> Vec<Verdict> {
    let batch: Vec<_> = batch.into_iter().collect();
    let commits = batch.len();
    let verdicts = store.append(batch).await.expect("an append that works");
    assert_eq!(verdicts.len(), commits, "one verdict per commit");
    verdicts
}

/// Appends one commit, which must win, and returns its events.
pub async fn append(store: &dyn EventStore, commit: Commit) -> Vec<Arc<EventEnvelope>> {
    appended(verdict(store, commit).await).0
}

/// The events and the position of a commit that must have won.
#[expect(clippy::must_use_candidate, reason = "the look at the verdict is the use")]
#[track_caller]
pub fn appended(verdict: Verdict) -> (Vec<Arc<EventEnvelope>>, Position) {
    match verdict {
        Verdict::Appended { events, position } => (events, position),
        other => panic!("expected the commit to be appended, got {other:?}"),
    }
}

/// The stream and the version over which a commit must have lost.
#[expect(clippy::must_use_candidate, reason = "the look at the verdict is the use")]
#[track_caller]
pub fn conflict(verdict: &Verdict) -> (StreamId, Version) {
    match verdict {
        Verdict::Conflict { stream, actual } => (*stream, *actual),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// The record over which a commit must have lost.
#[expect(clippy::must_use_candidate, reason = "the look at the verdict is the use")]
#[track_caller]
pub fn duplicate(verdict: Verdict) -> IdempotencyRecord {
    match verdict {
        Verdict::Duplicate(record) => record,
        other => panic!("expected a duplicate, got {other:?}"),
    }
}

/// The position of the last event.
pub async fn head(store: &dyn EventStore) -> Position {
    store.head().await.expect("a head").position
}

/// The whole of a stream (up to [`MAX_READ`]).
pub async fn stream_of(store: &dyn EventStore, stream: StreamId) -> Vec<Arc<EventEnvelope>> {
    store.read_stream(stream, Version(1), MAX_READ).await.expect("a stream").into_events()
}

/// What a query finds.
pub async fn found(store: &dyn EventStore, query: LogQuery) -> Vec<Arc<EventEnvelope>> {
    store.read_all(&query).await.expect("a part of the log").into_events()
}

/// The whole log (up to [`MAX_READ`]).
pub async fn log_of(store: &dyn EventStore) -> Vec<Arc<EventEnvelope>> {
    found(store, LogQuery::after(Position::START, MAX_READ)).await
}

/// The positions of events, as numbers.
#[must_use]
pub fn positions(events: &[Arc<EventEnvelope>]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}

/// The versions of events, as numbers.
#[must_use]
pub fn versions(events: &[Arc<EventEnvelope>]) -> Vec<u64> {
    events.iter().map(|event| event.version.0).collect()
}
