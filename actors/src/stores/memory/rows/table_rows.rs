//! The rows of one table in one generation: ordered maps, one by key and one per index.

use std::{collections::BTreeMap, sync::Arc};

use super::sort_key::{SortBytes, SortKey};
use crate::projection::row_store::{RowChange, Table, Value};

/// A row as all indexes share it.
pub type SharedRow = Arc<[Value]>;

/// Invariant: every index holds every row once.
#[derive(Debug)]
pub struct TableRows {
    /// By key, then the table's indexes in their order.
    indexes: Vec<Index>,
    /// How often it has been changed.
    changes: u64,
}

/// Rows ordered by some columns and the key.
#[derive(Debug)]
pub struct Index {
    /// The columns, ending with those of the key that are not among the first.
    pub columns: Vec<usize>,
    /// The rows.
    pub entries: BTreeMap<SortKey, SharedRow>,
}

/// A change with its keys made: what is left to do while readers wait.
#[derive(Debug)]
pub enum KeyedChange {
    /// The row, and its key in each index.
    Put(SharedRow, Vec<SortKey>),
    /// The row of this key goes.
    Delete(SortKey),
}

impl KeyedChange {
    /// Takes a change apart.
    pub fn of(change: RowChange) -> Self {
        let mut bytes = SortBytes::default();
        match change {
            RowChange::Put { table, row } => {
                let keys = orders(table).map(|columns| key_of(&row, &columns, &mut bytes)).collect();
                Self::Put(row.into(), keys)
            }
            RowChange::Delete { key, .. } => {
                bytes.extend(&key);
                Self::Delete(bytes.key())
            }
        }
    }
}

impl TableRows {
    /// No rows.
    pub fn new(table: &Table) -> Self {
        Self { indexes: orders(table).map(Index::over).collect(), changes: 0 }
    }

    /// The indexes; the first is by key.
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// Another number after every change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Makes a change.
    pub fn apply(&mut self, change: KeyedChange) {
        self.changes += 1;
        match change {
            KeyedChange::Put(row, keys) => self.put(&row, keys),
            KeyedChange::Delete(key) => self.delete(&key),
        }
    }

    /// The row of a key.
    pub fn get(&self, key: &SortKey) -> Option<&SharedRow> {
        self.indexes.first()?.entries.get(key)
    }

    /// Takes away rows, `most` at most; tells how many.
    pub fn shrink(&mut self, most: usize) -> usize {
        self.changes += 1;
        for gone in 0..most {
            let Some((_, row)) = self.indexes.first_mut().and_then(|index| index.entries.pop_first()) else {
                return gone;
            };
            self.forget(&row);
        }
        most
    }

    fn put(&mut self, row: &SharedRow, keys: Vec<SortKey>) {
        let mut before: Option<SharedRow> = None;
        let mut bytes = SortBytes::default();
        for (number, (index, key)) in self.indexes.iter_mut().zip(keys).enumerate() {
            if let Some(before) = &before {
                let stale = key_of(before, &index.columns, &mut bytes);
                if stale != key {
                    index.entries.remove(&stale);
                }
            }
            let replaced = index.entries.insert(key, Arc::clone(row));
            if number == 0 {
                before = replaced;
            }
        }
    }

    fn delete(&mut self, key: &SortKey) {
        if let Some(row) = self.indexes.first_mut().and_then(|index| index.entries.remove(key)) {
            self.forget(&row);
        }
    }

    /// Takes a row out of every index but the first.
    fn forget(&mut self, row: &SharedRow) {
        let mut bytes = SortBytes::default();
        for index in self.indexes.iter_mut().skip(1) {
            index.entries.remove(&key_of(row, &index.columns, &mut bytes));
        }
    }
}

impl Index {
    fn over(columns: Vec<usize>) -> Self {
        Self { columns, entries: BTreeMap::new() }
    }
}

/// The columns of the key, and of each index up to its end.
fn orders(table: &Table) -> impl Iterator<Item = Vec<usize>> {
    let by_key: &[usize] = &[];
    std::iter::once(by_key).chain(table.indexes.iter().copied()).map(|columns| table.with_key(columns))
}

/// Where a row stands among rows ordered by these columns.
pub fn key_of(row: &[Value], columns: &[usize], bytes: &mut SortBytes) -> SortKey {
    bytes.clear();
    bytes.extend(columns.iter().map(|column| &row[*column]));
    bytes.key()
}
