//! The store of rows: tables that follow the log, in its database.

use crate::{
    log::{event::Epoch, store::StoreError},
    projection::row_store::{
        Checkpoint, DeadLetter, MAX_PAGE, PAGE_BYTES, Page, PeerSignal, Row, RowCommit, RowStore, RowVerdict, Table,
    },
};
use async_trait::async_trait;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{row_reads, row_writes, store::PostgresStore};

#[async_trait]
impl RowStore for PostgresStore {
    async fn live(&self, model: &'static str) -> Result<Option<Checkpoint>, StoreError> {
        self.readers.read(row_reads::LIVE, (model,), |rows| row_reads::checkpoint(&rows)).await
    }

    async fn checkpoint(&self, model: &'static str, generation: u32) -> Result<Option<Checkpoint>, StoreError> {
        let parameters = (model, i64::from(generation));
        self.readers.read(row_reads::CHECKPOINT, parameters, |rows| row_reads::checkpoint(&rows)).await
    }

    async fn claim(
        &self,
        model: &'static str,
        generation: u32,
        epoch: Epoch,
        owner: Uuid,
    ) -> Result<Checkpoint, StoreError> {
        self.readers.transact(move |reader| Box::pin(row_writes::claim(reader, model, generation, epoch, owner))).await
    }

    async fn commit(&self, commit: RowCommit) -> Result<RowVerdict, StoreError> {
        self.readers.transact(move |reader| Box::pin(row_writes::commit(reader, commit))).await
    }

    async fn switch(&self, model: &'static str, expected: Checkpoint) -> Result<RowVerdict, StoreError> {
        self.readers.transact(move |reader| Box::pin(row_writes::switch(reader, model, expected))).await
    }

    async fn discard(
        &self,
        model: &'static str,
        tables: &[&'static Table],
        generation: u32,
        limit: usize,
    ) -> Result<bool, StoreError> {
        let tables = tables.to_vec();
        self.readers
            .transact(move |reader| Box::pin(row_writes::discard(reader, model, tables, generation, limit)))
            .await
    }

    async fn fetch(
        &self,
        table: &'static Table,
        generation: u32,
        keys: &[Row],
    ) -> Result<Vec<Option<Row>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = row_reads::Keys::of(table, generation, keys)?;
        self.readers.read(row_reads::by_keys(table), keys, |rows| row_reads::rows_or_none(table, &rows)).await
    }

    async fn page(&self, page: &Page) -> Result<Vec<Row>, StoreError> {
        let Some((text, parameters)) = row_reads::page(page) else { return Ok(Vec::new()) };
        let table = page.table;
        // The protocol adds a few bytes to each row: a page that is cut has all that one may hold.
        let most = PAGE_BYTES + MAX_PAGE * (2 + 4 * table.columns.len());
        self.readers.read_some(text, parameters, most, |rows| row_reads::rows(table, &rows)).await
    }

    async fn dead_letters(&self, model: &'static str, generation: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let parameters = (model, i64::from(generation));
        self.readers.read(row_reads::DEAD_LETTERS, parameters, |rows| row_reads::dead_letters(&rows)).await
    }

    fn signal_peers(&self, signal: PeerSignal) {
        self.notifications.signal_peers(signal);
    }

    fn peer_signals(&self) -> Option<broadcast::Receiver<PeerSignal>> {
        Some(self.notifications.peer_signals())
    }
}
