//! Sagas as rows: for operators, and to find the open ones again after a crash.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use lru::LruCache;
use ordo_actors::{
    aggregate::{
        Aggregate,
        rehydrate::{Loaded, Until, fold, rehydrate},
        request::Failure,
    },
    log::{
        event::{EventEnvelope, StreamId, Version},
        store::{EventStore, StoreError},
    },
    projection::{
        ReadModel, Sources, TakeError,
        row_store::{Row, RowChange, Table, Value},
    },
    saga::SagaState,
};

use super::{changes::text, tables::SAGAS};
use crate::fulfilment::{FulfilmentSaga, SagaView};

/// Sagas remembered, so that their next event needs no read: about 2 KB each.
const MOST_REMEMBERED: usize = 5000;

const TABLES: &[&Table] = &[&SAGAS];

/// Events of a saga read at a time.
const PAGE: usize = 200;

type Known = Loaded<FulfilmentSaga>;

/// Every saga, each as clients see it.
#[derive(Debug)]
pub struct SagaList {
    remembered: LruCache<StreamId, Arc<Known>>,
}

impl Default for SagaList {
    fn default() -> Self {
        Self { remembered: LruCache::new(std::num::NonZeroUsize::MIN.saturating_add(MOST_REMEMBERED)) }
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
        let mut touched: HashMap<StreamId, Known> = HashMap::new();
        for event in events.iter().filter(|event| event.aggregate_type == FulfilmentSaga::TYPE) {
            let id = event.aggregate_id;
            let mut saga = match touched.remove(&id) {
                Some(saga) => saga,
                None => self.before(event, sources.log).await?,
            };
            fold(&mut saga, event).map_err(|failure| poison(event, failure.to_string()))?;
            touched.insert(id, saga);
        }
        let changes = touched.iter().filter_map(|(id, saga)| saga_row(*id, &saga.state));
        let changes = changes.map(|row| RowChange::Put { table: &SAGAS, row }).collect();
        // Only now: a call that errs must leave nothing behind.
        for (id, saga) in touched {
            if saga.state.state().has_ended() {
                self.remembered.pop(&id);
            } else {
                self.remembered.put(id, Arc::new(saga));
            }
        }
        Ok(changes)
    }

    fn forget(&mut self) {
        self.remembered.clear();
    }
}

impl SagaList {
    /// The saga before an event.
    async fn before(&mut self, event: &EventEnvelope, log: &dyn EventStore) -> Result<Known, TakeError> {
        let last = Version(event.version.0.saturating_sub(1));
        if last == Version::NONE {
            return Ok(Known::default());
        }
        if let Some(known) = self.remembered.get(&event.aggregate_id).filter(|known| known.version == last) {
            return Ok(Known::clone(known));
        }
        match rehydrate(log, event.aggregate_id, Until::Version(last), PAGE).await {
            Ok(loaded) => Ok(loaded),
            Err(Failure::Unavailable(reason)) => Err(StoreError::Unavailable(reason).into()),
            Err(Failure::Unknown(reason)) => Err(StoreError::Unknown(reason).into()),
            Err(failure) => Err(poison(event, failure.to_string())),
        }
    }
}

fn poison(event: &EventEnvelope, reason: String) -> TakeError {
    TakeError::Unprocessable { stream: event.aggregate_id, version: event.version, position: event.position, reason }
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
