//! The index in which a process finds the sagas that nobody runs.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ordo_actors::{
    log::{event::StreamId, store::StoreError},
    projection::row_store::{Condition, Page, RowStore, Value},
    saga::{
        SagaState,
        effects::{OpenSaga, OpenSagas},
    },
};
use uuid::Uuid;

use super::{changes::text, saga_list::GOES_ON, tables::SAGAS};

/// The rows of the sagas, as the index of those that are open. Behind the log by the lag of the read model.
pub struct SagaIndex {
    rows: Arc<dyn RowStore>,
}

impl SagaIndex {
    /// Reads these rows.
    #[must_use]
    pub fn new(rows: Arc<dyn RowStore>) -> Self {
        Self { rows }
    }

    async fn page(&self, page: impl FnOnce(u32) -> Page) -> Result<Vec<Vec<Value>>, StoreError> {
        match self.rows.live(SAGAS.name).await? {
            Some(live) => self.rows.page(&page(live.generation)).await,
            None => Ok(Vec::new()),
        }
    }
}

#[async_trait]
impl OpenSagas for SagaIndex {
    async fn open(
        &self,
        quiet_since: DateTime<Utc>,
        after: Option<OpenSaga>,
        limit: usize,
    ) -> Result<Vec<OpenSaga>, StoreError> {
        let updated_at = SAGAS.column("updated_at");
        let rows = self.page(|generation| Page {
            table: &SAGAS,
            generation,
            conditions: vec![
                Condition::Is(SAGAS.column("attention"), Value::Int(GOES_ON)),
                Condition::Before(updated_at, Value::Int(quiet_since.timestamp_micros())),
            ],
            order_by: updated_at,
            descending: false,
            after: after
                .map(|saga| (Value::Int(saga.updated_at.timestamp_micros()), vec![text(saga.saga_id.to_string())])),
            limit,
        });
        Ok(rows.await?.iter().filter_map(|row| entry(row, updated_at)).collect())
    }

    async fn stuck(&self, most: usize) -> Result<usize, StoreError> {
        let rows = self.page(|generation| Page {
            table: &SAGAS,
            generation,
            conditions: vec![Condition::Is(SAGAS.column("state"), text(SagaState::Stuck.name()))],
            order_by: SAGAS.column("updated_at"),
            descending: false,
            after: None,
            limit: most,
        });
        Ok(rows.await?.len())
    }
}

fn entry(row: &[Value], updated_at: usize) -> Option<OpenSaga> {
    let (Some(Value::Text(id)), Some(Value::Int(at))) = (row.first(), row.get(updated_at)) else { return None };
    Some(OpenSaga { saga_id: StreamId(Uuid::parse_str(id).ok()?), updated_at: DateTime::from_timestamp_micros(*at)? })
}
