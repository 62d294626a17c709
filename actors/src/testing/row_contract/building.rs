//! Rows, commits and pages in few words.

use uuid::Uuid;

use super::tables::{COUNTERS, READINGS};
use crate::{
    log::event::{Epoch, Position, StreamId, Version},
    projection::row_store::{
        Checkpoint, Condition, DeadLetter, MAX_PAGE, Page, Row, RowChange, RowCommit, RowStore, RowVerdict, Table,
        Value,
    },
};

/// The read model of most cases.
pub const MODEL: &str = "counting";

/// Another one.
pub const OTHER: &str = "reading";

/// The epoch of the log.
pub const EPOCH: Epoch = Epoch(Uuid::from_u128(0xe));

/// A runner.
pub const ANN: Uuid = Uuid::from_u128(0xa);

/// Another one.
pub const BOB: Uuid = Uuid::from_u128(0xb);

/// Columns of [`COUNTERS`].
pub const COUNTER_ID: usize = 0;
pub const COLOUR: usize = 1;
pub const VALUE: usize = 2;
pub const NOTE: usize = 3;

/// Columns of [`READINGS`].
pub const READER: usize = 0;
pub const NUMBER: usize = 1;
pub const AT: usize = 2;

#[must_use]
pub fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[must_use]
pub fn int(value: i64) -> Value {
    Value::Int(value)
}

/// A row of [`COUNTERS`].
#[must_use]
pub fn counter(id: &str, colour: &str, value: i64) -> Row {
    vec![text(id), text(colour), int(value), text("")]
}

/// A row of [`READINGS`].
#[must_use]
pub fn reading(reader: &str, number: i64, at: i64) -> Row {
    vec![text(reader), int(number), int(at)]
}

/// Writes a counter.
#[must_use]
pub fn put(id: &str, colour: &str, value: i64) -> RowChange {
    RowChange::Put { table: &COUNTERS, row: counter(id, colour, value) }
}

/// Writes a reading.
#[must_use]
pub fn put_reading(reader: &str, number: i64, at: i64) -> RowChange {
    RowChange::Put { table: &READINGS, row: reading(reader, number, at) }
}

/// Takes a counter away.
#[must_use]
pub fn delete(id: &str) -> RowChange {
    RowChange::Delete { table: &COUNTERS, key: vec![text(id)] }
}

/// Takes a reading away.
#[must_use]
pub fn delete_reading(reader: &str, number: i64) -> RowChange {
    RowChange::Delete { table: &READINGS, key: vec![text(reader), int(number)] }
}

/// A stream of a small number.
#[must_use]
pub fn stream(number: u128) -> StreamId {
    StreamId(Uuid::from_u128(number))
}

/// A stream parked at a position.
#[must_use]
pub fn letter(of: u128, position: u64) -> DeadLetter {
    DeadLetter {
        stream: stream(of),
        version: Version(3),
        position: Position(position),
        reason: "no such colour".to_owned(),
        attempts: 1,
        skipped: None,
    }
}

/// The same place, one position on.
#[must_use]
pub fn on(checkpoint: Checkpoint) -> Checkpoint {
    Checkpoint { position: checkpoint.position.plus(1), ..checkpoint }
}

/// A commit that moves the checkpoint one position on.
#[must_use]
pub fn commit_at(expected: Checkpoint, changes: impl IntoIterator<Item = RowChange>) -> RowCommit {
    RowCommit {
        model: MODEL,
        expected,
        next: on(expected),
        changes: changes.into_iter().collect(),
        free: Vec::new(),
        park: Vec::new(),
    }
}

/// One generation of the read model [`MODEL`], as its runner sees it.
pub struct Runner<'a> {
    rows: &'a dyn RowStore,
    pub at: Checkpoint,
}

impl<'a> Runner<'a> {
    /// Ann takes the first generation over.
    pub async fn start(rows: &'a dyn RowStore) -> Self {
        Self::of(rows, 1, ANN).await
    }

    /// Somebody takes a generation over.
    pub async fn of(rows: &'a dyn RowStore, generation: u32, owner: Uuid) -> Self {
        let at = rows.claim(MODEL, generation, EPOCH, owner).await.expect("a claim that works");
        Self { rows, at }
    }

    /// Commits changes, which must go through.
    pub async fn writes(&mut self, changes: impl IntoIterator<Item = RowChange>) {
        self.commits(commit_at(self.at, changes)).await;
    }

    /// Commits, which must go through.
    pub async fn commits(&mut self, commit: RowCommit) {
        let next = commit.next;
        assert_eq!(verdict(self.rows, commit).await, RowVerdict::Committed);
        self.at = next;
    }
}

/// What becomes of a commit.
pub async fn verdict(rows: &dyn RowStore, commit: RowCommit) -> RowVerdict {
    rows.commit(commit).await.expect("a commit that works")
}

/// The counter of this id.
pub async fn found(rows: &dyn RowStore, generation: u32, id: &str) -> Option<Row> {
    let mut found = rows.fetch(&COUNTERS, generation, &[vec![text(id)]]).await.expect("a row or none");
    assert_eq!(found.len(), 1, "an answer per key");
    found.remove(0)
}

/// The whole of [`COUNTERS`] in the first generation, by id.
#[must_use]
pub fn counters() -> Page {
    whole(&COUNTERS, COUNTER_ID)
}

/// The whole of [`COUNTERS`] in the first generation, by value.
#[must_use]
pub fn by_value() -> Page {
    whole(&COUNTERS, VALUE)
}

/// The whole of [`READINGS`] in the first generation, by time.
#[must_use]
pub fn readings() -> Page {
    whole(&READINGS, AT)
}

fn whole(table: &'static Table, order_by: usize) -> Page {
    Page { table, generation: 1, conditions: Vec::new(), order_by, descending: false, after: None, limit: MAX_PAGE }
}

/// The same page with one more condition.
#[must_use]
pub fn only(condition: Condition, mut page: Page) -> Page {
    page.conditions.push(condition);
    page
}

/// The same page from large to small.
#[must_use]
pub fn descending(page: Page) -> Page {
    Page { descending: true, ..page }
}

/// The same page with so many rows at most.
#[must_use]
pub fn limited(limit: usize, page: Page) -> Page {
    Page { limit, ..page }
}

/// The same page, going on behind a row.
#[must_use]
pub fn behind(row: &Row, page: Page) -> Page {
    let after = Some((row[page.order_by].clone(), row[..page.table.key].to_vec()));
    Page { after, ..page }
}

/// The rows of a page.
pub async fn page(rows: &dyn RowStore, page: Page) -> Vec<Row> {
    rows.page(&page).await.expect("a page")
}

/// The ids of the counters of a page.
pub async fn ids(rows: &dyn RowStore, of: Page) -> Vec<String> {
    let column = |row: &Row| match &row[0] {
        Value::Text(text) => text.to_string(),
        Value::Int(number) => panic!("{number} is not an id"),
    };
    page(rows, of).await.iter().map(column).collect()
}

/// All rows, page by page of so many.
pub async fn all(rows: &dyn RowStore, limit: usize, whole: Page) -> Vec<Row> {
    let mut all = Vec::new();
    let mut next = limited(limit, whole);
    loop {
        let some = page(rows, next.clone()).await;
        let Some(last) = some.last() else { return all };
        next = behind(last, next);
        all.extend(some);
    }
}
