//! Between the columns of a row and the engine's values.

use std::sync::Arc;

use crate::log::{
    checksum::{Check, Checksummer, EventContent},
    decoded::Decoded,
    event::{Epoch, EventEnvelope, Metadata, Name, Position, StreamId, Version},
};
use chrono::{DateTime, Utc};
use rusqlite::{
    Error, Result, Row,
    types::{FromSqlError, Type},
};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The columns [`Envelopes::read`] expects, in its order.
pub const EVENT_COLUMNS: &str = "e.position, e.aggregate_id, e.version, e.event_id, e.event_type, e.schema_version, \
                                 e.aggregate_type, e.timestamp, e.payload, e.metadata, e.checksum";

/// Reads events one after the other; neighbours with the same metadata share it, as the events of one commit do.
#[derive(Default)]
pub struct Envelopes {
    last: Option<(String, Arc<Metadata>)>,
    checksums: Checksummer,
}

impl Envelopes {
    /// Reads one row of [`EVENT_COLUMNS`].
    pub fn read(&mut self, row: &Row<'_>) -> Result<EventEnvelope> {
        Ok(EventEnvelope {
            position: Position(count(row, 0)?),
            aggregate_id: StreamId(id(row, 1)?),
            version: Version(count(row, 2)?),
            event_id: id(row, 3)?,
            event_type: Name::Owned(row.get(4)?),
            schema_version: row.get(5)?,
            aggregate_type: Name::Owned(row.get(6)?),
            timestamp: time(row, 7)?,
            payload: json(row, 8)?,
            metadata: self.metadata(row, 9)?,
            decoded: Decoded::default(),
        })
    }

    /// What the checksum of a row of [`EVENT_COLUMNS`] says of it.
    pub fn check(&mut self, row: &Row<'_>) -> Result<Check> {
        let content = EventContent {
            aggregate_id: StreamId(id(row, 1)?),
            event_id: id(row, 3)?,
            event_type: text(row, 4)?,
            schema_version: row.get(5)?,
            aggregate_type: text(row, 6)?,
            micros: row.get(7)?,
            payload: text(row, 8)?,
            metadata: text(row, 9)?,
        };
        Ok(self.checksums.event(&content).check(blob(row, 10)?))
    }

    fn metadata(&mut self, row: &Row<'_>, column: usize) -> Result<Arc<Metadata>> {
        let text = text(row, column)?;
        match &self.last {
            Some((known, metadata)) if known == text => Ok(Arc::clone(metadata)),
            _ => {
                let metadata: Arc<Metadata> = serde_json::from_str(text).map_err(|error| unfit(column, error))?;
                self.last = Some((text.to_owned(), Arc::clone(&metadata)));
                Ok(metadata)
            }
        }
    }
}

/// A version or a position: never negative.
pub fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(column, value))
}

/// A time in whole microseconds.
pub fn time(row: &Row<'_>, column: usize) -> Result<DateTime<Utc>> {
    let micros: i64 = row.get(column)?;
    DateTime::from_timestamp_micros(micros).ok_or(Error::IntegralValueOutOfRange(column, micros))
}

/// JSON, kept as text.
pub fn json(row: &Row<'_>, column: usize) -> Result<Box<RawValue>> {
    RawValue::from_string(row.get(column)?).map_err(|error| unfit(column, error))
}

/// A version or a position as SQLite holds it. One that no log can reach stands for the last it can.
#[must_use]
pub fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The first whole microsecond that is not before `time`.
#[must_use]
pub fn micros_from(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros() + i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000))
}

/// A text, where it stands.
pub fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|error| unlike(column, error))
}

/// Bytes, where they stand.
pub fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8]> {
    row.get_ref(column)?.as_blob().map_err(|error| unlike(column, error))
}

/// An id.
pub fn id(row: &Row<'_>, column: usize) -> Result<Uuid> {
    Uuid::from_slice(blob(row, column)?)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

/// The identity of a log, as text, in the one way it is written.
pub fn epoch(row: &Row<'_>, column: usize) -> Result<Epoch> {
    let text = text(row, column)?;
    let epoch = Uuid::parse_str(text).ok().filter(|epoch| epoch.to_string() == text);
    epoch.map(Epoch).ok_or_else(|| Error::FromSqlConversionFailure(column, Type::Text, "no epoch".into()))
}

fn unfit(column: usize, error: serde_json::Error) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn unlike(column: usize, error: FromSqlError) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
