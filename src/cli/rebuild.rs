//! `ordo rebuild`

use std::time::Duration;

use ordo_actors::projection::ProjectionMetrics;
use ordo_actors::{
    aggregate::engine::Lifespan,
    projection::{
        ProjectionHandle,
        progress::{ProjectionLimits, ProjectionParts},
    },
};

use super::{CommandResult, arguments::RebuildCommand, output::say, progress::Progress};
use crate::{
    application::{ApplicationError, Core, open_stores_as_accepted},
    read_models::Projections,
};

/// How long the store may take to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// Builds a read model anew from the log, beside its live rows, and makes it the live one.
pub fn run(args: &RebuildCommand) -> CommandResult {
    actix_web::rt::System::new().block_on(async {
        let stores = open_stores_as_accepted(&args.store.url()?, args.store.accepted()).await?;
        let core = Core::start(stores, Lifespan::default(), Vec::new()).await?;
        let parts = ProjectionParts {
            log: core.store.clone(),
            rows: core.rows.clone(),
            feed: core.feed.clone(),
            clock: core.clock.clone(),
            limits: ProjectionLimits::default(),
            metrics: ProjectionMetrics::register(&core.metrics)?,
        };
        let projections = Projections::start(&parts, &core.states);
        let rebuilt = match projections.named(&args.name) {
            Some(projection) => {
                let mut broken = core.broken.clone();
                tokio::select! {
                    rebuilt = rebuild(projection, core.feed.head().0) => rebuilt,
                    reason = broken.wait_for(Option::is_some) => Err(broke(reason.ok().and_then(|reason| reason.clone()))),
                }
            }
            None => Err(unknown(&args.name, &projections)),
        };
        drop(projections);
        core.stop(PATIENCE).await;
        rebuilt
    })
}

async fn rebuild(projection: &ProjectionHandle, head: u64) -> CommandResult {
    projection.reached(ordo_actors::log::event::Position(head)).await;
    let mut watching = projection.watch();
    let generation = |progress: &ordo_actors::projection::progress::Progress| {
        progress.checkpoint.map_or(0, |checkpoint| checkpoint.generation)
    };
    let before = generation(&watching.borrow_and_update());
    if !projection.rebuild().await {
        return Err("another process runs this projection: ask it, at /admin/projections".into());
    }
    let bar = Progress::start("rebuilding", head);
    loop {
        watching.changed().await?;
        let progress = watching.borrow_and_update().clone();
        match progress.rebuild {
            Some(rebuild) => bar.at(rebuild.position.0),
            None if generation(&progress) > before => break,
            None => {}
        }
    }
    bar.finish();
    say(&format!("{} is rebuilt up to position {head}", projection.name()))?;
    Ok(())
}

fn broke(reason: Option<String>) -> Box<dyn std::error::Error> {
    ApplicationError::Broken(reason.unwrap_or_default()).into()
}

fn unknown(name: &str, projections: &Projections) -> Box<dyn std::error::Error> {
    let names: Vec<_> = projections.handles.iter().map(ProjectionHandle::name).collect();
    format!("there is no read model {name:?}; there are {}", names.join(", ")).into()
}
