//! What an audit reads: rows as they stand in the file, and what their checksums say.

use std::sync::Arc;

use crate::log::{
    checksum::{Check, Checksum, check_record, check_snapshot},
    event::{Position, StreamId},
    inspection::{Inspect, Kept, LogEntry, Seal},
    store::{IdempotencyKey, MAX_READ, StoreError},
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, Result, Row};

use super::{
    batch::{RECORD_COLUMNS, record},
    columns::{EVENT_COLUMNS, Envelopes, blob, count, epoch, id, number},
    failure,
    queries::{SNAPSHOT_COLUMNS, snapshot_of},
    store::SqliteStore,
};

const SEAL: &str = "SELECT position, checked_after, chain, (SELECT count(*) FROM events WHERE position < 1), \
     iif(begun_as = '', epoch, begun_as) FROM log";

#[async_trait]
impl Inspect for SqliteStore {
    async fn structure(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| structure(connection).map_err(|error| failure::reading(&error))).await
    }

    async fn seal(&self) -> Result<Option<Seal>, StoreError> {
        self.read(|connection| seal(connection).map(Some).map_err(|error| failure::reading(&error))).await
    }

    async fn entries(&self, after: Position, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let sql =
            format!("SELECT {EVENT_COLUMNS}, e.chain FROM events e WHERE e.position > ? ORDER BY e.position LIMIT ?");
        let mut envelopes = Envelopes::default();
        self.read(move |connection| {
            all(connection, &sql, [number(after.0), most(limit)], |row| entry(&mut envelopes, row))
        })
        .await
    }

    async fn snapshots(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<Kept<StreamId>>, StoreError> {
        let sql = format!(
            "SELECT {SNAPSHOT_COLUMNS}, aggregate_id FROM snapshots WHERE aggregate_id > ? ORDER BY aggregate_id LIMIT ?"
        );
        let after = after.map_or_else(Vec::new, |stream| stream.0.as_bytes().to_vec());
        self.read(move |connection| all(connection, &sql, (after, most(limit)), kept_snapshot)).await
    }

    async fn records(
        &self,
        after: Option<IdempotencyKey>,
        limit: usize,
    ) -> Result<Vec<Kept<IdempotencyKey>>, StoreError> {
        let sql = format!(
            "SELECT {RECORD_COLUMNS}, scope, key FROM idempotency WHERE (scope, key) > (?, ?) ORDER BY scope, key LIMIT ?"
        );
        let IdempotencyKey { scope, key } =
            after.unwrap_or_else(|| IdempotencyKey { scope: String::new(), key: String::new() });
        self.read(move |connection| all(connection, &sql, (scope, key, most(limit)), kept_record)).await
    }
}

/// Reads every page, every index against its table, and what searches go by against the events.
fn structure(connection: &Connection) -> Result<Vec<String>> {
    let mut check = connection.prepare("PRAGMA integrity_check(100)")?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
    let mut faults: Vec<_> =
        lines.into_iter().filter(|line| line != "ok").map(|line| format!("the file: {line}")).collect();
    let first = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional().map(Option::flatten);
    if let Some(position) = first(UNCOVERED)? {
        faults.push(format!("a search by type or time does not find position {position}"));
    }
    if let Some(block) = first(DISJOINT)? {
        faults.push(format!("the block of positions from {block} on does not follow the one before it"));
    }
    if first(UNNUMBERED)?.is_some() {
        faults.push("the kinds of events are not numbered from 1 on".to_owned());
    }
    Ok(faults)
}

/// The first event that its block leaves out: such a search would not find it.
const UNCOVERED: &str = "SELECT min(e.position) FROM events e \
    LEFT JOIN event_kinds k USING (aggregate_type, event_type, schema_version) \
    LEFT JOIN event_blocks b ON b.first = (SELECT max(first) FROM event_blocks WHERE first <= e.position) \
    WHERE k.kind IS NULL OR b.first IS NULL OR e.position > b.last OR e.timestamp NOT BETWEEN b.oldest AND b.newest \
       OR b.kinds & (1 << (min(max(k.kind, 1), 63) - 1)) = 0";

/// The first block with a gap before it, or an overlap.
const DISJOINT: &str = "SELECT min(first) FROM (SELECT first, lag(last, 1, 0) OVER (ORDER BY first) AS before \
    FROM event_blocks) WHERE first - 1 <> before";

const UNNUMBERED: &str = "SELECT 1 FROM (SELECT min(kind) AS least, max(kind) AS most, count(*) AS kinds FROM event_kinds) \
    WHERE least <> 1 OR most <> kinds";

fn seal(connection: &Connection) -> Result<Seal> {
    connection.query_row(SEAL, [], |row| {
        Ok(Seal {
            epoch: epoch(row, 4)?,
            position: Position(count(row, 0)?),
            checked_after: Position(count(row, 1)?),
            chain: Checksum::from_slice(blob(row, 2)?),
            before_first: count(row, 3)?,
        })
    })
}

fn entry(envelopes: &mut Envelopes, row: &Row<'_>) -> Result<LogEntry> {
    let position = Position(count(row, 0)?);
    let check = envelopes.check(row);
    let event = envelopes.read(row).map(Arc::new).map_err(|_| "a stored value is not of its kind".to_owned());
    let stored = |column| blob(row, column).map(<[u8]>::to_vec).unwrap_or_default();
    Ok(LogEntry { position, event, check: check.unwrap_or(Check::Differs), checksum: stored(10), chain: stored(11) })
}

fn kept_snapshot(row: &Row<'_>) -> Result<Kept<StreamId>> {
    let key = StreamId(id(row, 5)?);
    let check = snapshot_of(row).and_then(|snapshot| Ok(check_snapshot(key, &snapshot, blob(row, 4)?)));
    Ok(Kept { key, check: check.unwrap_or(Check::Differs) })
}

fn kept_record(row: &Row<'_>) -> Result<Kept<IdempotencyKey>> {
    let key = IdempotencyKey { scope: row.get(5)?, key: row.get(6)? };
    let check = record(row, &key).and_then(|record| Ok(check_record(&record, blob(row, 4)?)));
    Ok(Kept { key, check: check.unwrap_or(Check::Differs) })
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    each: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>, StoreError> {
    let read = || -> Result<Vec<T>> { connection.prepare_cached(sql)?.query_map(parameters, each)?.collect() };
    read().map_err(|error| failure::reading(&error))
}

fn most(limit: usize) -> i64 {
    number(limit.min(MAX_READ) as u64)
}
