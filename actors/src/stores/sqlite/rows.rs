//! The store of rows: tables that follow the log, in its file.

use crate::{
    log::{event::Epoch, store::StoreError},
    projection::row_store::{Checkpoint, DeadLetter, Page, Row, RowCommit, RowStore, RowVerdict, Table},
};
use async_trait::async_trait;
use uuid::Uuid;

use super::{failure, row_reads, row_writes, store::SqliteStore};

#[async_trait]
impl RowStore for SqliteStore {
    async fn live(&self, model: &'static str) -> Result<Option<Checkpoint>, StoreError> {
        self.read(move |connection| row_reads::live(connection, model).map_err(|error| failure::reading(&error))).await
    }

    async fn checkpoint(&self, model: &'static str, generation: u32) -> Result<Option<Checkpoint>, StoreError> {
        self.read(move |connection| {
            row_reads::checkpoint(connection, model, generation).map_err(|error| failure::reading(&error))
        })
        .await
    }

    async fn claim(
        &self,
        model: &'static str,
        generation: u32,
        epoch: Epoch,
        owner: Uuid,
    ) -> Result<Checkpoint, StoreError> {
        self.write(move |writer| {
            writer.change_rows(|connection| {
                let claimed = row_writes::claim(connection, model, generation, epoch, owner)?;
                Ok((claimed, true))
            })
        })
        .await
    }

    async fn commit(&self, commit: RowCommit) -> Result<RowVerdict, StoreError> {
        self.write(move |writer| writer.change_rows(|connection| conclude(row_writes::commit(connection, commit)?)))
            .await
    }

    async fn switch(&self, model: &'static str, expected: Checkpoint) -> Result<RowVerdict, StoreError> {
        self.write(move |writer| {
            writer.change_rows(|connection| conclude(row_writes::switch(connection, model, &expected)?))
        })
        .await
    }

    async fn discard(
        &self,
        model: &'static str,
        tables: &[&'static Table],
        generation: u32,
        limit: usize,
    ) -> Result<bool, StoreError> {
        let tables = tables.to_vec();
        self.write(move |writer| {
            writer.change_rows(|connection| {
                if row_reads::live(connection, model)?.is_some_and(|live| live.generation == generation) {
                    return Ok((true, false));
                }
                Ok((row_writes::discard(connection, model, &tables, generation, limit)?, true))
            })
        })
        .await
    }

    async fn fetch(
        &self,
        table: &'static Table,
        generation: u32,
        keys: &[Row],
    ) -> Result<Vec<Option<Row>>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection| {
            row_reads::fetch(connection, table, generation, &keys).map_err(|error| failure::reading(&error))
        })
        .await
    }

    async fn page(&self, page: &Page) -> Result<Vec<Row>, StoreError> {
        let page = page.clone();
        self.read(move |connection| row_reads::page(connection, &page).map_err(|error| failure::reading(&error))).await
    }

    async fn dead_letters(&self, model: &'static str, generation: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |connection| {
            row_reads::dead_letters(connection, model, generation).map_err(|error| failure::reading(&error))
        })
        .await
    }
}

/// A verdict, and whether there is something to commit.
#[expect(clippy::unnecessary_wraps, reason = "it ends a chain of results")]
fn conclude(verdict: RowVerdict) -> rusqlite::Result<(RowVerdict, bool)> {
    Ok((verdict, verdict == RowVerdict::Committed))
}
