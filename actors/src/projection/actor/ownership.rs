//! Who runs the projection, as others may: finding out that another process does, standing by, taking over, and clearing away
//! generations that nobody reads any more.

use std::{sync::Arc, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, SpawnHandle, WrapFuture};
use chrono::{DateTime, Utc};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{PeerSignalled, ProjectionActor};
use crate::{
    log::{
        event::Position,
        store::{LogQuery, StoreError},
    },
    projection::{
        progress::{ProjectionParts, ProjectionState},
        projector::Projector,
        row_store::{Checkpoint, PeerSignal, RowStore, Table},
    },
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
            }
        }));
    }

    /// Hears what other processes that share the rows ask for.
    pub(super) fn hear_peers(&self, ctx: &mut Context<Self>) {
        let Some(mut calls) = self.parts.rows.peer_signals() else { return };
        let address = ctx.address().downgrade();
        actix::spawn(async move {
            loop {
                let call = match calls.recv().await {
                    Ok(call) => call,
                    // Of those that were missed, any may have been this one; the other comes by itself with the next event.
                    Err(RecvError::Lagged(_)) => PeerSignal::Claimed,
                    Err(RecvError::Closed) => return,
                };
                let Some(actor) = address.upgrade() else { return };
                if actor.send(PeerSignalled(call)).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Leaves the projection to the process that has claimed it.
    pub(super) fn superseded(&mut self, ctx: &mut Context<Self>) {
        log::info!("{}: another process runs this projection now", self.name);
        self.show(ProjectionState::StandingBy, None);
        self.stand_by(ctx, Standby::new(), Duration::ZERO);
    }

    /// Asks the process that runs the projection to write now, and looks more often until it has, for a bounded number of times.
    pub(super) fn flush_elsewhere(&mut self, position: Position, ctx: &mut Context<Self>) {
        let Some(mut standby) = self.standby.take() else { return };
        standby.awaited = standby.awaited.max(position);
        standby.quick_looks = QUICK_LOOKS;
        self.parts.rows.signal_peers(PeerSignal::FlushNow);
        self.stand_by(ctx, standby, QUICK_PAUSE);
    }

    /// Watches the runner elsewhere, and takes over when it stands still while the log grows.
    fn stand_by(&mut self, ctx: &mut Context<Self>, mut standby: Standby, pause: Duration) {
        if let Some(next) = standby.next.take() {
            ctx.cancel_future(next);
        }
        let next = ctx.run_later(pause, |actor, ctx| {
            let Some(standby) = actor.standby.take() else { return };
            let (parts, name) = (actor.parts.clone(), actor.name);
            let looking = async move { Elsewhere::look(&parts, name).await };
            ctx.wait(looking.into_actor(actor).map(move |found, actor, ctx| match found {
                Ok(Some(elsewhere)) => actor.after_look(standby, &elsewhere, ctx),
                Ok(None) => actor.claim(ctx),
                Err(error) => {
                    actor.progress.send_modify(|progress| progress.trouble = Some(error.to_string()));
                    actor.stand_by(ctx, Standby::new(), actor.parts.limits.pause);
                }
            }));
        });
        self.standby = Some(Standby { next: Some(next), ..standby });
    }

    fn after_look(&mut self, mut standby: Standby, elsewhere: &Elsewhere, ctx: &mut Context<Self>) {
        let Elsewhere { live, head, .. } = *elsewhere;
        self.show_elsewhere(elsewhere);
        if standby.seen != Some(live.position) {
            standby.seen = Some(live.position);
            standby.since = Instant::now();
        }
        if standby.since.elapsed() >= self.parts.limits.replace_after && live.position < head {
            log::warn!("{}: the process that ran this projection stands still; taking over", self.name);
            return self.claim(ctx);
        }
        let is_awaited = live.position < standby.awaited && standby.quick_looks > 0;
        standby.quick_looks = if is_awaited { standby.quick_looks - 1 } else { 0 };
        self.stand_by(ctx, standby, if is_awaited { QUICK_PAUSE } else { self.parts.limits.pause });
    }

    /// Publishes where the projection stands while another process runs it: as its checkpoint says.
    fn show_elsewhere(&self, elsewhere: &Elsewhere) {
        self.progress.send_modify(|progress| {
            progress.state = ProjectionState::StandingBy;
            progress.trouble = None;
            progress.checkpoint = Some(elsewhere.live);
            progress.parked_streams = elsewhere.parked;
            progress.measure(elsewhere.head, elsewhere.last_at, self.parts.clock.now());
            self.parts.metrics.show(self.name, progress);
        });
    }

    /// Deletes the generations before the one this process runs, also those that a process has left behind that ended too early.
    /// Not at once: other processes may still read them. One that is replaced meanwhile is left to the process that replaces
    /// it, which gives its readers the same time.
    pub(super) fn discard_old(&mut self, ctx: &mut Context<Self>) {
        let Some(live) = self.projector.as_ref().map(|projector| projector.checkpoint().generation) else { return };
        let (rows, name, tables, limit) =
            (Arc::clone(&self.parts.rows), self.name, (self.make)().tables(), self.parts.limits.discard_rows);
        ctx.run_later(self.parts.limits.discard_after, move |actor, ctx| {
            let discarding = async move {
                if let Err(error) = discard_before(live, rows.as_ref(), name, tables, limit).await {
                    log::warn!("{name}: old rows are left for later: {error}");
                }
            };
            ctx.spawn(discarding.into_actor(actor));
        });
    }
}

/// How often in a row the runner elsewhere is looked at quickly while a reader waits, and the pause between.
const QUICK_LOOKS: u32 = 50;
const QUICK_PAUSE: Duration = Duration::from_millis(8);

/// What is remembered from look to look while another process runs the projection.
pub(super) struct Standby {
    next: Option<SpawnHandle>,
    /// Where the runner was seen, and since when it has stood there.
    seen: Option<Position>,
    since: Instant,
    /// The furthest position a reader waits for, and how many quick looks are left for it.
    awaited: Position,
    quick_looks: u32,
}

impl Standby {
    fn new() -> Self {
        Self { next: None, seen: None, since: Instant::now(), awaited: Position::START, quick_looks: 0 }
    }
}

/// A projection that another process runs, as the store has it.
struct Elsewhere {
    live: Checkpoint,
    head: Position,
    /// When the last event taken in was recorded; looked up only while others wait.
    last_at: Option<DateTime<Utc>>,
    parked: usize,
}

impl Elsewhere {
    /// `None` when nobody has ever run it.
    async fn look(parts: &ProjectionParts, name: &'static str) -> Result<Option<Self>, StoreError> {
        let Some(live) = parts.rows.live(name).await? else { return Ok(None) };
        let head = parts.log.head().await?.position;
        let letters = parts.rows.dead_letters(name, live.generation).await?;
        let parked = letters.iter().filter(|letter| letter.skipped.is_none()).count();
        let last_at = if Position::START < live.position && live.position < head {
            let last = LogQuery::after(Position(live.position.0 - 1), 1);
            parts.log.read_all(&last).await?.first().map(|event| event.timestamp)
        } else {
            None
        };
        Ok(Some(Self { live, head, last_at, parked }))
    }
}

/// Deletes the generations before one, piece by piece, between turns.
async fn discard_before(
    live: u32,
    rows: &dyn RowStore,
    name: &'static str,
    tables: &[&'static Table],
    limit: usize,
) -> Result<(), StoreError> {
    for generation in 1..live {
        if rows.checkpoint(name, generation).await?.is_some() {
            while !rows.discard(name, tables, generation, limit).await? {}
        }
    }
    Ok(())
}
