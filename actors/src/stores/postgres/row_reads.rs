//! Rows, pages and checkpoints as statements, parameters and what comes back.

use std::error::Error;

use crate::{
    log::{
        event::{Epoch, Position, StreamId, Version},
        store::StoreError,
    },
    projection::row_store::{Checkpoint, ColumnType, DeadLetter, Page, Row, Skip, Table, Value},
};
use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{batch::signed, readers::AsParameters, server_error::describe};
use crate::stores::row_sql::{self, PageQuery};

/// Where the live generation of a read model stands.
pub(super) const LIVE: &str =
    "SELECT generation, position, epoch, owner FROM read_model_checkpoints WHERE model = $1 AND live";

/// Where a generation stands.
pub(super) const CHECKPOINT: &str =
    "SELECT generation, position, epoch, owner FROM read_model_checkpoints WHERE model = $1 AND generation = $2";

/// The parked streams of a generation.
pub(super) const DEAD_LETTERS: &str = "SELECT stream, version, position, reason, attempts, skipped_by, skip_reason, \
    skipped_at FROM read_model_dead_letters WHERE model = $1 AND generation = $2 ORDER BY position, stream";

/// Reads the columns of [`LIVE`] and [`CHECKPOINT`].
pub(super) fn checkpoint(rows: &[tokio_postgres::Row]) -> Result<Option<Checkpoint>, StoreError> {
    let read = |row: &tokio_postgres::Row| {
        Ok(Checkpoint {
            generation: small(row.try_get(0)?),
            position: Position(row.try_get::<_, i64>(1)?.cast_unsigned()),
            epoch: Epoch(row.try_get(2)?),
            owner: row.try_get(3)?,
        })
    };
    rows.first().map(read).transpose().map_err(unreadable)
}

/// Reads the columns of [`DEAD_LETTERS`].
pub(super) fn dead_letters(rows: &[tokio_postgres::Row]) -> Result<Vec<DeadLetter>, StoreError> {
    let read = |row: &tokio_postgres::Row| {
        Ok(DeadLetter {
            stream: StreamId(row.try_get(0)?),
            version: Version(row.try_get::<_, i64>(1)?.cast_unsigned()),
            position: Position(row.try_get::<_, i64>(2)?.cast_unsigned()),
            reason: row.try_get(3)?,
            attempts: small(row.try_get(4)?),
            skipped: skip(row)?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

fn skip(row: &tokio_postgres::Row) -> Result<Option<Skip>, tokio_postgres::Error> {
    let Some(by) = row.try_get(5)? else { return Ok(None) };
    Ok(Some(Skip { by, reason: row.try_get(6)?, at: row.try_get(7)? }))
}

/// A page's statement and parameters; nothing when it is empty whatever the table holds.
pub(super) fn page(page: &Page) -> Option<(String, Parameters)> {
    let PageQuery { text, values } = PageQuery::of(page)?;
    let mut parameters = vec![Parameter(Value::Int(page.generation.into()))];
    parameters.extend(values.into_iter().cloned().map(Parameter));
    parameters.push(Parameter(Value::Int(signed(page.limit() as u64))));
    Some((text, Parameters(parameters)))
}

/// Asks for rows by their keys, in the order of the keys: see [`Keys`]. Each key is looked up for itself, along the key.
#[expect(clippy::format_collect, reason = "made once per table")]
pub(super) fn by_keys(table: &Table) -> String {
    let name = table.name;
    let asked = table.columns[..table.key].iter();
    let is_key = asked.map(|column| format!(" AND {name}.{0} = asked.{0}", column.name)).collect::<String>();
    let found = row_sql::list(table.columns.iter().map(|column| format!("found.{}", column.name)));
    format!(
        "SELECT {found} FROM unnest({}) WITH ORDINALITY AS asked({}, asked_number) LEFT JOIN LATERAL \
         (SELECT {} FROM {name} WHERE generation = $1{is_key} LIMIT 1) AS found ON true ORDER BY asked_number",
        arrays(table, table.key),
        row_sql::key(table),
        qualified(table),
    )
}

fn qualified(table: &Table) -> String {
    row_sql::list(table.columns.iter().map(|column| format!("{}.{}", table.name, column.name)))
}

/// The first columns of a table as arrays, the second parameter and those behind it.
pub(super) fn arrays(table: &Table, columns: usize) -> String {
    row_sql::list(table.columns[..columns].iter().zip(2..).map(|(column, parameter)| {
        let kind = match column.kind {
            ColumnType::Int => "bigint",
            ColumnType::Text => "text",
        };
        format!("${parameter}::{kind}[]")
    }))
}

/// Whole rows.
pub(super) fn rows(table: &Table, rows: &[tokio_postgres::Row]) -> Result<Vec<Row>, StoreError> {
    rows.iter().map(|row| read_row(table, row)).collect::<Result<_, _>>().map_err(unreadable)
}

/// Whole rows, or nothing but nulls.
pub(super) fn rows_or_none(table: &Table, rows: &[tokio_postgres::Row]) -> Result<Vec<Option<Row>>, StoreError> {
    let read = |row: &tokio_postgres::Row| {
        let is_missing = match table.columns[0].kind {
            ColumnType::Int => row.try_get::<_, Option<i64>>(0)?.is_none(),
            ColumnType::Text => row.try_get::<_, Option<&str>>(0)?.is_none(),
        };
        if is_missing { Ok(None) } else { read_row(table, row).map(Some) }
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

fn read_row(table: &Table, row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let read = |(number, column): (usize, &crate::projection::row_store::Column)| {
        Ok(match column.kind {
            ColumnType::Int => Value::Int(row.try_get(number)?),
            ColumnType::Text => Value::Text(row.try_get::<_, &str>(number)?.into()),
        })
    };
    table.columns.iter().enumerate().map(read).collect()
}

/// A value as a parameter.
#[derive(Debug)]
pub(super) struct Parameter(Value);

impl ToSql for Parameter {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Value::Int(number) => number.to_sql_checked(ty, out),
            Value::Text(text) => (&**text).to_sql_checked(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        <i64 as ToSql>::accepts(ty) || <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// The parameters of a page.
pub(super) struct Parameters(Vec<Parameter>);

impl AsParameters for Parameters {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect()
    }
}

/// One column of many rows.
pub(super) type Array = Vec<Parameter>;

/// The first columns of rows, an array for each.
pub(super) fn columns_of<'r>(
    table: &Table,
    columns: usize,
    rows: impl Iterator<Item = &'r [Value]>,
) -> Result<Vec<Array>, StoreError> {
    let mut arrays: Vec<_> = (0..columns).map(|_| Array::new()).collect();
    for row in rows {
        for ((array, column), value) in arrays.iter_mut().zip(table.columns).zip(row) {
            match (column.kind, value) {
                (ColumnType::Int, Value::Int(_)) | (ColumnType::Text, Value::Text(_)) => {
                    array.push(Parameter(value.clone()));
                }
                (ColumnType::Int | ColumnType::Text, Value::Int(_) | Value::Text(_)) => {
                    return Err(StoreError::Corrupt(format!("a value for {} is not of its kind", table.name)));
                }
            }
        }
    }
    Ok(arrays)
}

/// The parameters of [`by_keys`].
pub(super) struct Keys {
    generation: i64,
    columns: Vec<Array>,
}

impl Keys {
    pub(super) fn of(table: &Table, generation: u32, keys: &[Row]) -> Result<Self, StoreError> {
        let columns = columns_of(table, table.key, keys.iter().map(Vec::as_slice))?;
        Ok(Self { generation: generation.into(), columns })
    }
}

impl AsParameters for Keys {
    fn as_parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let generation: &(dyn ToSql + Sync) = &self.generation;
        std::iter::once(generation).chain(self.columns.iter().map(|column| column as &(dyn ToSql + Sync))).collect()
    }
}

/// A number that was written as `u32`.
pub(super) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn unreadable(error: tokio_postgres::Error) -> StoreError {
    StoreError::Corrupt(describe(&error))
}
