//! Rows and checkpoints within a transaction.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use crate::{
    log::{
        event::{Epoch, StreamId},
        store::StoreError,
    },
    projection::row_store::{Checkpoint, DeadLetter, RowChange, RowCommit, RowVerdict, Table, Value},
};
use futures_util::future::{try_join, try_join_all};
use tokio_postgres::{Statement, types::ToSql};
use uuid::Uuid;

use super::{
    batch::signed,
    readers::Reader,
    row_reads::{self, Array, arrays, columns_of},
    server_error::nothing_done as failed,
};
use crate::stores::row_sql;

type Done<T> = Result<(T, bool), StoreError>;

/// Has those who make, switch and discard generations of one read model follow one another. Taken first, so that no two wait for
/// each other. Commits do not take it: they and these meet at the row of the checkpoint, where the second one finds it
/// moved. The number is "ordo" in ASCII; two names of the same hash wait for each other, and that is all.
const LOCK: Cow<'static, str> = Cow::Borrowed("SELECT pg_advisory_xact_lock(1869767791, hashtext($1))");

const CLAIM: Cow<'static, str> = Cow::Borrowed(
    "INSERT INTO read_model_checkpoints AS c (model, generation, live, position, epoch, owner) \
     SELECT $1, $2, NOT EXISTS (SELECT 1 FROM read_model_checkpoints WHERE model = $1), 0, $3, $4 \
     ON CONFLICT (model, generation) DO UPDATE SET owner = excluded.owner \
     RETURNING c.generation, c.position, c.epoch, c.owner",
);

const ADVANCE: Cow<'static, str> = Cow::Borrowed(
    "UPDATE read_model_checkpoints SET position = $1, epoch = $2, owner = $3 \
     WHERE model = $4 AND generation = $5 AND position = $6 AND epoch = $7 AND owner = $8",
);

/// At no time are two live: what was is put out before what will be is put on.
const PUT_OUT: Cow<'static, str> =
    Cow::Borrowed("UPDATE read_model_checkpoints SET live = false WHERE model = $1 AND generation <> $2 AND live");
const PUT_ON: Cow<'static, str> =
    Cow::Borrowed("UPDATE read_model_checkpoints SET live = true WHERE model = $1 AND generation = $2 AND NOT live");

const DOOM: Cow<'static, str> = Cow::Borrowed(
    "UPDATE read_model_checkpoints SET position = 0, epoch = $3, owner = $3 WHERE model = $1 AND generation = $2",
);

const FORGET_LETTERS: Cow<'static, str> = Cow::Borrowed(
    "DELETE FROM read_model_dead_letters WHERE (model, generation, stream) IN (SELECT model, generation, stream \
     FROM read_model_dead_letters WHERE model = $1 AND generation = $2 LIMIT $3)",
);

const REMOVE: Cow<'static, str> =
    Cow::Borrowed("DELETE FROM read_model_checkpoints WHERE model = $1 AND generation = $2");

const FREE: Cow<'static, str> =
    Cow::Borrowed("DELETE FROM read_model_dead_letters WHERE model = $1 AND generation = $2 AND stream = ANY($3)");

const PARK: Cow<'static, str> = Cow::Borrowed(
    "INSERT INTO read_model_dead_letters \
     (model, generation, stream, version, position, reason, attempts, skipped_by, skip_reason, skipped_at) \
     SELECT $1, $2, p.* FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], \
     $9::text[], $10::timestamptz[]) AS p \
     ON CONFLICT (model, generation, stream) DO UPDATE SET version = excluded.version, position = excluded.position, \
     reason = excluded.reason, attempts = excluded.attempts, skipped_by = excluded.skipped_by, \
     skip_reason = excluded.skip_reason, skipped_at = excluded.skipped_at",
);

/// Puts an owner on a generation.
pub(super) async fn claim(
    reader: &mut Reader,
    model: &'static str,
    generation: u32,
    epoch: Epoch,
    owner: Uuid,
) -> Done<Checkpoint> {
    execute(reader, &LOCK, &[&model]).await?;
    let claim = reader.statement(&CLAIM).await.map_err(failed)?;
    let parameters: [&(dyn ToSql + Sync); 4] = [&model, &i64::from(generation), &epoch.0, &owner];
    let rows = reader.client().query(&claim, &parameters).await.map_err(failed)?;
    let claimed = row_reads::checkpoint(&rows)?;
    let claimed = claimed.ok_or_else(|| StoreError::Corrupt("a checkpoint vanished as it was claimed".into()))?;
    Ok((claimed, true))
}

/// Writes everything, or nothing when the checkpoint is not where it is expected.
pub(super) async fn commit(reader: &mut Reader, commit: RowCommit) -> Done<RowVerdict> {
    let RowCommit { model, expected, next, changes, free, park } = commit;
    let mut writes = Write::of_rows(expected.generation, changes)?;
    writes.extend(Write::of_letters(model, expected.generation, &free, park));
    let mut statements = Vec::with_capacity(writes.len());
    for write in &writes {
        statements.push(reader.statement(&write.text).await.map_err(failed)?);
    }
    let advance = reader.statement(&ADVANCE).await.map_err(failed)?;
    let reader = &*reader;
    // Sent at once, in this order: the first locks the checkpoint against every other runner.
    let advanced = advanced(reader, &advance, model, &expected, &next);
    let written = try_join_all(writes.iter().zip(&statements).map(|(write, statement)| write.run(reader, statement)));
    let (is_mine, _) = try_join(advanced, written).await?;
    Ok(conclude(is_mine))
}

/// Makes a generation live, if it stands where it is expected.
pub(super) async fn switch(reader: &mut Reader, model: &'static str, expected: Checkpoint) -> Done<RowVerdict> {
    execute(reader, &LOCK, &[&model]).await?;
    let advance = reader.statement(&ADVANCE).await.map_err(failed)?;
    if !advanced(reader, &advance, model, &expected, &expected).await? {
        return Ok(conclude(false));
    }
    let parameters: [&(dyn ToSql + Sync); 2] = [&model, &i64::from(expected.generation)];
    execute(reader, &PUT_OUT, &parameters).await?;
    execute(reader, &PUT_ON, &parameters).await?;
    Ok(conclude(true))
}

/// Supersedes the runner and deletes at most `limit` rows; true when nothing is left.
pub(super) async fn discard(
    reader: &mut Reader,
    model: &'static str,
    tables: Vec<&'static Table>,
    generation: u32,
    limit: usize,
) -> Done<bool> {
    execute(reader, &LOCK, &[&model]).await?;
    let live = reader.statement(&Cow::Borrowed(row_reads::LIVE)).await.map_err(failed)?;
    let live = reader.client().query(&live, &[&model]).await.map_err(failed)?;
    if row_reads::checkpoint(&live)?.is_some_and(|live| live.generation == generation) {
        return Ok((true, false));
    }
    let which: [&(dyn ToSql + Sync); 2] = [&model, &i64::from(generation)];
    execute(reader, &DOOM, &[which[0], which[1], &Uuid::nil()]).await?;
    let mut left = signed(limit as u64);
    for table in tables {
        let delete = Cow::Owned(row_sql::delete_some(table));
        left -= signed(execute(reader, &delete, &[&i64::from(generation), &left]).await?);
    }
    left -= signed(execute(reader, &FORGET_LETTERS, &[which[0], which[1], &left]).await?);
    if left > 0 {
        execute(reader, &REMOVE, &which).await?;
    }
    Ok((left > 0, true))
}

async fn advanced(
    reader: &Reader,
    advance: &Statement,
    model: &str,
    expected: &Checkpoint,
    next: &Checkpoint,
) -> Result<bool, StoreError> {
    let (from, to) = (signed(expected.position.0), signed(next.position.0));
    let generation = i64::from(expected.generation);
    let parameters: [&(dyn ToSql + Sync); 8] =
        [&to, &next.epoch.0, &next.owner, &model, &generation, &from, &expected.epoch.0, &expected.owner];
    Ok(reader.client().execute(advance, &parameters).await.map_err(failed)? > 0)
}

#[expect(clippy::ptr_arg, reason = "the statement is kept under it, without a copy when it is static")]
async fn execute(
    reader: &mut Reader,
    text: &Cow<'static, str>,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64, StoreError> {
    let statement = reader.statement(text).await.map_err(failed)?;
    reader.client().execute(&statement, parameters).await.map_err(failed)
}

fn conclude(is_mine: bool) -> (RowVerdict, bool) {
    (if is_mine { RowVerdict::Committed } else { RowVerdict::Superseded }, is_mine)
}

/// One statement of a commit.
struct Write {
    text: Cow<'static, str>,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Write {
    async fn run(&self, reader: &Reader, statement: &Statement) -> Result<u64, StoreError> {
        let parameters: Vec<_> = self.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect();
        reader.client().execute(statement, &parameters).await.map_err(failed)
    }

    /// Each touched row once, as its last change has it; at most two statements per table.
    fn of_rows(generation: u32, changes: Vec<RowChange>) -> Result<Vec<Self>, StoreError> {
        let mut writes = Vec::new();
        for (table, changes) in RowChange::by_table(changes) {
            let mut put: BTreeMap<&[Value], &[Value]> = BTreeMap::new();
            let mut delete: BTreeMap<&[Value], &[Value]> = BTreeMap::new();
            for change in &changes {
                let key = change.key();
                match change {
                    RowChange::Put { row, .. } => {
                        delete.remove(key);
                        put.insert(key, row);
                    }
                    RowChange::Delete { .. } => {
                        put.remove(key);
                        delete.insert(key, key);
                    }
                }
            }
            if !put.is_empty() {
                let columns = columns_of(table, table.columns.len(), put.into_values())?;
                writes.push(Self::of_arrays(put_rows(table), generation, columns));
            }
            if !delete.is_empty() {
                let columns = columns_of(table, table.key, delete.into_values())?;
                writes.push(Self::of_arrays(delete_rows(table), generation, columns));
            }
        }
        Ok(writes)
    }

    fn of_arrays(text: String, generation: u32, columns: Vec<Array>) -> Self {
        let mut parameters: Vec<Box<dyn ToSql + Sync + Send>> = vec![Box::new(i64::from(generation))];
        for column in columns {
            parameters.push(Box::new(column));
        }
        Self { text: text.into(), parameters }
    }

    fn of_letters(model: &'static str, generation: u32, free: &[StreamId], park: Vec<DeadLetter>) -> Vec<Self> {
        let generation = i64::from(generation);
        let mut writes = Vec::new();
        if !free.is_empty() {
            let streams: Vec<_> = free.iter().map(|stream| stream.0).collect();
            writes
                .push(Self { text: FREE, parameters: vec![Box::new(model), Box::new(generation), Box::new(streams)] });
        }
        if !park.is_empty() {
            let letters: HashMap<_, _> = park.into_iter().map(|letter| (letter.stream, letter)).collect();
            let letters: Vec<_> = letters.into_values().collect();
            let skips: Vec<_> = letters.iter().map(|letter| letter.skipped.clone()).collect();
            let by: Vec<_> = skips.iter().map(|skip| skip.as_ref().map(|skip| skip.by.clone())).collect();
            let why: Vec<_> = skips.iter().map(|skip| skip.as_ref().map(|skip| skip.reason.clone())).collect();
            let at: Vec<_> = skips.iter().map(|skip| skip.as_ref().map(|skip| skip.at)).collect();
            writes.push(Self {
                text: PARK,
                parameters: vec![
                    Box::new(model),
                    Box::new(generation),
                    Box::new(letters.iter().map(|letter| letter.stream.0).collect::<Vec<_>>()),
                    Box::new(letters.iter().map(|letter| signed(letter.version.0)).collect::<Vec<_>>()),
                    Box::new(letters.iter().map(|letter| signed(letter.position.0)).collect::<Vec<_>>()),
                    Box::new(letters.iter().map(|letter| letter.reason.clone()).collect::<Vec<_>>()),
                    Box::new(letters.iter().map(|letter| i64::from(letter.attempts)).collect::<Vec<_>>()),
                    Box::new(by),
                    Box::new(why),
                    Box::new(at),
                ],
            });
        }
        writes
    }
}

/// Inserts rows, or changes those that are there and differ.
fn put_rows(table: &Table) -> String {
    let (name, columns, key) = (table.name, row_sql::columns(table), row_sql::key(table));
    let rest = || table.columns[table.key..].iter().map(|column| column.name);
    let change = if rest().next().is_none() {
        "NOTHING".to_owned()
    } else {
        let list = |part: fn(&str) -> String| row_sql::list(rest().map(part));
        let old = row_sql::list(rest().map(|column| format!("{name}.{column}")));
        let (set, new) =
            (list(|column| format!("{column} = excluded.{column}")), list(|column| format!("excluded.{column}")));
        format!("UPDATE SET {set} WHERE ({old}) IS DISTINCT FROM ({new})")
    };
    let arrays = arrays(table, table.columns.len());
    format!(
        "INSERT INTO {name} (generation, {columns}) SELECT $1::bigint, r.* FROM unnest({arrays}) AS r({columns}) \
         ON CONFLICT (generation, {key}) DO {change}"
    )
}

/// Deletes rows by their keys.
fn delete_rows(table: &Table) -> String {
    let (name, key) = (table.name, row_sql::key(table));
    let is_key = table.columns[..table.key].iter().map(|column| format!(" AND {name}.{0} = r.{0}", column.name));
    format!(
        "DELETE FROM {name} USING unnest({}) AS r({key}) WHERE {name}.generation = $1::bigint{}",
        arrays(table, table.key),
        is_key.collect::<String>()
    )
}
