//! What an audit reads: rows as they stand in the tables, and what their checksums say.

use std::sync::Arc;

use crate::log::{
    checksum::{Check, Checksum, check_record, check_snapshot},
    event::{Epoch, Position, StreamId},
    inspection::{Inspect, Kept, LogEntry, Seal},
    store::{IdempotencyKey, StoreError},
};
use async_trait::async_trait;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::{
    batch::signed,
    event_row::{Envelopes, event_columns, snapshot},
    log_query::limit,
    outcome::record_from_row,
    store::{PostgresStore, only, unreadable},
};

const SEAL: &str =
    "SELECT position, checked_after, chain, (SELECT count(*) FROM events WHERE position < 1), epoch FROM log_head";
const ENTRIES: &str =
    concat!("SELECT ", event_columns!(), ", chain FROM events WHERE position > $1 ORDER BY position LIMIT $2");
const SNAPSHOTS: &str = "SELECT version, position, schema, state, checksum, aggregate_id FROM snapshots \
    WHERE $1::uuid IS NULL OR aggregate_id > $1 ORDER BY aggregate_id LIMIT $2";
const RECORDS: &str = "SELECT scope, key, fingerprint, answer, position, recorded_at, checksum FROM idempotency \
    WHERE (scope, key) > ($1, $2) ORDER BY scope, key LIMIT $3";

/// The first event of some that its zone leaves out: such a search would not find it.
const UNCOVERED: &str = "SELECT min(e.position) FROM events e LEFT JOIN log_zones z ON z.zone = (e.position - 1) / 1024 \
    WHERE e.position >= $1 AND e.position <= $2 AND (z.zone IS NULL OR e.timestamp NOT BETWEEN z.earliest AND z.latest \
      OR e.event_type <> ALL (z.event_types) OR e.aggregate_type <> ALL (z.aggregate_types))";

const NEXT: &str = "SELECT min(position) FROM events WHERE position > $1";

/// So that no statement takes longer than one may.
const POSITIONS_AT_ONCE: u64 = 100_000;

#[async_trait]
impl Inspect for PostgresStore {
    async fn structure(&self) -> Result<Vec<String>, StoreError> {
        let mut after = Position::START;
        // From one event to the next, however far apart rot has put them.
        while let Some(first) = self.readers.read(NEXT, (signed(after.0),), number).await? {
            after = Position(first.cast_unsigned()).plus(POSITIONS_AT_ONCE - 1);
            if let Some(position) = self.readers.read(UNCOVERED, (first, signed(after.0)), number).await? {
                return Ok(vec![format!("a search by type or time does not find position {position}")]);
            }
        }
        Ok(Vec::new())
    }

    async fn seal(&self) -> Result<Option<Seal>, StoreError> {
        self.readers.read(SEAL, (), |rows| seal(only(&rows)?).map(Some).map_err(unreadable)).await
    }

    async fn entries(&self, after: Position, most: usize) -> Result<Vec<LogEntry>, StoreError> {
        let decode = |rows: Vec<Row>| {
            let mut envelopes = Envelopes::default();
            rows.iter().map(|row| entry(&mut envelopes, row)).collect::<Result<_, _>>().map_err(unreadable)
        };
        self.readers.read(ENTRIES, (signed(after.0), limit(most)), decode).await
    }

    async fn snapshots(&self, after: Option<StreamId>, most: usize) -> Result<Vec<Kept<StreamId>>, StoreError> {
        let decode = |rows: Vec<Row>| rows.iter().map(kept_snapshot).collect::<Result<_, _>>().map_err(unreadable);
        self.readers.read(SNAPSHOTS, (after.map(|stream| stream.0), limit(most)), decode).await
    }

    async fn records(
        &self,
        after: Option<IdempotencyKey>,
        most: usize,
    ) -> Result<Vec<Kept<IdempotencyKey>>, StoreError> {
        let (scope, key) = after.map(|after| (after.scope, after.key)).unwrap_or_default();
        let decode = |rows: Vec<Row>| rows.iter().map(kept_record).collect::<Result<_, _>>().map_err(unreadable);
        self.readers.read(RECORDS, (scope, key, limit(most)), decode).await
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as the readers hand them over")]
fn number(rows: Vec<Row>) -> Result<Option<i64>, StoreError> {
    only(&rows)?.try_get(0).map_err(unreadable)
}

fn seal(row: &Row) -> Result<Seal, Error> {
    Ok(Seal {
        epoch: Epoch(row.try_get(4)?),
        position: Position(row.try_get::<_, i64>(0)?.cast_unsigned()),
        checked_after: Position(row.try_get::<_, i64>(1)?.cast_unsigned()),
        chain: Checksum::from_slice(row.try_get(2)?),
        before_first: row.try_get::<_, i64>(3)?.cast_unsigned(),
    })
}

fn entry(envelopes: &mut Envelopes, row: &Row) -> Result<LogEntry, Error> {
    let position = Position(row.try_get::<_, i64>(0)?.cast_unsigned());
    let check = envelopes.check(row).unwrap_or(Check::Differs);
    let event = envelopes.read(row).map(Arc::new).map_err(|error| error.to_string());
    Ok(LogEntry { position, event, check, checksum: row.try_get(10)?, chain: row.try_get(11)? })
}

fn kept_snapshot(row: &Row) -> Result<Kept<StreamId>, Error> {
    let key = StreamId(row.try_get::<_, Uuid>(5)?);
    let stored: &[u8] = row.try_get(4)?;
    let check = snapshot(row).map_or(Check::Differs, |snapshot| check_snapshot(key, &snapshot, stored));
    Ok(Kept { key, check })
}

fn kept_record(row: &Row) -> Result<Kept<IdempotencyKey>, Error> {
    let record = record_from_row(row)?;
    Ok(Kept { check: check_record(&record, row.try_get(6)?), key: record.key })
}
