//! What is left of read models that were built anew.

use std::{sync::Arc, time::Duration};

use ordo::{
    application::{Core, Stores},
    read_models::{Projections, tables::ORDER_HISTORY_PRODUCTS},
};
use ordo_actors::{
    aggregate::engine::Lifespan,
    log::store::EventStore,
    projection::{
        ProjectionMetrics,
        progress::{ProjectionLimits, ProjectionParts},
        row_store::{Page, RowChange, RowCommit, RowStore, RowVerdict, Value},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use tokio::time::timeout;
use uuid::Uuid;

const MODEL: &str = "order_history";
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes a generation of one row, and makes it the live one.
async fn generation(rows: &MemoryRows, log: &MemoryStore, generation: u32) {
    let epoch = log.head().await.unwrap().epoch;
    let at = rows.claim(MODEL, generation, epoch, Uuid::new_v4()).await.unwrap();
    let row = vec![Value::Text("widget".into()), Value::Int(1), Value::Text("an order".into())];
    let changes = vec![RowChange::Put { table: &ORDER_HISTORY_PRODUCTS, row }];
    let commit = RowCommit { model: MODEL, expected: at, next: at, changes, free: Vec::new(), park: Vec::new() };
    assert_eq!(rows.commit(commit).await.unwrap(), RowVerdict::Committed);
    assert_eq!(rows.switch(MODEL, at).await.unwrap(), RowVerdict::Committed);
}

async fn count(rows: &MemoryRows, generation: u32) -> usize {
    let (table, conditions) = (&ORDER_HISTORY_PRODUCTS, Vec::new());
    let page = Page { table, generation, conditions, order_by: 0, descending: false, after: None, limit: 10 };
    rows.page(&page).await.unwrap().len()
}

#[actix_web::test]
async fn a_start_deletes_the_rows_that_a_process_has_left_behind_which_ended_after_a_rebuild() {
    let (rows, log) = (Arc::new(MemoryRows::new()), Arc::new(MemoryStore::new()));
    for number in 1..=3 {
        generation(&rows, &log, number).await;
    }
    let stores = Stores { log, rows: rows.clone() };
    let core = Core::start(stores, Lifespan::default(), vec![actix::Arbiter::current()]).await.unwrap();
    let _projections = Projections::start(
        &ProjectionParts {
            log: core.store.clone(),
            rows: core.rows.clone(),
            feed: core.feed.clone(),
            clock: core.clock.clone(),
            limits: ProjectionLimits { discard_after: Duration::ZERO, ..ProjectionLimits::default() },
            metrics: ProjectionMetrics::register(&core.metrics).unwrap(),
        },
        &core.states,
    );
    let gone = async {
        while rows.checkpoint(MODEL, 1).await.unwrap().is_some() || rows.checkpoint(MODEL, 2).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("old generations to go");
    assert_eq!([count(&rows, 1).await, count(&rows, 2).await, count(&rows, 3).await], [0, 0, 1]);
}
