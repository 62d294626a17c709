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

/// Starts the read models on a log without events, with this time for old rows.
async fn start(rows: &Arc<MemoryRows>, log: Arc<MemoryStore>, discard_after: Duration) -> (Core, Projections) {
    let stores = Stores { log, rows: rows.clone() };
    let core = Core::start(stores, Lifespan::default(), vec![actix::Arbiter::current()]).await.unwrap();
    let parts = ProjectionParts {
        log: core.store.clone(),
        rows: core.rows.clone(),
        feed: core.feed.clone(),
        clock: core.clock.clone(),
        limits: ProjectionLimits { discard_after, ..ProjectionLimits::default() },
        metrics: ProjectionMetrics::register(&core.metrics).unwrap(),
    };
    let projections = Projections::start(&parts, &core.states);
    (core, projections)
}

/// Waits until generations are gone.
async fn gone(rows: &MemoryRows, generations: &[u32]) {
    for generation in generations {
        while rows.checkpoint(MODEL, *generation).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }
}

#[actix_web::test]
async fn a_start_deletes_the_rows_that_a_process_has_left_behind_which_ended_after_a_rebuild() {
    let (rows, log) = (Arc::new(MemoryRows::new()), Arc::new(MemoryStore::new()));
    for number in 1..=3 {
        generation(&rows, &log, number).await;
    }
    let _running = start(&rows, log, Duration::ZERO).await;
    timeout(PATIENCE, gone(&rows, &[1, 2])).await.expect("old generations to go");
    assert_eq!([count(&rows, 1).await, count(&rows, 2).await, count(&rows, 3).await], [0, 0, 1]);
}

#[actix_web::test]
async fn rows_that_another_process_has_just_replaced_stay_for_those_who_read_them() {
    let (rows, log) = (Arc::new(MemoryRows::new()), Arc::new(MemoryStore::new()));
    for number in 1..=3 {
        generation(&rows, &log, number).await;
    }
    let (_core, projections) = start(&rows, log.clone(), Duration::from_secs(1)).await;
    let mut progress = projections.named(MODEL).unwrap().watch();
    progress.wait_for(|progress| progress.checkpoint.is_some()).await.unwrap();
    generation(&rows, &log, 4).await;
    timeout(PATIENCE, gone(&rows, &[1, 2])).await.expect("old generations to go");
    timeout(Duration::from_millis(200), gone(&rows, &[3])).await.expect_err("their readers have no time");
    assert_eq!([count(&rows, 3).await, count(&rows, 4).await], [1, 1]);
}
