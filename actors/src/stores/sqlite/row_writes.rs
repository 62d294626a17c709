//! Rows and checkpoints within the writer's transaction.

use std::collections::hash_map::{Entry, HashMap};

use crate::{
    log::event::{Epoch, Position},
    projection::row_store::{Checkpoint, RowChange, RowCommit, RowVerdict, Table, Value},
};
use rusqlite::{CachedStatement, Connection, Result, params};
use uuid::Uuid;

use super::{
    columns::{micros_from, number},
    row_reads::{bind_generation_and, by_key, find, read_checkpoint},
};
use crate::stores::row_sql;

/// Puts an owner on a generation.
pub fn claim(connection: &Connection, model: &str, generation: u32, epoch: Epoch, owner: Uuid) -> Result<Checkpoint> {
    connection
        .prepare_cached(
            "INSERT INTO read_model_checkpoints (model, generation, live, position, epoch, owner) \
             SELECT ?1, ?2, NOT EXISTS (SELECT 1 FROM read_model_checkpoints WHERE model = ?1), 0, ?3, ?4 WHERE true \
             ON CONFLICT (model, generation) DO UPDATE SET owner = excluded.owner \
             RETURNING generation, position, epoch, owner",
        )?
        .query_row(params![model, generation, epoch.to_string(), owner.to_string()], read_checkpoint)
}

/// Writes everything, or nothing when the checkpoint is not where it is expected.
pub fn commit(connection: &Connection, commit: RowCommit) -> Result<RowVerdict> {
    let RowCommit { model, expected, next, changes, free, park } = commit;
    if !advance(connection, model, &expected, &next)? {
        return Ok(RowVerdict::Superseded);
    }
    let generation = expected.generation;
    for (table, mut changes) in RowChange::by_table(changes) {
        // Neighbours in the tree one after the other: a third less work in tables whose keys come in no order.
        changes.sort_by(|a, b| a.key().cmp(b.key()));
        let mut writing = TableWriter::new(connection, table, generation);
        for change in &changes {
            writing.apply(change)?;
        }
    }
    for stream in free {
        connection
            .prepare_cached("DELETE FROM read_model_dead_letters WHERE model = ? AND generation = ? AND stream = ?")?
            .execute(params![model, generation, stream.to_string()])?;
    }
    for letter in park {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO read_model_dead_letters \
                 (model, generation, stream, version, position, reason, attempts, skipped_by, skip_reason, skipped_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                model,
                generation,
                letter.stream.to_string(),
                number(letter.version.0),
                number(letter.position.0),
                letter.reason,
                letter.attempts,
                letter.skipped.as_ref().map(|skip| &skip.by),
                letter.skipped.as_ref().map(|skip| &skip.reason),
                letter.skipped.as_ref().map(|skip| micros_from(skip.at))
            ])?;
    }
    Ok(RowVerdict::Committed)
}

/// Makes a generation live, if it stands where it is expected.
pub fn switch(connection: &Connection, model: &str, expected: &Checkpoint) -> Result<RowVerdict> {
    if !advance(connection, model, expected, expected)? {
        return Ok(RowVerdict::Superseded);
    }
    // In this order: at no time are two live.
    for (live, which) in [(0, "<>"), (1, "=")] {
        let text = format!(
            "UPDATE read_model_checkpoints SET live = {live} WHERE model = ? AND generation {which} ? AND live <> {live}"
        );
        connection.prepare_cached(&text)?.execute(params![model, expected.generation])?;
    }
    Ok(RowVerdict::Committed)
}

/// Supersedes the runner and deletes at most `limit` rows; true when nothing is left.
pub fn discard(connection: &Connection, model: &str, tables: &[&Table], generation: u32, limit: usize) -> Result<bool> {
    connection
        .prepare_cached(
            "UPDATE read_model_checkpoints SET position = ?3, epoch = ?4, owner = ?4 \
             WHERE model = ?1 AND generation = ?2",
        )?
        .execute(params![model, generation, number(Position::START.0), Uuid::nil().to_string()])?;
    let mut left = limit;
    for table in tables {
        let mut delete = connection.prepare_cached(&row_sql::delete_some(table))?;
        left -= delete.execute(params![generation, number(left as u64)])?;
    }
    left -= connection
        .prepare_cached(
            "DELETE FROM read_model_dead_letters WHERE (model, generation, stream) IN (SELECT model, generation, stream \
             FROM read_model_dead_letters WHERE model = ? AND generation = ? LIMIT ?)",
        )?
        .execute(params![model, generation, number(left as u64)])?;
    if left == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM read_model_checkpoints WHERE model = ? AND generation = ?")?
        .execute(params![model, generation])?;
    Ok(true)
}

/// Moves the checkpoint from `expected` to `next`; false when it stands elsewhere.
fn advance(connection: &Connection, model: &str, expected: &Checkpoint, next: &Checkpoint) -> Result<bool> {
    let moved = connection
        .prepare_cached(
            "UPDATE read_model_checkpoints SET position = ?, epoch = ?, owner = ? \
             WHERE model = ? AND generation = ? AND position = ? AND epoch = ? AND owner = ?",
        )?
        .execute(params![
            number(next.position.0),
            next.epoch.to_string(),
            next.owner.to_string(),
            model,
            expected.generation,
            number(expected.position.0),
            expected.epoch.to_string(),
            expected.owner.to_string()
        ])?;
    Ok(moved > 0)
}

/// Changes rows of one table, one after the other.
struct TableWriter<'c> {
    connection: &'c Connection,
    table: &'static Table,
    generation: u32,
    statements: HashMap<Statement, CachedStatement<'c>>,
}

/// What a table's rows are changed by; prepared when first needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Statement {
    Insert,
    Find,
    Delete,
    /// Sets these columns.
    Update(Vec<usize>),
}

impl<'c> TableWriter<'c> {
    fn new(connection: &'c Connection, table: &'static Table, generation: u32) -> Self {
        Self { connection, table, generation, statements: HashMap::new() }
    }

    fn apply(&mut self, change: &RowChange) -> Result<()> {
        match change {
            RowChange::Put { row, .. } => self.put(row),
            RowChange::Delete { key, .. } => self.run(Statement::Delete, key).map(drop),
        }
    }

    /// Inserts a row or changes those columns of it that differ: every index that a statement may touch is rewritten, whether
    /// its columns differ or not.
    fn put(&mut self, row: &[Value]) -> Result<()> {
        if self.run(Statement::Insert, row)? > 0 {
            return Ok(());
        }
        let key = &row[..self.table.key];
        let (table, generation) = (self.table, self.generation);
        let Some(old) = find(self.prepared(Statement::Find)?, table, generation, key)? else { return Ok(()) };
        let differing: Vec<_> = (key.len()..row.len()).filter(|column| old[*column] != row[*column]).collect();
        if differing.is_empty() {
            return Ok(());
        }
        let values: Vec<_> = key.iter().chain(differing.iter().map(|column| &row[*column])).collect();
        self.run(Statement::Update(differing), values.iter().copied()).map(drop)
    }

    fn run<'v>(&mut self, statement: Statement, values: impl IntoIterator<Item = &'v Value>) -> Result<usize> {
        let generation = self.generation;
        let prepared = self.prepared(statement)?;
        bind_generation_and(prepared, generation, values)?;
        prepared.raw_execute()
    }

    fn prepared(&mut self, statement: Statement) -> Result<&mut CachedStatement<'c>> {
        match self.statements.entry(statement) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let text = new.key().text(self.table);
                Ok(new.insert(self.connection.prepare_cached(&text)?))
            }
        }
    }
}

impl Statement {
    fn text(&self, table: &Table) -> String {
        match self {
            Self::Insert => format!(
                "INSERT INTO {} (generation, {}) VALUES ($1, {}) ON CONFLICT DO NOTHING",
                table.name,
                row_sql::columns(table),
                row_sql::list((2..table.columns.len() + 2).map(|parameter| format!("${parameter}")))
            ),
            Self::Find => by_key(table),
            Self::Delete => format!("DELETE FROM {} WHERE {}", table.name, row_sql::is_key(table)),
            Self::Update(columns) => {
                let set = columns.iter().zip(table.key + 2..);
                let set = set.map(|(column, parameter)| format!("{} = ?{parameter}", table.columns[*column].name));
                let (name, set) = (table.name, row_sql::list(set));
                format!("UPDATE {name} SET {set} WHERE {}", row_sql::is_key(table).replace('$', "?"))
            }
        }
    }
}
