//! Rows that live and die with the process, beside the memory store's log.
//!
//! Every page is read from an ordered map in its own order; nothing is copied as the maps grow. Readers of a table wait for a
//! commit to it, whose keys are made before; a long search lets writers pass.

mod checkpoints;
mod page_scan;
mod sort_key;
mod table_rows;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use self::{
    checkpoints::Checkpoints,
    page_scan::PageScan,
    sort_key::SortBytes,
    table_rows::{KeyedChange, TableRows},
};
use crate::{
    log::{event::Epoch, store::StoreError},
    projection::row_store::{Checkpoint, DeadLetter, Page, Row, RowChange, RowCommit, RowStore, RowVerdict, Table},
};

/// Most rows looked at before a reader lets writers pass.
const TURN: usize = 4096;

/// How often a search starts again because the table was changed between its turns, before it makes writers wait.
const ATTEMPTS: usize = 3;

/// One generation of a table.
type SharedTable = Arc<RwLock<TableRows>>;

/// A [`RowStore`] in memory. Nothing survives the process; everything else is promised as by the durable stores.
///
/// A page costs as much as the rows it looks at: those it returns and, when no index follows all its conditions, those it
/// passes over. A page in an order that no index has looks at the whole table.
#[derive(Debug, Default)]
pub struct MemoryRows {
    /// Taken before the lock of any table, and held as long as those: whoever sees a checkpoint sees its rows.
    checkpoints: Mutex<Checkpoints>,
    tables: RwLock<HashMap<(&'static str, u32), SharedTable>>,
}

impl MemoryRows {
    /// No rows and no read models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn table(&self, table: &Table, generation: u32) -> Option<SharedTable> {
        self.tables.read().get(&(table.name, generation)).cloned()
    }

    fn table_or_new(&self, table: &'static Table, generation: u32) -> SharedTable {
        self.table(table, generation).unwrap_or_else(|| {
            let mut tables = self.tables.write();
            let rows = tables.entry((table.name, generation));
            Arc::clone(rows.or_insert_with(|| Arc::new(RwLock::new(TableRows::new(table)))))
        })
    }

    /// All tables are locked before the first is changed, and set free when the last is: who sees one row of a commit and
    /// then looks for another finds it.
    fn apply(&self, generation: u32, changes: Vec<(&'static Table, Vec<KeyedChange>)>) {
        let tables: Vec<_> = changes.iter().map(|(table, _)| self.table_or_new(table, generation)).collect();
        let mut locked: Vec<_> = tables.iter().map(|rows| rows.write()).collect();
        for (rows, (_, changes)) in locked.iter_mut().zip(changes) {
            for change in changes {
                rows.apply(change);
            }
        }
    }

    /// Reads a page in turns; nothing when the table was changed in between.
    async fn page_in_turns(rows: &RwLock<TableRows>, page: &Page) -> Option<Vec<Row>> {
        let mut scan = None;
        let mut changes = None;
        loop {
            {
                let rows = rows.read();
                if *changes.get_or_insert_with(|| rows.changes()) != rows.changes() {
                    return None;
                }
                if scan.get_or_insert_with(|| PageScan::start(page, &rows)).turn(&rows, TURN) {
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
        scan.map(PageScan::finish)
    }
}

#[async_trait]
impl RowStore for MemoryRows {
    async fn live(&self, model: &'static str) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.checkpoints.lock().live(model))
    }

    async fn checkpoint(&self, model: &'static str, generation: u32) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.checkpoints.lock().checkpoint(model, generation))
    }

    async fn claim(
        &self,
        model: &'static str,
        generation: u32,
        epoch: Epoch,
        owner: Uuid,
    ) -> Result<Checkpoint, StoreError> {
        Ok(self.checkpoints.lock().claim(model, generation, epoch, owner))
    }

    async fn commit(&self, commit: RowCommit) -> Result<RowVerdict, StoreError> {
        let RowCommit { model, expected, next, changes, free, park } = commit;
        let keyed = |changes: Vec<_>| changes.into_iter().map(KeyedChange::of).collect();
        let changes =
            RowChange::by_table(changes).into_iter().map(|(table, changes)| (table, keyed(changes))).collect();
        let mut checkpoints = self.checkpoints.lock();
        let Some(mine) = checkpoints.at(model, &expected) else { return Ok(RowVerdict::Superseded) };
        self.apply(expected.generation, changes);
        mine.advance(next, &free, park);
        Ok(RowVerdict::Committed)
    }

    async fn switch(&self, model: &'static str, expected: Checkpoint) -> Result<RowVerdict, StoreError> {
        Ok(self.checkpoints.lock().switch(model, &expected))
    }

    async fn discard(
        &self,
        model: &'static str,
        tables: &[&'static Table],
        generation: u32,
        limit: usize,
    ) -> Result<bool, StoreError> {
        let mut checkpoints = self.checkpoints.lock();
        if checkpoints.is_live(model, generation) {
            return Ok(true);
        }
        checkpoints.doom(model, generation);
        let mut left = limit;
        for rows in tables.iter().filter_map(|table| self.table(table, generation)) {
            left -= rows.write().shrink(left);
        }
        left -= checkpoints.forget_letters(model, generation, left);
        if left == 0 {
            return Ok(false);
        }
        for table in tables {
            self.tables.write().remove(&(table.name, generation));
        }
        checkpoints.remove(model, generation);
        Ok(true)
    }

    async fn fetch(
        &self,
        table: &'static Table,
        generation: u32,
        keys: &[Row],
    ) -> Result<Vec<Option<Row>>, StoreError> {
        let Some(rows) = self.table(table, generation) else { return Ok(vec![None; keys.len()]) };
        let mut bytes = SortBytes::default();
        let keys = keys.iter().map(|key| {
            bytes.clear();
            bytes.extend(key);
            bytes.key()
        });
        let keys: Vec<_> = keys.collect();
        let rows = rows.read();
        Ok(keys.iter().map(|key| rows.get(key).map(|row| row.to_vec())).collect())
    }

    async fn page(&self, page: &Page) -> Result<Vec<Row>, StoreError> {
        let Some(rows) = self.table(page.table, page.generation) else { return Ok(Vec::new()) };
        for _ in 0..ATTEMPTS {
            if let Some(found) = Self::page_in_turns(&rows, page).await {
                return Ok(found);
            }
        }
        let rows = rows.read();
        let mut scan = PageScan::start(page, &rows);
        while !scan.turn(&rows, TURN) {}
        Ok(scan.finish())
    }

    async fn dead_letters(&self, model: &'static str, generation: u32) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(self.checkpoints.lock().dead_letters(model, generation))
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::projection::row_store::{Column, ColumnType, RowChange, Value};

    const COLUMNS: &[Column] = &[Column { name: "id", kind: ColumnType::Int }];
    static FIRST: Table = Table { name: "first", columns: COLUMNS, key: 1, indexes: &[] };
    static SECOND: Table = Table { name: "second", columns: COLUMNS, key: 1, indexes: &[] };

    #[test]
    fn no_table_of_a_commit_is_seen_before_all_of_them() {
        let rows = MemoryRows::new();
        let put = |table, id| KeyedChange::of(RowChange::Put { table, row: vec![Value::Int(id)] });
        rows.apply(1, vec![(&FIRST, vec![put(&FIRST, 1)]), (&SECOND, vec![put(&SECOND, 1)])]);
        let (first, second) = (rows.table_or_new(&FIRST, 1), rows.table_or_new(&SECOND, 1));
        let is_read = second.read();
        let old = first.read().changes();
        thread::scope(|threads| {
            threads.spawn(|| rows.apply(1, vec![(&FIRST, vec![put(&FIRST, 2)]), (&SECOND, vec![put(&SECOND, 2)])]));
            // Until the commit has come as far as it can.
            while let Some(seen) = first.try_read_for(Duration::from_millis(20)) {
                assert_eq!(seen.changes(), old, "half a commit");
                drop(seen);
                thread::yield_now();
            }
            drop(is_read);
        });
        assert_eq!((first.read().changes(), second.read().changes()), (2, 2));
    }
}
