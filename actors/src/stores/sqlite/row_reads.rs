//! Rows, pages and checkpoints as they were committed last.

use crate::{
    log::event::{Epoch, Position, StreamId, Version},
    projection::row_store::{Checkpoint, ColumnType, DeadLetter, PAGE_BYTES, Page, Row, Skip, Table, Value, size},
};
use rusqlite::{CachedStatement, Connection, Error, OptionalExtension, Result, params, types::Type};
use uuid::Uuid;

use super::columns::{count, number, time};
use crate::stores::row_sql::{self, PageQuery};

/// Where the live generation stands.
pub fn live(connection: &Connection, model: &str) -> Result<Option<Checkpoint>> {
    connection
        .prepare_cached(
            "SELECT generation, position, epoch, owner FROM read_model_checkpoints WHERE model = ? AND live = 1",
        )?
        .query_row([model], read_checkpoint)
        .optional()
}

/// Where a generation stands.
pub fn checkpoint(connection: &Connection, model: &str, generation: u32) -> Result<Option<Checkpoint>> {
    connection
        .prepare_cached(
            "SELECT generation, position, epoch, owner FROM read_model_checkpoints WHERE model = ? AND generation = ?",
        )?
        .query_row(params![model, generation], read_checkpoint)
        .optional()
}

/// Reads the columns generation, position, epoch, owner.
pub fn read_checkpoint(row: &rusqlite::Row<'_>) -> Result<Checkpoint> {
    Ok(Checkpoint {
        generation: row.get(0)?,
        position: Position(count(row, 1)?),
        epoch: Epoch(uuid(row, 2)?),
        owner: uuid(row, 3)?,
    })
}

/// The parked streams of a generation, by position.
pub fn dead_letters(connection: &Connection, model: &str, generation: u32) -> Result<Vec<DeadLetter>> {
    connection
        .prepare_cached(
            "SELECT stream, version, position, reason, attempts, skipped_by, skip_reason, skipped_at \
             FROM read_model_dead_letters WHERE model = ? AND generation = ? ORDER BY position, stream",
        )?
        .query_map(params![model, generation], |row| {
            Ok(DeadLetter {
                stream: StreamId(uuid(row, 0)?),
                version: Version(count(row, 1)?),
                position: Position(count(row, 2)?),
                reason: row.get(3)?,
                attempts: row.get(4)?,
                skipped: skip(row)?,
            })
        })?
        .collect()
}

fn skip(row: &rusqlite::Row<'_>) -> Result<Option<Skip>> {
    let Some(by) = row.get(5)? else { return Ok(None) };
    Ok(Some(Skip { by, reason: row.get(6)?, at: time(row, 7)? }))
}

/// Rows by key, all of one moment.
pub fn fetch(connection: &Connection, table: &Table, generation: u32, keys: &[Row]) -> Result<Vec<Option<Row>>> {
    let one_moment = connection.unchecked_transaction()?;
    let mut select = one_moment.prepare_cached(&by_key(table))?;
    let rows = keys.iter().map(|key| find(&mut select, table, generation, key)).collect::<Result<_>>()?;
    drop(select);
    one_moment.commit()?;
    Ok(rows)
}

/// The statement of [`find`].
pub fn by_key(table: &Table) -> String {
    format!("{} WHERE {}", row_sql::select(table), row_sql::is_key(table))
}

/// The row of a key; `select` is [`by_key`].
pub fn find(select: &mut CachedStatement<'_>, table: &Table, generation: u32, key: &[Value]) -> Result<Option<Row>> {
    bind_generation_and(select, generation, key)?;
    let mut found = select.raw_query();
    found.next()?.map(|row| read_row(table, row)).transpose()
}

/// A page.
pub fn page(connection: &Connection, page: &Page) -> Result<Vec<Row>> {
    let Some(query) = PageQuery::indexed(page) else { return Ok(Vec::new()) };
    let mut select = connection.prepare_cached(&query.text)?;
    bind_generation_and(&mut select, page.generation, query.values.iter().copied())?;
    select.raw_bind_parameter(query.values.len() + 2, number(page.limit() as u64))?;
    let (mut rows, mut bytes, mut found) = (Vec::new(), 0, select.raw_query());
    while bytes < PAGE_BYTES
        && let Some(row) = found.next()?
    {
        let row = read_row(page.table, row)?;
        bytes += size(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// Binds the first parameters.
pub fn bind_generation_and<'v>(
    statement: &mut CachedStatement<'_>,
    generation: u32,
    values: impl IntoIterator<Item = &'v Value>,
) -> Result<()> {
    statement.raw_bind_parameter(1, generation)?;
    for (parameter, value) in (2..).zip(values) {
        match value {
            Value::Int(number) => statement.raw_bind_parameter(parameter, number)?,
            Value::Text(text) => statement.raw_bind_parameter(parameter, &**text)?,
        }
    }
    Ok(())
}

fn read_row(table: &Table, row: &rusqlite::Row<'_>) -> Result<Row> {
    let read = |(number, column): (usize, &crate::projection::row_store::Column)| {
        Ok(match column.kind {
            ColumnType::Int => Value::Int(row.get(number)?),
            ColumnType::Text => Value::Text(row.get::<_, std::sync::Arc<str>>(number)?),
        })
    };
    table.columns.iter().enumerate().map(read).collect()
}

fn uuid(row: &rusqlite::Row<'_>, column: usize) -> Result<Uuid> {
    let text: String = row.get(column)?;
    Uuid::parse_str(&text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
