//! The end of the log, as the writer keeps it in memory between two batches.

use crate::log::{
    checksum::{Checksum, first_link},
    event::Position,
    store::StoredKind,
};
use rusqlite::{Connection, Result, named_params, params};

use super::columns::{count, epoch, number};

/// A block is closed by the first batch that brings it to this number of events. Small enough that a search reads little beside
/// what it looks for, large enough that ten million events make ten thousand blocks, searched in a millisecond.
const BLOCK_EVENTS: u64 = 1_000;

/// Kinds beyond this number share the last bit of a block's mask.
const MASK_BITS: i64 = 63;

/// Where the log ends, and what the open block holds so far. Copied before a batch, kept only once it is committed.
#[derive(Debug, Clone, Copy)]
pub struct Tail {
    /// The last position.
    pub head: Position,
    /// The link of the last batch.
    pub link: Checksum,
    block: Block,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    first: u64,
    kinds: i64,
    oldest: i64,
    newest: i64,
}

impl Block {
    fn starting_at(first: u64) -> Self {
        Self { first, kinds: 0, oldest: i64::MAX, newest: i64::MIN }
    }
}

impl Tail {
    /// Reads the end of the log from the file.
    pub fn load(connection: &Connection) -> Result<Self> {
        let head = connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| count(row, 0))?;
        let link = last_link(connection)?;
        let first = connection.query_row("SELECT max(first) FROM event_blocks", [], |row| count(row, 0))?;
        let mut tail = Self { head: Position(head), link, block: Block::starting_at(first) };
        let mut kinds = connection.prepare(
            "SELECT k.kind, min(e.timestamp), max(e.timestamp) FROM events e \
             JOIN event_kinds k USING (aggregate_type, event_type, schema_version) WHERE e.position >= ? GROUP BY k.kind",
        )?;
        let mut rows = kinds.query([number(first)])?;
        while let Some(row) = rows.next()? {
            let kind = row.get(0)?;
            tail.widen(kind, row.get(1)?);
            tail.widen(kind, row.get(2)?);
        }
        Ok(tail)
    }

    /// Takes one more event in.
    pub fn widen(&mut self, kind: i64, micros: i64) {
        self.block.kinds |= bit(kind);
        self.block.oldest = self.block.oldest.min(micros);
        self.block.newest = self.block.newest.max(micros);
    }

    /// Writes down where the log ends, within the caller's transaction.
    pub fn seal(&self, connection: &Connection) -> Result<()> {
        connection
            .prepare_cached("UPDATE log SET position = ?, chain = ?")?
            .execute(params![number(self.head.0), self.link.0])?;
        Ok(())
    }

    /// Closes the block when it is large enough and opens the next, within the caller's transaction.
    pub fn close_block(&mut self, connection: &Connection) -> Result<()> {
        let Block { first, kinds, oldest, newest } = self.block;
        let last = self.head.0;
        if last < first - 1 + BLOCK_EVENTS {
            return Ok(());
        }
        connection
            .prepare_cached(
                "UPDATE event_blocks SET last = :last, kinds = :kinds, oldest = :oldest, newest = :newest \
                 WHERE first = :first",
            )?
            .execute(named_params! {
                ":first": number(first), ":last": number(last), ":kinds": kinds, ":oldest": oldest, ":newest": newest,
            })?;
        connection
            .prepare_cached("INSERT INTO event_blocks (first, last, kinds, oldest, newest) VALUES (?, ?, -1, ?, ?)")?
            .execute([number(last + 1), i64::MAX, i64::MIN, i64::MAX])?;
        self.block = Block::starting_at(last + 1);
        Ok(())
    }
}

/// The link the next batch goes on from. One that is not of its length is left to an audit: it is nobody's link.
fn last_link(connection: &Connection) -> Result<Checksum> {
    connection.query_row("SELECT iif(begun_as = '', epoch, begun_as), checked_after, chain FROM log", [], |row| {
        let chain: Vec<u8> = row.get(2)?;
        let first = || Ok(first_link(epoch(row, 0)?, Position(count(row, 1)?)));
        Checksum::from_slice(&chain).map_or_else(first, Ok)
    })
}

/// The bit of a kind in the mask of a block.
#[must_use]
pub fn bit(kind: i64) -> i64 {
    1 << (kind.clamp(1, MASK_BITS) - 1)
}

/// The kinds of event the log holds; the kind at index `i` has the number `i + 1`.
#[derive(Debug)]
pub struct Kinds(Vec<StoredKind>);

impl Kinds {
    /// Reads them from the file.
    pub fn load(connection: &Connection) -> Result<Self> {
        let mut select =
            connection.prepare("SELECT aggregate_type, event_type, schema_version FROM event_kinds ORDER BY kind")?;
        let kinds = select.query_map([], |row| {
            Ok(StoredKind {
                aggregate_type: row.get::<_, String>(0)?.into(),
                event_type: row.get::<_, String>(1)?.into(),
                schema_version: row.get(2)?,
            })
        })?;
        kinds.collect::<Result<_>>().map(Self)
    }

    /// The number of a kind, when it is known.
    pub fn number(&self, aggregate_type: &str, event_type: &str, schema_version: u32) -> Option<i64> {
        let index = self.0.iter().position(|kind| {
            kind.event_type == event_type
                && kind.schema_version == schema_version
                && kind.aggregate_type == aggregate_type
        })?;
        i64::try_from(index + 1).ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds one and tells its number.
    pub fn push(&mut self, kind: StoredKind) -> i64 {
        self.0.push(kind);
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// Forgets those beyond the first `len`: their batch was rolled back.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Hands them all out.
    pub fn into_vec(self) -> Vec<StoredKind> {
        self.0
    }
}
