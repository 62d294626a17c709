//! Who runs the projection, as others may: finding out that another process does, standing by, taking over, and clearing away
//! generations that nobody reads any more.

use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::time::Instant;

use super::ProjectionActor;
use crate::{
    event::Position,
    projection_progress::ProjectionState,
    projector::Projector,
    row_store::{Checkpoint, RowStore, Table},
    store::StoreError,
};

impl ProjectionActor {
    /// Looks whether this is still the process that runs the projection. A commit would find out as well, but without events
    /// there is none, and readers would go on with rows that another process has replaced.
    pub(super) fn look(&mut self, ctx: &mut Context<Self>) {
        let Some(mine) = self.projector.as_ref().map(Projector::checkpoint) else { return };
        let (rows, name) = (Arc::clone(&self.parts.rows), self.name);
        let looking = async move { rows.live(name).await };
        ctx.wait(looking.into_actor(self).map(move |found, actor, ctx| {
            let is_mine = |live: Checkpoint| live.owner == mine.owner && live.generation == mine.generation;
            // A store that does not answer is told of by the next turn.
            if let Ok(Some(live)) = found
                && !is_mine(live)
            {
                actor.projector = None;
                actor.superseded(ctx);
                actor.progress.send_modify(|progress| progress.checkpoint = Some(live));
            }
        }));
    }

    /// Leaves the projection to the process that has claimed it.
    pub(super) fn superseded(&mut self, ctx: &mut Context<Self>) {
        log::info!("{}: another process runs this projection now", self.name);
        self.show(ProjectionState::StandingBy, None);
        self.stand_by(ctx, None);
    }

    /// Watches the runner elsewhere, and takes over when it stands still while the log grows.
    fn stand_by(&mut self, ctx: &mut Context<Self>, seen: Option<(Position, Instant)>) {
        let (rows, log, name, pause) =
            (Arc::clone(&self.parts.rows), Arc::clone(&self.parts.log), self.name, self.parts.limits.pause);
        let looking = async move { (rows.live(name).await, log.head().await) };
        ctx.run_later(pause, move |actor, ctx| {
            ctx.wait(looking.into_actor(actor).map(move |found, actor, ctx| match found {
                (Ok(Some(live)), Ok(head)) => {
                    let since = match seen {
                        Some((position, since)) if position == live.position => since,
                        _ => Instant::now(),
                    };
                    actor.progress.send_modify(|progress| {
                        progress.checkpoint = Some(live);
                        progress.head = head.position;
                    });
                    let still = since.elapsed() >= actor.parts.limits.replace_after;
                    if still && live.position < head.position {
                        log::warn!("{}: the process that ran this projection stands still; taking over", actor.name);
                        actor.claim(ctx);
                    } else {
                        actor.stand_by(ctx, Some((live.position, since)));
                    }
                }
                (Err(error), _) | (_, Err(error)) => {
                    actor.progress.send_modify(|progress| progress.trouble = Some(error.to_string()));
                    actor.stand_by(ctx, None);
                }
                (Ok(None), _) => actor.claim(ctx),
            }));
        });
    }

    /// Deletes the generations before the live one, also those that a process has left behind that ended too early. Not at
    /// once: other processes may still read them. Piece by piece, between turns.
    pub(super) fn discard_old(&mut self, ctx: &mut Context<Self>) {
        let (rows, name, tables, limit) =
            (Arc::clone(&self.parts.rows), self.name, (self.make)().tables(), self.parts.limits.discard_rows);
        ctx.run_later(self.parts.limits.discard_after, move |actor, ctx| {
            let discarding = async move {
                if let Err(error) = discard_before_live(rows.as_ref(), name, tables, limit).await {
                    log::warn!("{name}: old rows are left for later: {error}");
                }
            };
            ctx.spawn(discarding.into_actor(actor));
        });
    }
}

async fn discard_before_live(
    rows: &dyn RowStore,
    name: &'static str,
    tables: &[&'static Table],
    limit: usize,
) -> Result<(), StoreError> {
    let live = rows.live(name).await?.map_or(0, |live| live.generation);
    for generation in 1..live {
        if rows.checkpoint(name, generation).await?.is_some() {
            while !rows.discard(name, tables, generation, limit).await? {}
        }
    }
    Ok(())
}
