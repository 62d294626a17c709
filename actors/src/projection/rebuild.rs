//! Generations of a read model: which one to run, how the next one is built, and how it takes over.

use tokio::sync::watch;

use crate::{
    log::store::StoreError,
    projection::{
        ReadModel,
        progress::{MakeModel, Progress, ProjectionParts, Rebuilding},
        projector::{ProjectionStores, Projector, Step},
        row_store::{Checkpoint, RowVerdict},
    },
};

/// Claims the live generation, or the first, or, when the log is another one than the rows are of, a new one.
pub(crate) async fn claim(
    parts: &ProjectionParts,
    make: &MakeModel,
    name: &'static str,
) -> Result<Projector, StoreError> {
    let stores = ProjectionStores::of(parts);
    let head = parts.log.head().await?;
    let live = parts.rows.live(name).await?;
    let generation = live.map_or(1, |live| live.generation);
    let Some(live) = live.filter(|live| live.epoch != head.epoch || live.position > head.position) else {
        return Projector::claim(make(), stores, generation, head.epoch).await;
    };
    log::error!("{name}: its rows are of another log (they end at {}); it is built anew", live.position);
    let projector = Projector::claim(make(), stores, generation + 1, head.epoch).await?;
    match projector.go_live().await? {
        RowVerdict::Committed => Ok(projector),
        RowVerdict::Superseded => Err(StoreError::Unavailable("another process claims the projection".into())),
    }
}

/// Builds the next generation until it is within a batch of the log's end.
pub(crate) async fn build(
    parts: &ProjectionParts,
    model: Box<dyn ReadModel>,
    live: Checkpoint,
    progress: &watch::Sender<Progress>,
) -> Result<Projector, StoreError> {
    let stores = ProjectionStores::of(parts);
    let generation = live.generation + 1;
    let name = model.name();
    // What an earlier rebuild left behind when it was cut off.
    let tables = model.tables();
    while !parts.rows.discard(name, tables, generation, parts.limits.discard_rows).await? {}
    let mut projector = Projector::claim(model, stores, generation, live.epoch).await?;
    loop {
        let step = projector.advance(Vec::new(), parts.limits.batch_events, None).await?;
        let position = projector.checkpoint().position;
        progress.send_modify(|progress| progress.rebuild = Some(Rebuilding { generation, position }));
        let near = position.plus(parts.limits.batch_events as u64) >= parts.feed.head();
        match step {
            Step::Superseded => return Err(StoreError::Unavailable("another process rebuilds it".into())),
            Step::Idle => return Ok(projector),
            Step::Advanced { .. } if near => return Ok(projector),
            Step::Advanced { .. } => {}
        }
    }
}

/// Brings both to the same position, compares them and makes the new one live. Gives it back, and the old generation.
///
/// Either may be ahead: the new one reads the log to its end, while the live one waits for events to gather.
pub(crate) async fn switch(
    mut old: Projector,
    mut new: Projector,
    page: usize,
) -> Result<(Projector, u32), StoreError> {
    let end = old.checkpoint().position.max(new.checkpoint().position);
    for projector in [&mut old, &mut new] {
        while projector.checkpoint().position < end {
            match projector.advance(Vec::new(), page, Some(end)).await? {
                Step::Advanced { .. } => {}
                Step::Idle | Step::Superseded => return Err(StoreError::Unavailable("it could not catch up".into())),
            }
        }
    }
    new.copy_skips_from(&old).await?;
    let generation = old.checkpoint().generation;
    let differences = new.differences(generation).await?;
    if differences > 0 {
        log::warn!("{differences} rows differed from a fold of the log and are mended by the rebuild");
    }
    match new.go_live().await? {
        RowVerdict::Committed => Ok((new, generation)),
        RowVerdict::Superseded => Err(StoreError::Unavailable("another process runs the projection".into())),
    }
}
