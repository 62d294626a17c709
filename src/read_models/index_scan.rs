//! An index scan: what the index cannot leave out is left out here, row by row, within a limit of work.

use std::sync::Arc;

use ordo_actors::{
    log::store::StoreError,
    projection::row_store::{Condition, Page, Row, RowStore, Table, Value, size},
};

/// Most rows looked at for one page of results. A page that would need more ends early, with a cursor to go on from.
pub const MOST_LOOKED_AT: usize = 10_000;

/// Rows read in one step when some of them may be left out.
const STEP: usize = 200;

/// The same when each is fetched by its key: so many rows are in memory at once, however large.
const FETCHED_STEP: usize = 16;

/// A page of results ends early when its rows hold more text than this.
const MOST_BYTES: usize = 8 << 20;

/// Where a page of results ended: the value it is ordered by, and the last text of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The value of the column that orders the rows.
    pub value: Value,
    /// The order, the customer or the product.
    pub id: Arc<str>,
}

/// Where the row comes from that is shown for a row of the index.
#[derive(Debug, Clone)]
pub enum RowSource {
    /// The row itself.
    Index,
    /// The row of this table that has the last text of the key as its own key.
    Lookup(&'static Table),
    /// The row itself, if the table `by` has a row of this owner, the value of the column `at` and the last text of the key.
    SemiJoin {
        /// Whose rows belong to an owner.
        by: &'static Table,
        /// The first value of the key there.
        owner: Value,
        /// The column of the row that holds the second.
        at: usize,
    },
}

/// A scan of one index.
#[derive(Debug, Clone)]
pub struct IndexScan {
    /// The rows in order. Its `after` and `limit` are set on the way. All conditions are answered by the index.
    pub page: Page,
    /// What is shown for each.
    pub source: RowSource,
    /// Conditions on the rows shown, which the index does not answer.
    pub filter: Vec<Condition>,
}

/// A page of results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultPage {
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Where to go on; nothing at the end. There may be a cursor and still nothing behind it.
    pub next: Option<Cursor>,
}

impl IndexScan {
    /// Finds at most `limit` rows behind a cursor. May find fewer and tell where to go on.
    pub async fn find(
        &self,
        rows: &dyn RowStore,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ResultPage, StoreError> {
        let mut page = Page { after: after.map(|cursor| self.behind(cursor)), ..self.page.clone() };
        let (mut found, mut bytes, mut looked_at) = (Vec::new(), 0, 0);
        let mut last_found = None;
        while looked_at < MOST_LOOKED_AT {
            page.limit = if self.leaves_out() { self.step() } else { (limit + 1 - found.len()).min(self.step()) };
            let step = rows.page(&page).await?;
            let (cursors, is_last) = (self.cursors(&step), page.is_last(&step));
            looked_at += step.len();
            for (cursor, shown) in cursors.iter().zip(self.show(rows, step, &cursors).await?) {
                let Some(row) = shown.filter(|row| self.filter.iter().all(|condition| holds(condition, row))) else {
                    continue;
                };
                if found.len() == limit || bytes > MOST_BYTES {
                    return Ok(ResultPage { rows: found, next: last_found });
                }
                bytes += size(&row);
                found.push(row);
                last_found = Some(cursor.clone());
            }
            match cursors.last() {
                Some(last) if !is_last => page.after = Some(self.behind(last)),
                _ => return Ok(ResultPage { rows: found, next: None }),
            }
        }
        let next = page.after.map(|(value, mut key)| Cursor { value, id: last_text(key.pop()) });
        Ok(ResultPage { rows: found, next })
    }

    fn step(&self) -> usize {
        match self.source {
            RowSource::Index | RowSource::SemiJoin { .. } => STEP,
            RowSource::Lookup(_) => FETCHED_STEP,
        }
    }

    fn leaves_out(&self) -> bool {
        !self.filter.is_empty() || matches!(self.source, RowSource::SemiJoin { .. })
    }

    /// A cursor as the store wants it: the whole key, whose first values are the cursor's own or fixed by the conditions.
    fn behind(&self, cursor: &Cursor) -> (Value, Row) {
        let known = |column| if column == self.page.order_by { cursor.value.clone() } else { self.fixed(column) };
        let fixed = (0..self.page.table.key - 1).map(known);
        let key = fixed.chain([Value::Text(Arc::clone(&cursor.id))]).collect();
        (cursor.value.clone(), key)
    }

    /// What a condition fixes a column of the key to.
    fn fixed(&self, column: usize) -> Value {
        let fixed = self.page.conditions.iter().find_map(|condition| match condition {
            Condition::Is(of, value) if *of == column => Some(value.clone()),
            Condition::Is(..) | Condition::From(..) | Condition::Before(..) => None,
        });
        debug_assert!(fixed.is_some(), "all of the key but its last text is fixed");
        fixed.unwrap_or_else(|| Value::Text(Arc::from("")))
    }

    fn cursors(&self, rows: &[Row]) -> Vec<Cursor> {
        let id = self.page.table.key - 1;
        let cursor = |row: &Row| Cursor { value: row[self.page.order_by].clone(), id: last_text(row.get(id).cloned()) };
        rows.iter().map(cursor).collect()
    }

    async fn show(
        &self,
        rows: &dyn RowStore,
        step: Vec<Row>,
        cursors: &[Cursor],
    ) -> Result<Vec<Option<Row>>, StoreError> {
        let id = |cursor: &Cursor| Value::Text(Arc::clone(&cursor.id));
        let generation = self.page.generation;
        match &self.source {
            RowSource::Index => Ok(step.into_iter().map(Some).collect()),
            RowSource::Lookup(table) => {
                let keys: Vec<Row> = cursors.iter().map(|cursor| vec![id(cursor)]).collect();
                rows.fetch(table, generation, &keys).await
            }
            RowSource::SemiJoin { by, owner, at } => {
                let key = |(cursor, row): (&Cursor, &Row)| vec![owner.clone(), row[*at].clone(), id(cursor)];
                let keys: Vec<Row> = cursors.iter().zip(&step).map(key).collect();
                let held = rows.fetch(by, generation, &keys).await?;
                Ok(step.into_iter().zip(held).map(|(row, held)| held.map(|_| row)).collect())
            }
        }
    }
}

fn last_text(value: Option<Value>) -> Arc<str> {
    match value {
        Some(Value::Text(text)) => text,
        Some(Value::Int(_)) | None => Arc::from(""),
    }
}

fn holds(condition: &Condition, row: &Row) -> bool {
    match condition {
        Condition::Is(column, value) => row[*column] == *value,
        Condition::From(column, value) => row[*column] >= *value,
        Condition::Before(column, value) => row[*column] < *value,
    }
}
