//! The actor of a read model: claims it, catches up, follows the feed, waits when another process does so, rebuilds.
//!
//! ```text
//!   started -> claim -> catch up from the log -> follow the feed <-+
//!                ^            ^---- lagged, or a jump -------------+
//!                |                                                 | superseded
//!                +---- the other runner stands still -- stand by <-+
//! ```
//! Rows are written when a batch is full, the linger time is over, or a reader waits for a position.

mod dead_letters;
mod ownership;

use std::sync::Arc;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};
use tokio::sync::watch;

use crate::{
    log::{
        event::Position,
        event_feed::{FeedItem, Subscription},
        store::StoreError,
    },
    projection::{
        backlog::Backlog,
        progress::{MakeModel, Progress, ProjectionParts, ProjectionState},
        projector::{Projector, Step},
        rebuild::{build, claim, switch},
        row_store::PeerSignal,
    },
};
use ownership::Standby;

/// One side of a projection that many may hold: how far it is, and a way to have its rows written now.
#[derive(Clone)]
pub struct ProjectionHandle {
    actor: Addr<ProjectionActor>,
    progress: watch::Receiver<Progress>,
    name: &'static str,
}

impl ProjectionHandle {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Follows how far it is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until the rows have come to a position; ends only when they have, or when the projection ends.
    pub async fn reached(&self, position: Position) {
        let mut progress = self.progress.clone();
        let there = |progress: &Progress| progress.checkpoint.is_some_and(|checkpoint| checkpoint.position >= position);
        if there(&progress.borrow_and_update()) {
            return;
        }
        // A full mailbox means that it is writing already.
        let _ = self.actor.try_send(FlushNow(position));
        let _ = progress.wait_for(there).await;
    }

    /// Builds the read model anew beside the live one and switches to it. Answers when it has begun; false when a rebuild is
    /// under way, or another process runs the projection.
    pub async fn rebuild(&self) -> bool {
        self.actor.send(Rebuild).await.unwrap_or(false)
    }
}

/// Writes what is waiting, now: a reader waits for this position.
#[derive(Message)]
#[rtype(result = "()")]
struct FlushNow(Position);

/// Another process calls.
#[derive(Message)]
#[rtype(result = "()")]
struct PeerSignalled(PeerSignal);

/// The log has grown.
#[derive(Message)]
#[rtype(result = "()")]
struct LogGrown;

/// Begins a rebuild.
#[derive(Message)]
#[rtype(result = "bool")]
struct Rebuild;

/// A rebuild has come near the live rows, or has failed.
#[derive(Message)]
#[rtype(result = "()")]
struct Handover(Result<Box<Projector>, StoreError>);

/// The actor of one read model.
pub struct ProjectionActor {
    parts: ProjectionParts,
    make: MakeModel,
    name: &'static str,
    /// Away while it is at work, and while another process runs the projection.
    projector: Option<Projector>,
    feed: Subscription,
    backlog: Backlog,
    linger: Option<SpawnHandle>,
    /// There while another process runs the projection.
    standby: Option<Standby>,
    progress: watch::Sender<Progress>,
    last_at: Option<chrono::DateTime<chrono::Utc>>,
    rebuilding: bool,
}

impl ProjectionActor {
    /// Starts a projection on the current arbiter.
    #[must_use]
    pub fn start_with(parts: ProjectionParts, make: MakeModel) -> ProjectionHandle {
        let name = make().name();
        let (progress, watching) = watch::channel(Progress::starting(parts.feed.head()));
        // Joined before the log is read: nothing falls between the two.
        let feed = parts.feed.subscribe();
        let backlog = Backlog::of(parts.limits.batch_events);
        let actor = Self {
            parts,
            make,
            name,
            projector: None,
            feed,
            backlog,
            linger: None,
            standby: None,
            progress,
            last_at: None,
            rebuilding: false,
        };
        ProjectionHandle { actor: actor.start(), progress: watching, name }
    }

    /// Takes the read model over from the process that ran it before.
    fn claim(&mut self, ctx: &mut Context<Self>) {
        let (parts, make, name) = (self.parts.clone(), Arc::clone(&self.make), self.name);
        let claiming = async move { claim(&parts, &make, name).await };
        ctx.wait(claiming.into_actor(self).map(|claimed, actor, ctx| match claimed {
            Ok(projector) => {
                actor.projector = Some(projector);
                actor.parts.rows.signal_peers(PeerSignal::Claimed);
                actor.show(ProjectionState::CatchingUp, None);
                actor.discard_old(ctx);
                actor.turn(ctx);
            }
            Err(error) => actor.trouble(&error, ctx, Self::claim),
        }));
    }

    /// Takes in a batch; goes on until there is nothing left, then waits for the feed.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        self.fill_backlog();
        let Some(mut projector) = self.projector.take() else { return };
        if let Some(linger) = self.linger.take() {
            ctx.cancel_future(linger);
        }
        let backlog = self.backlog.take();
        let page = self.parts.limits.batch_events;
        let working = async move {
            let step = projector.advance(backlog, page, None).await;
            (projector, step)
        };
        ctx.wait(working.into_actor(self).map(|(projector, step), actor, ctx| actor.after_turn(projector, step, ctx)));
    }

    /// Takes from the feed what follows on; everything while another process runs the projection, so that the feed keeps nothing
    /// for it.
    fn fill_backlog(&mut self) {
        while !self.backlog.is_full() {
            match (self.feed.try_next(), &self.projector) {
                (Some(FeedItem::Appended(appended)), Some(projector)) => {
                    self.backlog.push(projector.checkpoint().position, &appended.events);
                }
                (Some(FeedItem::Appended(_) | FeedItem::Lagged), _) => {}
                (Some(FeedItem::Closed) | None, _) => return,
            }
        }
    }

    fn after_turn(&mut self, projector: Projector, step: Result<Step, StoreError>, ctx: &mut Context<Self>) {
        match step {
            Ok(Step::Advanced { events, last }) => {
                self.projector = Some(projector);
                self.last_at = Some(last.timestamp);
                self.parts.metrics.events(self.name, events);
                let behind = last.position < self.parts.feed.head();
                self.show(if behind { ProjectionState::CatchingUp } else { ProjectionState::Live }, None);
                if behind {
                    self.turn(ctx);
                }
            }
            Ok(Step::Idle) => {
                self.projector = Some(projector);
                self.show(ProjectionState::Live, None);
            }
            Ok(Step::Superseded) => self.superseded(ctx),
            Err(error) => {
                self.projector = Some(projector);
                self.trouble(&error, ctx, Self::turn);
            }
        }
    }

    /// Says what is wrong, lets a pause pass and tries again.
    fn trouble(&mut self, error: &StoreError, ctx: &mut Context<Self>, again: fn(&mut Self, &mut Context<Self>)) {
        log::warn!("{}: {error}", self.name);
        let state = self.progress.borrow().state;
        self.show(state, Some(error.to_string()));
        ctx.run_later(self.parts.limits.pause, again);
    }

    /// Publishes where the projection stands.
    fn show(&self, state: ProjectionState, trouble: Option<String>) {
        let head = self.parts.feed.head();
        self.progress.send_modify(|progress| {
            progress.state = state;
            progress.trouble = trouble;
            if let Some(projector) = &self.projector {
                progress.checkpoint = Some(projector.checkpoint());
                progress.parked_streams = projector.parked_streams();
            }
            progress.measure(head, self.last_at, self.parts.clock.now());
            self.parts.metrics.show(self.name, progress);
        });
    }

    fn rebuild(&mut self, ctx: &mut Context<Self>) -> bool {
        let Some(live) = self.projector.as_ref().map(Projector::checkpoint).filter(|_| !self.rebuilding) else {
            return false;
        };
        self.rebuilding = true;
        let (parts, model, progress) = (self.parts.clone(), (self.make)(), self.progress.clone());
        let address = ctx.address();
        let building = async move {
            let built = build(&parts, model, live, &progress).await;
            let _ = address.send(Handover(built.map(Box::new))).await;
        };
        ctx.spawn(building.into_actor(self));
        true
    }

    /// Brings the new generation to where the live one stands, compares, and switches.
    fn hand_over(&mut self, new: Projector, ctx: &mut Context<Self>) {
        let Some(old) = self.projector.take() else { return self.end_rebuild() };
        let page = self.parts.limits.batch_events;
        let switching = async move { switch(old, new, page).await };
        ctx.wait(switching.into_actor(self).map(|switched, actor, ctx| {
            actor.end_rebuild();
            match switched {
                Ok((projector, _)) => {
                    log::info!("{}: rebuilt; generation {} is live", actor.name, projector.checkpoint().generation);
                    actor.projector = Some(projector);
                    actor.show(ProjectionState::CatchingUp, None);
                    actor.discard_old(ctx);
                    actor.turn(ctx);
                }
                Err(error) => {
                    log::error!("{}: the rebuild was given up: {error}", actor.name);
                    actor.claim(ctx);
                }
            }
        }));
    }

    fn end_rebuild(&mut self) {
        self.rebuilding = false;
        self.progress.send_modify(|progress| progress.rebuild = None);
    }
}

impl Actor for ProjectionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let mut head = self.parts.feed.watch_head();
        let address = ctx.address().downgrade();
        let watching = async move {
            while head.changed().await.is_ok() {
                let Some(actor) = address.upgrade() else { return };
                if actor.send(LogGrown).await.is_err() {
                    return;
                }
            }
        };
        actix::spawn(watching);
        self.hear_peers(ctx);
        self.claim(ctx);
        if self.parts.log.is_shared() {
            ctx.run_interval(self.parts.limits.look_every, Self::look);
        }
    }
}

impl Handler<LogGrown> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, LogGrown: LogGrown, ctx: &mut Context<Self>) {
        self.fill_backlog();
        if self.projector.is_none() {
            return;
        }
        if self.backlog.len() >= self.parts.limits.batch_events / 2 {
            self.turn(ctx);
        } else if self.linger.is_none() {
            self.linger = Some(ctx.run_later(self.parts.limits.linger, |actor, ctx| {
                actor.linger = None;
                actor.turn(ctx);
            }));
        }
    }
}

impl Handler<FlushNow> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, FlushNow(position): FlushNow, ctx: &mut Context<Self>) {
        if self.standby.is_some() { self.flush_elsewhere(position, ctx) } else { self.turn(ctx) }
    }
}

impl Handler<PeerSignalled> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, PeerSignalled(call): PeerSignalled, ctx: &mut Context<Self>) {
        match call {
            PeerSignal::FlushNow => self.turn(ctx),
            PeerSignal::Claimed => self.look(ctx),
        }
    }
}

impl Handler<Rebuild> for ProjectionActor {
    type Result = bool;

    fn handle(&mut self, _: Rebuild, ctx: &mut Context<Self>) -> bool {
        self.rebuild(ctx)
    }
}

impl Handler<Handover> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, Handover(built): Handover, ctx: &mut Context<Self>) {
        match built {
            Ok(projector) => self.hand_over(*projector, ctx),
            Err(error) => {
                log::error!("{}: the rebuild was given up: {error}", self.name);
                self.end_rebuild();
            }
        }
    }
}
