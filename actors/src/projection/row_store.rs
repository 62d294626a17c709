//! The contract for read models: tables of rows that follow the log, in the same database as the log.
//!
//! A read model is a few tables and a checkpoint, written together or not at all. Every row belongs to a generation of its read
//! model: a rebuild writes the next generation beside the live one, and one commit makes it live.

use std::{cmp::Ordering, sync::Arc};

use async_trait::async_trait;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::log::{
    event::{Epoch, Position, StreamId},
    store::StoreError,
};

pub use crate::projection::dead_letter::{DeadLetter, Skip};

/// Most rows one page holds.
pub const MAX_PAGE: usize = 1000;

/// A page ends early once its rows hold this many bytes: see [`size`].
pub const PAGE_BYTES: usize = 6 << 20;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A whole number: counts, minor units, microseconds since 1970.
    Int(i64),
    /// Text; compared byte by byte, in every store.
    Text(Arc<str>),
}

/// Numbers before text; the order of every index.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Int(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Int(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The values of a row, in the order of its table's columns; the first ones are its key.
pub type Row = Vec<Value>;

/// The bytes that a row holds.
#[must_use]
pub fn size(row: &[Value]) -> usize {
    row.iter().map(|value| if let Value::Text(text) = value { text.len() } else { size_of::<i64>() }).sum()
}

/// What kind of value a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// [`Value::Int`].
    Int,
    /// [`Value::Text`].
    Text,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name in SQL.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnType,
}

/// A table, as the migrations made it: a column `generation` first, which callers never see, then these.
///
/// Invariant: names are plain SQL identifiers written in this code; none comes from outside.
#[derive(Debug)]
pub struct Table {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its columns, the key first.
    pub columns: &'static [Column],
    /// How many columns the key has; the key is unique within a generation.
    pub key: usize,
    /// Indexes beside the key: columns by number. Each ends, by itself, with the key.
    pub indexes: &'static [&'static [usize]],
}

impl Table {
    /// The number of a column.
    ///
    /// # Panics
    /// There is no such column: a mistake in this code.
    #[must_use]
    pub fn column(&self, name: &str) -> usize {
        let found = self.columns.iter().position(|column| column.name == name);
        found.unwrap_or_else(|| panic!("table {} has no column {name}", self.name))
    }

    /// These columns and behind them the rest of the key: an index over them, as it really is.
    #[must_use]
    pub fn with_key(&self, columns: &[usize]) -> Vec<usize> {
        let rest = (0..self.key).filter(|column| !columns.contains(column));
        columns.iter().copied().chain(rest).collect()
    }
}

/// A change to one row. Within a commit the last change to a row wins.
#[derive(Debug, Clone)]
pub enum RowChange {
    /// Writes the row, whether it is there or not.
    Put {
        /// Where.
        table: &'static Table,
        /// The whole row.
        row: Row,
    },
    /// Takes the row away, if it is there.
    Delete {
        /// Where.
        table: &'static Table,
        /// Its key.
        key: Row,
    },
}

impl RowChange {
    /// The table it changes.
    #[must_use]
    pub fn table(&self) -> &'static Table {
        match self {
            Self::Put { table, .. } | Self::Delete { table, .. } => table,
        }
    }

    /// The key of the row it changes.
    #[must_use]
    pub fn key(&self) -> &[Value] {
        match self {
            Self::Put { table, row } => &row[..table.key],
            Self::Delete { key, .. } => key,
        }
    }

    /// Changes table by table, each table's in their order; the tables always in the same order, so that locks are, too.
    #[must_use]
    pub fn by_table(changes: Vec<Self>) -> Vec<(&'static Table, Vec<Self>)> {
        let mut tables: Vec<(&'static Table, Vec<Self>)> = Vec::new();
        for change in changes {
            let table = change.table();
            match tables.iter_mut().find(|(known, _)| known.name == table.name) {
                Some((_, changes)) => changes.push(change),
                None => tables.push((table, vec![change])),
            }
        }
        tables.sort_by_key(|(table, _)| table.name);
        tables
    }
}

/// Where a read model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything up to here is in its rows.
    pub position: Position,
    /// Of this log.
    pub epoch: Epoch,
    /// Which generation of rows it is about.
    pub generation: u32,
    /// Who writes it. A runner that finds another token here has been replaced and stops.
    pub owner: Uuid,
}

/// Rows and checkpoint of one read model, together.
#[derive(Debug, Clone)]
pub struct RowCommit {
    /// The read model.
    pub model: &'static str,
    /// What must stand there now; anything else means that another runner writes, and nothing is written.
    pub expected: Checkpoint,
    /// What shall stand there. The generation is that of the rows; it must be `expected`'s.
    pub next: Checkpoint,
    /// The rows.
    pub changes: Vec<RowChange>,
    /// Streams freed by this commit.
    pub free: Vec<StreamId>,
    /// Streams parked by this commit, after those above were freed; one that is parked already is written anew.
    pub park: Vec<DeadLetter>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowVerdict {
    /// It is durable.
    Committed,
    /// Another runner moved the checkpoint. Nothing was written.
    Superseded,
}

/// A condition on a column.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Equal.
    Is(usize, Value),
    /// At least.
    From(usize, Value),
    /// Less than.
    Before(usize, Value),
}

/// A page of a table in order.
#[derive(Debug, Clone)]
pub struct Page {
    /// Which table.
    pub table: &'static Table,
    /// Which generation.
    pub generation: u32,
    /// All hold.
    pub conditions: Vec<Condition>,
    /// The column it is ordered by, then by the key, in the same direction.
    pub order_by: usize,
    /// From large to small.
    pub descending: bool,
    /// Goes on behind this value of `order_by` and this key.
    pub after: Option<(Value, Row)>,
    /// The most rows, capped at [`MAX_PAGE`].
    pub limit: usize,
}

/// The way through a table that gives a page in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Along the key.
    Key,
    /// Along this index of [`Table::indexes`].
    Index(usize),
    /// There is none: every row must be looked at.
    Everything,
}

/// What a row must look like to come after [`Page::after`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume<'a> {
    /// The values of these columns, taken as one tuple, come after these in the direction of the page...
    pub columns: Vec<(usize, &'a Value)>,
    /// ...or equal them. Without columns: every row is meant, or none.
    pub inclusive: bool,
}

impl Page {
    /// The value that a condition fixes a column to.
    #[must_use]
    pub fn fixed(&self, column: usize) -> Option<&Value> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Is(of, value) if *of == column => Some(value),
            Condition::Is(..) | Condition::From(..) | Condition::Before(..) => None,
        })
    }

    /// The columns that order the rows, without those that are the same in all of them.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let key = (0..self.table.key).filter(|column| *column != self.order_by);
        std::iter::once(self.order_by).chain(key).filter(|column| self.fixed(*column).is_none()).collect()
    }

    /// The way to go: one in the order of the page, and of those one that begins with as many fixed columns as possible.
    #[must_use]
    pub fn path(&self) -> Path {
        let order = self.order();
        let is_fixed = |column: &usize| self.fixed(*column).is_some();
        let by_key: &[usize] = &[];
        let paths = std::iter::once((Path::Key, by_key))
            .chain(self.table.indexes.iter().enumerate().map(|(number, columns)| (Path::Index(number), *columns)));
        let fitting = paths.filter_map(|(path, columns)| {
            let columns = self.table.with_key(columns);
            let is_ordered = columns.iter().filter(|column| !is_fixed(column)).take(order.len()).eq(&order);
            is_ordered.then(|| (path, columns.iter().take_while(|column| is_fixed(column)).count()))
        });
        let best = fitting.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(Path::Everything, |(path, _)| path)
    }

    /// Where the page goes on, put so that an index can be entered there; nothing when it starts at the beginning.
    #[must_use]
    pub fn resume(&self) -> Option<Resume<'_>> {
        let (value, key) = self.after.as_ref()?;
        let key = key.iter().enumerate().filter(|(column, _)| *column != self.order_by);
        let mut columns = Vec::with_capacity(self.table.key + 1);
        for (column, after) in std::iter::once((self.order_by, value)).chain(key) {
            match self.fixed(column).map(|fixed| if self.descending { after.cmp(fixed) } else { fixed.cmp(after) }) {
                None => columns.push((column, after)),
                Some(Ordering::Equal) => {}
                Some(decided) => return Some(Resume { columns, inclusive: decided == Ordering::Greater }),
            }
        }
        Some(Resume { columns, inclusive: false })
    }

    /// Whether there is nothing behind these rows, which are this page.
    #[must_use]
    pub fn is_last(&self, rows: &[Row]) -> bool {
        rows.len() < self.limit() && rows.iter().map(|row| size(row)).sum::<usize>() < PAGE_BYTES
    }

    /// How many rows it may have.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.min(MAX_PAGE)
    }
}

/// Tables of rows beside a log.
///
/// Promises: a commit is written whole or not at all, durable when it returns (as durable as the store gets); a reader sees all
/// of a commit or nothing of it; `fetch` and `page` see every commit that returned before they began.
#[async_trait]
pub trait RowStore: Send + Sync + 'static {
    /// Where a read model's live generation stands; nothing if it never ran.
    async fn live(&self, model: &'static str) -> Result<Option<Checkpoint>, StoreError>;

    /// Where one generation of a read model stands.
    async fn checkpoint(&self, model: &'static str, generation: u32) -> Result<Option<Checkpoint>, StoreError>;

    /// Puts a new owner on a generation, making the checkpoint (at the start of the log `epoch`) if there is none; one that is
    /// there keeps its position and its epoch. The runner before it is superseded at its next commit. The first generation
    /// claimed for a read model is live.
    async fn claim(
        &self,
        model: &'static str,
        generation: u32,
        epoch: Epoch,
        owner: Uuid,
    ) -> Result<Checkpoint, StoreError>;

    /// Writes rows, dead letters and checkpoint in one transaction. A generation that was never claimed, or was discarded,
    /// is superseded.
    async fn commit(&self, commit: RowCommit) -> Result<RowVerdict, StoreError>;

    /// Makes a generation the live one, if it stands at `expected`.
    async fn switch(&self, model: &'static str, expected: Checkpoint) -> Result<RowVerdict, StoreError>;

    /// Deletes rows, dead letters and at last the checkpoint of a generation, at most `limit` rows at once; true when there is
    /// nothing left to delete. The live generation is left alone, and that is all there is to do.
    ///
    /// The first call supersedes the runner. Until the last, the checkpoint stands at the start of no log (epoch zero): a
    /// generation found like that is to be discarded to its end before it is built again.
    async fn discard(
        &self,
        model: &'static str,
        tables: &[&'static Table],
        generation: u32,
        limit: usize,
    ) -> Result<bool, StoreError>;

    /// Rows by key, in the order of the keys, all of one moment; nothing where there is none.
    async fn fetch(&self, table: &'static Table, generation: u32, keys: &[Row])
    -> Result<Vec<Option<Row>>, StoreError>;

    /// A page of rows. It ends early once its rows hold [`PAGE_BYTES`]: [`Page::is_last`] tells.
    async fn page(&self, page: &Page) -> Result<Vec<Row>, StoreError>;

    /// The parked streams of a generation, by position.
    async fn dead_letters(&self, model: &'static str, generation: u32) -> Result<Vec<DeadLetter>, StoreError>;

    /// Sends a signal to the other processes that use these rows, if there are any. Does not wait; a signal may be lost.
    fn signal_peers(&self, _signal: PeerSignal) {}

    /// The signals of other processes; nothing when there cannot be any.
    fn peer_signals(&self) -> Option<broadcast::Receiver<PeerSignal>> {
        None
    }
}

/// What processes that share rows ask of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerSignal {
    /// A reader waits for rows: write what is there to write.
    FlushNow,
    /// A projection was claimed: look whether yours is still yours.
    Claimed,
}
