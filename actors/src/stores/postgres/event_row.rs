//! Rows as envelopes.

use std::{borrow::Cow, error::Error, sync::Arc};

use crate::log::{
    checksum::{Check, Checksummer, EventContent},
    decoded::Decoded,
    event::{EventEnvelope, Metadata, Position, StreamId, Version},
    store::{EVENT_BYTES, EventPage, READ_BYTES, Snapshot},
};
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

/// The columns [`envelopes`] reads, in its order.
macro_rules! event_columns {
    () => {
        "position, version, event_id, aggregate_id, timestamp, schema_version, event_type, aggregate_type, metadata, payload, \
         checksum"
    };
}
pub(super) use event_columns;

/// Ends a statement that selects the event columns in position order where [`EventPage::fill`] would end: the server sends no
/// more. Payloads are the same text here and there, so both count the same bytes.
macro_rules! within_bytes {
    ($($select:tt)*) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM (SELECT l.*, sum(octet_length(payload::text) + 512) \
                 OVER (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (",
            $($select)*,
            ") l) m WHERE before IS NULL OR before < 6291456 ORDER BY position"
        )
    };
}
pub(super) use within_bytes;

const _: () = assert!(EVENT_BYTES == 512 && READ_BYTES == 6_291_456, "the statements say the same");

/// The text of a `json` column, as it stands there.
struct JsonText<'a>(&'a str);

impl<'a> FromSql<'a> for JsonText<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSON
    }
}

impl JsonText<'_> {
    fn to_raw(&self) -> Result<Box<RawValue>, Unreadable> {
        Ok(RawValue::from_string(self.0.to_owned())?)
    }
}

/// Reads events one after the other. Neighbours with the same metadata share it: they mostly are of one commit.
#[derive(Default)]
pub(super) struct Envelopes {
    last: Option<(String, Arc<Metadata>)>,
    checksums: Checksummer,
}

impl Envelopes {
    /// One row.
    pub(super) fn read(&mut self, row: &Row) -> Result<EventEnvelope, Unreadable> {
        let JsonText(text) = row.try_get(8)?;
        let metadata = match &self.last {
            Some((same, metadata)) if *same == text => Arc::clone(metadata),
            _ => {
                let metadata: Arc<Metadata> = serde_json::from_str(text)?;
                self.last = Some((text.to_owned(), Arc::clone(&metadata)));
                metadata
            }
        };
        envelope(row, metadata)
    }

    /// What the checksum of a row says of it.
    pub(super) fn check(&mut self, row: &Row) -> Result<Check, Unreadable> {
        let JsonText(metadata) = row.try_get(8)?;
        let JsonText(payload) = row.try_get(9)?;
        let content = EventContent {
            event_id: row.try_get(2)?,
            aggregate_id: StreamId(row.try_get(3)?),
            micros: row.try_get::<_, DateTime<Utc>>(4)?.timestamp_micros(),
            schema_version: row.try_get::<_, i32>(5)?.cast_unsigned(),
            event_type: row.try_get(6)?,
            aggregate_type: row.try_get(7)?,
            payload,
            metadata,
        };
        Ok(self.checksums.event(&content).check(row.try_get(10)?))
    }
}

/// Why a row is not what it must be.
pub(super) type Unreadable = Box<dyn Error + Send + Sync>;

/// Reads a page of events that was asked for with this limit: they are what was written.
pub(super) fn page(rows: &[Row], limit: usize) -> Result<EventPage, Unreadable> {
    EventPage::fill(limit, envelopes(rows)?.into_iter().map(Ok))
}

fn envelopes(rows: &[Row]) -> Result<Vec<Arc<EventEnvelope>>, Unreadable> {
    let mut envelopes = Envelopes::default();
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let event = envelopes.read(row).map_err(|error| unreadable(row, &*error))?;
        if envelopes.check(row)? == Check::Differs {
            return Err(event.altered().into());
        }
        events.push(Arc::new(event));
    }
    Ok(events)
}

fn unreadable(row: &Row, error: &(dyn Error + Send + Sync)) -> Unreadable {
    match row.try_get::<_, i64>(0) {
        Ok(position) => format!("the event at position {position} cannot be read: {error}").into(),
        Err(error) => error.into(),
    }
}

fn envelope(row: &Row, metadata: Arc<Metadata>) -> Result<EventEnvelope, Unreadable> {
    Ok(EventEnvelope {
        position: Position(row.try_get::<_, i64>(0)?.cast_unsigned()),
        version: Version(row.try_get::<_, i64>(1)?.cast_unsigned()),
        event_id: row.try_get(2)?,
        aggregate_id: StreamId(row.try_get(3)?),
        timestamp: row.try_get(4)?,
        schema_version: row.try_get::<_, i32>(5)?.cast_unsigned(),
        event_type: Cow::Owned(row.try_get(6)?),
        aggregate_type: Cow::Owned(row.try_get(7)?),
        metadata,
        payload: row.try_get::<_, JsonText<'_>>(9)?.to_raw()?,
        decoded: Decoded::default(),
    })
}

/// Reads a snapshot from the columns version, position, schema, state.
pub(super) fn snapshot(row: &Row) -> Result<Snapshot, Unreadable> {
    Ok(Snapshot {
        version: Version(row.try_get::<_, i64>(0)?.cast_unsigned()),
        position: Position(row.try_get::<_, i64>(1)?.cast_unsigned()),
        schema: u32::try_from(row.try_get::<_, i64>(2)?)?,
        state: row.try_get::<_, JsonText<'_>>(3)?.to_raw()?,
    })
}
