//! Which statement answers a [`LogQuery`], so that none ever looks at much more than it returns.

use crate::log::store::{LogQuery, MAX_READ};
use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{
    batch::signed,
    event_row::{event_columns, within_bytes},
};

/// The whole log: along the positions.
const WHOLE: &str =
    within_bytes!("SELECT ", event_columns!(), " FROM events WHERE position > $1 ORDER BY position LIMIT $2");

/// The conditions other than the stream and the position; an absent one is null.
macro_rules! conditions {
    () => {
        "($3::text[] IS NULL OR event_type = ANY($3)) AND ($4::text IS NULL OR aggregate_type = $4) \
         AND ($5::timestamptz IS NULL OR timestamp >= $5) AND ($6::timestamptz IS NULL OR timestamp < $6)"
    };
}

/// One stream: along its versions, which rise with the positions.
const STREAM: &str = within_bytes!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE aggregate_id = $7 AND position > $1 AND ",
    conditions!(),
    " ORDER BY version LIMIT $2"
);

/// A part of the log: along the zones that may hold some of it, and within each along the positions.
const ZONES: &str = within_bytes!(
    "SELECT e.* FROM (SELECT zone FROM log_zones WHERE zone >= $1::bigint / 1024 \
       AND ($3::text[] IS NULL OR event_types && $3) AND ($4::text IS NULL OR aggregate_types @> ARRAY[$4]) \
       AND ($5::timestamptz IS NULL OR latest >= $5) AND ($6::timestamptz IS NULL OR earliest < $6) ORDER BY zone) z \
     CROSS JOIN LATERAL (SELECT ",
    event_columns!(),
    " FROM events WHERE position > greatest($1, z.zone * 1024) AND position <= (z.zone + 1) * 1024 AND ",
    conditions!(),
    " ORDER BY position LIMIT $2) e ORDER BY z.zone, e.position LIMIT $2"
);

/// A query's values as SQL takes them.
pub(super) struct LogStatement {
    text: &'static str,
    after: i64,
    limit: i64,
    event_types: Option<Vec<String>>,
    aggregate_type: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    stream: Uuid,
}

impl LogStatement {
    pub(super) fn of(query: &LogQuery) -> Self {
        let narrow = !query.event_types.is_empty()
            || query.aggregate_type.is_some()
            || query.from.is_some()
            || query.to.is_some();
        Self {
            text: match (query.stream, narrow) {
                (Some(_), _) => STREAM,
                (None, true) => ZONES,
                (None, false) => WHOLE,
            },
            after: signed(query.after.0),
            limit: limit(query.limit),
            event_types: (!query.event_types.is_empty()).then(|| query.event_types.clone()),
            aggregate_type: query.aggregate_type.clone(),
            from: query.from,
            to: query.to,
            stream: query.stream.map(|stream| stream.0).unwrap_or_default(),
        }
    }

    pub(super) fn text(&self) -> &'static str {
        self.text
    }

    pub(super) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.after, &self.limit];
        if self.text != WHOLE {
            parameters.extend([&self.event_types as &(dyn ToSql + Sync), &self.aggregate_type, &self.from, &self.to]);
        }
        if self.text == STREAM {
            parameters.push(&self.stream);
        }
        parameters
    }
}

/// At most [`MAX_READ`], as SQL takes it.
pub(super) fn limit(asked: usize) -> i64 {
    signed(asked.min(MAX_READ) as u64)
}
