//! Sagas as rows: for operators, and to find the open ones again after a crash.

use std::sync::Arc;

use async_trait::async_trait;
use ordo_actors::{
    aggregate::stream_cache::StreamCache,
    log::event::{EventEnvelope, StreamId},
    projection::{
        ReadModel, ReaderStates, Sources, TakeError,
        row_store::{Row, RowChange, Table, Value},
    },
    saga::SagaState,
};

use super::{changes::text, stream_states::StreamStates, tables::SAGAS};
use crate::fulfilment::{FulfilmentSaga, SagaView};

const TABLES: &[&Table] = &[&SAGAS];

/// Every saga, each as clients see it.
pub struct SagaList {
    sagas: ReaderStates<FulfilmentSaga>,
}

impl Default for SagaList {
    fn default() -> Self {
        Self::sharing(StreamStates::default().sagas)
    }
}

impl SagaList {
    /// Folds on these states.
    #[must_use]
    pub fn sharing(sagas: Arc<StreamCache<FulfilmentSaga>>) -> Self {
        Self { sagas: ReaderStates::sharing(sagas) }
    }
}

#[async_trait]
impl ReadModel for SagaList {
    fn name(&self) -> &'static str {
        SAGAS.name
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>], sources: Sources<'_>) -> Result<Vec<RowChange>, TakeError> {
        let sagas = self.sagas.changes(events, sources).await?;
        let rows = sagas.iter().filter_map(|saga| saga_row(saga.stream, &saga.after.state));
        Ok(rows.map(|row| RowChange::Put { table: &SAGAS, row }).collect())
    }
}

/// How much a saga in this state needs somebody's attention: the least number first.
const fn attention(state: SagaState) -> i64 {
    match state {
        SagaState::Stuck => 0,
        SagaState::Running | SagaState::Compensating => GOES_ON,
        SagaState::Completed | SagaState::Failed | SagaState::Absent => 2,
    }
}

/// The attention of a saga that goes on by itself.
pub(super) const GOES_ON: i64 = 1;

/// A saga's row; nothing for one that nobody has started.
pub(super) fn saga_row(id: StreamId, saga: &FulfilmentSaga) -> Option<Row> {
    let view = SagaView::of(id, saga)?;
    Some(vec![
        text(id.to_string()),
        text(view.order_id.to_string()),
        text(view.kind.name()),
        text(view.state.name()),
        Value::Int(attention(view.state)),
        Value::Int(view.started_at.timestamp_micros()),
        Value::Int(view.updated_at.timestamp_micros()),
        text(serde_json::to_string(&view).unwrap_or_default()),
    ])
}
