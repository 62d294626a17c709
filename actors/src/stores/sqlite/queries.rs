//! What is read from the log.

use std::sync::Arc;

use crate::log::{
    checksum::{Check, usable_snapshot},
    event::{EventEnvelope, Position, StreamId, Version},
    store::{EventPage, LogQuery, MAX_READ, Snapshot, StoreError},
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Result, Row, params_from_iter, types::Value};

use super::{
    columns::{EVENT_COLUMNS, Envelopes, blob, count, json, micros_from, number},
    failure,
    tail::bit,
};

/// Reads a stream from a version on.
pub fn stream(connection: &Connection, stream: StreamId, from: Version, limit: usize) -> Result<EventPage, StoreError> {
    let mut select = connection
        .prepare_cached(&format!(
            "SELECT {EVENT_COLUMNS} FROM events e WHERE aggregate_id = ? AND version >= ? ORDER BY version LIMIT ?"
        ))
        .map_err(|error| failure::reading(&error))?;
    let rows = number(limit.min(MAX_READ) as u64);
    read(&mut select, (stream.0.as_bytes(), number(from.0), rows), limit)
}

/// Reads the log.
pub fn log(connection: &Connection, query: &LogQuery) -> Result<EventPage, StoreError> {
    let failed = |error| failure::reading(&error);
    // One transaction, so that the kinds looked up are those of the events read.
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let search = Search::new(&transaction, query).map_err(failed)?;
    let mut select = transaction.prepare_cached(&search.sql).map_err(failed)?;
    read(&mut select, params_from_iter(search.parameters), query.limit)
}

/// Where each of these streams ends.
pub fn versions(connection: &Connection, streams: &[StreamId]) -> Result<Vec<Version>> {
    let mut select =
        connection.prepare_cached("SELECT coalesce(max(version), 0) FROM events WHERE aggregate_id = ?")?;
    let ends = streams.iter().map(|stream| select.query_row([stream.0.as_bytes()], |row| count(row, 0)).map(Version));
    ends.collect()
}

/// The newest snapshot of a stream.
pub fn snapshot(connection: &Connection, stream: StreamId) -> Result<Option<Snapshot>> {
    connection
        .prepare_cached(&format!("SELECT {SNAPSHOT_COLUMNS} FROM snapshots WHERE aggregate_id = ?"))?
        .query_row([stream.0.as_bytes()], |row| Ok(usable_snapshot(stream, snapshot_of(row)?, blob(row, 4)?)))
        .optional()
        .map(Option::flatten)
}

/// What [`snapshot_of`] reads, and behind it the checksum.
pub const SNAPSHOT_COLUMNS: &str = "version, position, schema, state, checksum";

/// A snapshot as its row has it.
pub fn snapshot_of(row: &Row<'_>) -> Result<Snapshot> {
    Ok(Snapshot {
        version: Version(count(row, 0)?),
        position: Position(count(row, 1)?),
        schema: row.get(2)?,
        state: json(row, 3)?,
    })
}

fn read(select: &mut CachedStatement<'_>, parameters: impl Params, limit: usize) -> Result<EventPage, StoreError> {
    let failed = |error| failure::reading(&error);
    let mut rows = select.query(parameters).map_err(failed)?;
    let mut envelopes = Envelopes::default();
    EventPage::fill(
        limit,
        std::iter::from_fn(|| match rows.next() {
            Ok(row) => row.map(|row| sound(&mut envelopes, row)),
            Err(error) => Some(Err(failed(error))),
        }),
    )
}

/// An event that is what was written.
fn sound(envelopes: &mut Envelopes, row: &Row<'_>) -> Result<Arc<EventEnvelope>, StoreError> {
    let event = envelopes.read(row).map_err(|error| unreadable(row, &error))?;
    match envelopes.check(row).map_err(|error| failure::reading(&error))? {
        Check::Holds | Check::Absent => Ok(Arc::new(event)),
        Check::Differs => Err(StoreError::Corrupt(event.altered())),
    }
}

fn unreadable(row: &Row<'_>, error: &rusqlite::Error) -> StoreError {
    match (failure::reading(error), row.get::<_, i64>(0)) {
        (StoreError::Corrupt(reason), Ok(position)) => {
            StoreError::Corrupt(format!("the event at position {position} cannot be read: {reason}"))
        }
        (other, _) => other,
    }
}

/// A statement for a [`LogQuery`]. A search without a stream goes through the blocks and reads only those that may match.
struct Search {
    sql: String,
    parameters: Vec<Value>,
}

impl Search {
    fn new(connection: &Connection, query: &LogQuery) -> Result<Self> {
        let mut search = Self { sql: format!("SELECT {EVENT_COLUMNS} FROM "), parameters: Vec::new() };
        let order = if let Some(stream) = query.stream {
            search.sql.push_str("events e WHERE +e.position > ?");
            search.parameters.push(number(query.after.0).into());
            search.and("e.aggregate_id = ?", stream.0.as_bytes().to_vec());
            "e.version"
        } else if query.event_types.is_empty()
            && query.aggregate_type.is_none()
            && query.from.is_none()
            && query.to.is_none()
        {
            search.sql.push_str("events e WHERE e.position > ?");
            search.parameters.push(number(query.after.0).into());
            "e.position"
        } else {
            search.through_blocks(connection, query)?;
            "b.first, e.position"
        };
        search.conditions(query);
        search.sql.extend([" ORDER BY ", order, " LIMIT ?"]);
        search.parameters.push(number(query.limit.min(MAX_READ) as u64).into());
        Ok(search)
    }

    fn through_blocks(&mut self, connection: &Connection, query: &LogQuery) -> Result<()> {
        let after = number(query.after.0);
        self.sql.push_str(
            "event_blocks b CROSS JOIN events e ON e.position BETWEEN max(b.first, ?) AND b.last \
             WHERE b.first >= coalesce((SELECT max(first) FROM event_blocks WHERE first <= ?), 1)",
        );
        self.parameters.push(after.saturating_add(1).into());
        self.parameters.push(after.saturating_add(1).into());
        if !query.event_types.is_empty() || query.aggregate_type.is_some() {
            self.and("b.kinds & ? <> 0", kinds_mask(connection, query)?);
        }
        if let Some(from) = query.from {
            self.and("b.newest >= ?", micros_from(from));
        }
        if let Some(to) = query.to {
            self.and("b.oldest < ?", micros_from(to));
        }
        Ok(())
    }

    fn conditions(&mut self, query: &LogQuery) {
        if !query.event_types.is_empty() {
            let marks = vec!["?"; query.event_types.len()].join(", ");
            self.sql.extend([" AND e.event_type IN (", &marks, ")"]);
            self.parameters.extend(query.event_types.iter().cloned().map(Value::from));
        }
        if let Some(aggregate_type) = &query.aggregate_type {
            self.and("e.aggregate_type = ?", aggregate_type.clone());
        }
        if let Some(from) = query.from {
            self.and("e.timestamp >= ?", micros_from(from));
        }
        if let Some(to) = query.to {
            self.and("e.timestamp < ?", micros_from(to));
        }
    }

    fn and(&mut self, condition: &str, parameter: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.parameters.push(parameter.into());
    }
}

/// The bits of all kinds that a query may want.
fn kinds_mask(connection: &Connection, query: &LogQuery) -> Result<i64> {
    let mut select = connection.prepare_cached("SELECT kind, aggregate_type, event_type FROM event_kinds")?;
    let mut rows = select.query([])?;
    let mut mask = 0;
    while let Some(row) = rows.next()? {
        let aggregate_type: String = row.get(1)?;
        let event_type: String = row.get(2)?;
        if (query.event_types.is_empty() || query.event_types.contains(&event_type))
            && query.aggregate_type.as_ref().is_none_or(|name| *name == aggregate_type)
        {
            mask |= bit(row.get(0)?);
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::sqlite::{SqliteOptions, open};

    #[test]
    fn no_search_reads_more_than_it_must() {
        let directory = tempfile::tempdir().expect("a directory");
        let opened = open::open(&directory.path().join("log.db"), SqliteOptions::default()).expect("a new log");
        let [_, connection] = &opened.readers[..] else { panic!("two readers") };
        let after = LogQuery::after(Position(5), 10);
        let time = chrono::DateTime::from_timestamp_micros(1);
        let by_type = LogQuery { event_types: vec!["A".to_owned(), "B".to_owned()], ..after.clone() };
        for (query, scan) in [
            (LogQuery { aggregate_type: Some("C".to_owned()), ..by_type.clone() }, "SEARCH b"),
            (LogQuery { from: time, to: time, ..after.clone() }, "SEARCH b"),
            (LogQuery { stream: Some(StreamId::generate()), ..by_type.clone() }, "SEARCH e USING INDEX"),
            (by_type, "SEARCH b"),
            (after, "SEARCH e USING INTEGER PRIMARY KEY"),
        ] {
            let search = Search::new(connection, &query).expect("a statement");
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", search.sql)).expect("a plan");
            let steps = explain.query_map(params_from_iter(search.parameters), |row| row.get::<_, String>(3));
            let plan = steps.expect("a plan").collect::<Result<Vec<_>>>().expect("a plan").join("; ");
            assert!(plan.starts_with(scan), "{plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("AUTOMATIC") && !plan.contains("SCAN"), "{plan}");
        }
    }
}
