//! All rows of a table, a page at a time.

use std::collections::VecDeque;

use crate::{
    log::store::StoreError,
    projection::row_store::{MAX_PAGE, Page, Row, RowStore, Table},
};

/// One generation of a table in the order of its key. The rows must not change meanwhile.
pub struct TableScan {
    page: Page,
    rows: VecDeque<Row>,
    is_last: bool,
}

impl TableScan {
    /// At the first row.
    #[must_use]
    pub fn new(table: &'static Table, generation: u32) -> Self {
        let page = Page {
            table,
            generation,
            conditions: Vec::new(),
            order_by: 0,
            descending: false,
            after: None,
            limit: MAX_PAGE,
        };
        Self { page, rows: VecDeque::new(), is_last: false }
    }

    /// The next row, which stays the next one; nothing at the end.
    ///
    /// # Errors
    /// The store failed.
    pub async fn peek(&mut self, rows: &dyn RowStore) -> Result<Option<&Row>, StoreError> {
        if self.rows.is_empty() && !self.is_last {
            let read = rows.page(&self.page).await?;
            self.is_last = self.page.is_last(&read);
            self.page.after = read.last().map(|row| (row[0].clone(), row[..self.page.table.key].to_vec()));
            self.rows = read.into();
        }
        Ok(self.rows.front())
    }

    /// Takes the row that was looked at.
    pub fn pop(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }
}
