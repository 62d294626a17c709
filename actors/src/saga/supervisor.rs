//! Runs the sagas of one kind: each in an actor of its own, a bounded number at once, and after a crash those that were open.
//!
//! ```text
//!  ensure_running, ask -> SagaSupervisor -> SagaActor -> Runner -> SagaEffects: calls, commits
//!                             ^    ^            |
//!          OpenSagas -- sweep-+    +--- Ended --+
//! ```
//! **Invariant:** what is in memory here is a convenience. A saga that nobody runs is found in the durable index within a sweep.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture,
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{
    SagaCommand, SagaDefinition, SagaState,
    actor::SagaActor,
    context::{SagaAnswer, SagaContext, SagaRefusal, SagaRequest},
    effects::{OpenSaga, OpenSagas, SagaEffects},
    limits::SagaLimits,
    metrics::SagaMetrics,
    runner::{RunEnd, Runner},
};
use crate::{
    clock::Clock,
    failure::Failure,
    log::{
        event::{StreamId, Version},
        store::{EventStore, StoreError},
    },
};

/// What a supervisor is made of.
pub struct SagaParts<E: SagaEffects> {
    /// What its sagas do to the world.
    pub effects: Arc<E>,
    /// Where sagas are read.
    pub store: Arc<dyn EventStore>,
    /// Where the open ones are found.
    pub open: Arc<dyn OpenSagas>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The limits.
    pub limits: SagaLimits,
    /// The counters.
    pub metrics: SagaMetrics,
}

/// The way to a supervisor, for many.
pub struct SagaHandle<E: SagaEffects>(Addr<SagaSupervisor<E>>);

impl<E: SagaEffects> Clone for SagaHandle<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A saga and the caller that waits for its end.
pub struct WatchedSaga(watch::Receiver<Option<SagaState>>);

impl WatchedSaga {
    /// Waits until the saga has ended, or is stuck; nothing when the supervisor stops before. For as long as it takes.
    pub async fn settled(mut self) -> Option<SagaState> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|state| *state)
    }
}

/// The most messages that wait in the supervisor's mailbox.
const MAILBOX: usize = 16_384;

/// The most stuck sagas that are counted.
const MOST_STUCK: usize = 1000;

impl<E: SagaEffects> SagaHandle<E> {
    /// Starts a supervisor on the current arbiter; it looks for open sagas at once.
    #[must_use]
    pub fn start(parts: SagaParts<E>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let SagaParts { effects, store, open, clock, limits, metrics } = parts;
        let calls = Semaphore::new(limits.calls_out.max(1));
        let context = Arc::new(SagaContext { effects, store, clock, metrics, calls, stopping });
        Self(SagaSupervisor::create(|ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            SagaSupervisor { context, open, limits, running: HashMap::new(), stop, stop_reply: None }
        }))
    }

    /// Runs a saga if nobody does, and lets the caller wait for it. `begun_at` is the version it has when the caller has
    /// just started it: its first call needs no asking then.
    ///
    /// # Errors
    /// Too many sagas run: this one is run later, from the durable index. Or the supervisor has stopped.
    pub async fn ensure_running(&self, saga_id: StreamId, begun_at: Option<Version>) -> Result<WatchedSaga, Failure> {
        self.0.send(EnsureRunning { saga_id, begun_at }).await.map_err(|_| stopped())?.map(WatchedSaga)
    }

    /// Asks something of a saga, running it if nobody does, and tells the state it is in then.
    ///
    /// # Errors
    /// A rule of the saga says no, or the machinery failed.
    pub async fn ask(&self, saga_id: StreamId, command: SagaCommand<E::Definition>) -> SagaAnswer {
        let (reply, answer) = oneshot::channel();
        let forward = Deliver { saga_id, ask: SagaRequest { command, reply } };
        self.0.send(forward).await.map_err(|_| SagaRefusal::Failed(stopped()))?;
        let died = |_| SagaRefusal::Failed(Failure::Unknown("the saga's actor died".into()));
        answer.await.map_err(died)?
    }

    /// Stops issuing calls and lets the commits in flight finish. What is open goes on after the next start.
    pub async fn stop(&self) {
        let (tell, told) = oneshot::channel();
        if self.0.send(Stop(tell)).await.is_ok() {
            // An error means that it has stopped already.
            let _ = told.await;
        }
    }
}

fn stopped() -> Failure {
    Failure::Unavailable("the sagas have stopped".into())
}

/// The supervisor.
pub(crate) struct SagaSupervisor<E: SagaEffects> {
    context: Arc<SagaContext<E>>,
    open: Arc<dyn OpenSagas>,
    limits: SagaLimits,
    running: HashMap<StreamId, Running<E>>,
    stop: watch::Sender<bool>,
    /// Told when the last run has ended.
    stop_reply: Option<oneshot::Sender<()>>,
}

/// A saga in memory.
struct Running<E: SagaEffects> {
    inbox: mpsc::Sender<SagaRequest<E::Definition>>,
    /// Requests that came when the run was ending: for the next one.
    next: Vec<SagaRequest<E::Definition>>,
    settled: watch::Sender<Option<SagaState>>,
}

#[derive(Message)]
#[rtype(result = "Result<watch::Receiver<Option<SagaState>>, Failure>")]
struct EnsureRunning {
    saga_id: StreamId,
    begun_at: Option<Version>,
}

struct Deliver<D: SagaDefinition> {
    saga_id: StreamId,
    ask: SagaRequest<D>,
}

impl<D: SagaDefinition> Message for Deliver<D> {
    type Result = ();
}

/// A run has ended; how it did is unknown when it panicked.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ended {
    pub saga_id: StreamId,
    pub end: Option<RunEnd>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop(oneshot::Sender<()>);

impl<E: SagaEffects> SagaSupervisor<E> {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    fn has_room(&self) -> bool {
        !self.is_stopping() && self.running.len() < self.limits.running
    }

    /// The saga, run if it was not.
    fn ensure(
        &mut self,
        saga_id: StreamId,
        begun_at: Option<Version>,
        ctx: &mut Context<Self>,
    ) -> Result<&mut Running<E>, Failure> {
        let has_room = self.has_room();
        match self.running.entry(saga_id) {
            Slot::Occupied(running) => Ok(running.into_mut()),
            Slot::Vacant(_) if !has_room => Err(Failure::Overloaded),
            Slot::Vacant(slot) => {
                let inbox = run(&self.context, self.limits.inbox, saga_id, begun_at, ctx.address());
                self.context.metrics.running.inc();
                Ok(slot.insert(Running { inbox, next: Vec::new(), settled: watch::Sender::new(None) }))
            }
        }
    }

    /// Runs a saga once more, with the requests that waited for that.
    fn run_again(&mut self, saga_id: StreamId, ctx: &Context<Self>) {
        let Some(running) = self.running.get_mut(&saga_id) else { return };
        running.inbox = run(&self.context, self.limits.inbox, saga_id, None, ctx.address());
        for ask in running.next.drain(..) {
            refuse_if_full(running.inbox.try_send(ask));
        }
    }

    fn forget(&mut self, saga_id: StreamId, state: Option<SagaState>) {
        if let Some(running) = self.running.remove(&saga_id) {
            self.context.metrics.running.dec();
            if state.is_some() {
                running.settled.send_replace(state);
            }
        }
    }

    /// Looks through the durable index for sagas that nobody runs.
    fn sweep(&mut self, quiet: Duration, ctx: &mut Context<Self>) {
        let quiet_since = self.context.clock.now() - TimeDelta::from_std(quiet).unwrap_or(TimeDelta::MAX);
        self.sweep_page(quiet_since, None, ctx);
    }

    fn sweep_page(&mut self, quiet_since: DateTime<Utc>, after: Option<OpenSaga>, ctx: &mut Context<Self>) {
        let (open, page) = (Arc::clone(&self.open), self.limits.page.max(1));
        let reading = async move { open.open(quiet_since, after, page).await };
        ctx.spawn(reading.into_actor(self).map(move |found, actor, ctx| match found {
            Ok(found) => {
                let is_last = found.len() < page || !actor.has_room();
                let after = found.last().copied();
                for saga in found {
                    // Without room it stays in the index.
                    let _ = actor.ensure(saga.saga_id, None, ctx);
                }
                if is_last { actor.plan_sweep(ctx) } else { actor.sweep_page(quiet_since, after, ctx) }
            }
            Err(error) => {
                log::warn!("open sagas could not be looked for: {error}");
                actor.plan_sweep(ctx);
            }
        }));
    }

    fn plan_sweep(&mut self, ctx: &mut Context<Self>) {
        if self.is_stopping() {
            return;
        }
        let open = Arc::clone(&self.open);
        let counting = async move { open.stuck(MOST_STUCK).await };
        ctx.spawn(counting.into_actor(self).map(|stuck: Result<usize, StoreError>, actor, _| {
            if let Ok(stuck) = stuck {
                actor.context.metrics.stuck.set(i64::try_from(stuck).unwrap_or(i64::MAX));
            }
        }));
        ctx.run_later(self.limits.sweep_every, |actor, ctx| {
            if !actor.is_stopping() {
                actor.sweep(actor.limits.quiet, ctx);
            }
        });
    }

    fn end_if_done(&mut self, ctx: &mut Context<Self>) {
        if self.is_stopping() && self.running.is_empty() {
            if let Some(stop_reply) = self.stop_reply.take() {
                // The caller of `stop` may have gone.
                let _ = stop_reply.send(());
            }
            ctx.stop();
        }
    }
}

/// Starts a run in an actor of its own.
fn run<E: SagaEffects>(
    context: &Arc<SagaContext<E>>,
    inbox: usize,
    saga_id: StreamId,
    begun_at: Option<Version>,
    supervisor: Addr<SagaSupervisor<E>>,
) -> mpsc::Sender<SagaRequest<E::Definition>> {
    let (sender, inbox) = mpsc::channel(inbox.max(1));
    let runner = Runner { saga_id, context: Arc::clone(context), inbox, begun_at };
    SagaActor::new(runner, supervisor).start();
    sender
}

/// Tells the asker that there was no room for a request.
fn refuse_if_full<D: SagaDefinition>(sent: Result<(), mpsc::error::TrySendError<SagaRequest<D>>>) {
    if let Err(mpsc::error::TrySendError::Full(ask) | mpsc::error::TrySendError::Closed(ask)) = sent {
        let _ = ask.reply.send(Err(SagaRefusal::Failed(Failure::Overloaded)));
    }
}

impl<E: SagaEffects> Actor for SagaSupervisor<E> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.sweep(Duration::ZERO, ctx);
    }
}

impl<E: SagaEffects> Handler<EnsureRunning> for SagaSupervisor<E> {
    type Result = MessageResult<EnsureRunning>;

    fn handle(&mut self, EnsureRunning { saga_id, begun_at }: EnsureRunning, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.ensure(saga_id, begun_at, ctx).map(|running| running.settled.subscribe()))
    }
}

impl<E: SagaEffects> Handler<Deliver<E::Definition>> for SagaSupervisor<E> {
    type Result = ();

    fn handle(&mut self, Deliver { saga_id, ask }: Deliver<E::Definition>, ctx: &mut Context<Self>) {
        let most = self.limits.inbox;
        let running = match self.ensure(saga_id, None, ctx) {
            Ok(running) => running,
            Err(failure) => {
                let _ = ask.reply.send(Err(SagaRefusal::Failed(failure)));
                return;
            }
        };
        match running.inbox.try_send(ask) {
            // The run is ending; the next one takes it.
            Err(mpsc::error::TrySendError::Closed(ask)) if running.next.len() < most => running.next.push(ask),
            sent => refuse_if_full(sent),
        }
    }
}

impl<E: SagaEffects> Handler<Ended> for SagaSupervisor<E> {
    type Result = ();

    fn handle(&mut self, Ended { saga_id, end }: Ended, ctx: &mut Context<Self>) {
        let has_requests = self.running.get(&saga_id).is_some_and(|running| !running.next.is_empty());
        match end {
            _ if self.is_stopping() => self.forget(saga_id, None),
            Some(RunEnd::Settled(state)) if !has_requests => self.forget(saga_id, Some(state)),
            Some(RunEnd::Settled(_) | RunEnd::Open) => self.run_again(saga_id, ctx),
            None => {
                log::error!(saga = saga_id.to_string(); "a saga panicked; it goes on after a pause");
                self.context.metrics.panics.inc();
                ctx.run_later(self.limits.after_panic, move |actor, ctx| {
                    if actor.is_stopping() {
                        actor.forget(saga_id, None);
                        actor.end_if_done(ctx);
                    } else {
                        actor.run_again(saga_id, ctx);
                    }
                });
            }
        }
        self.end_if_done(ctx);
    }
}

impl<E: SagaEffects> Handler<Stop> for SagaSupervisor<E> {
    type Result = ();

    fn handle(&mut self, Stop(tell): Stop, ctx: &mut Context<Self>) {
        self.stop.send_replace(true);
        self.stop_reply = Some(tell);
        // One that rests after a panic has no run that could end.
        self.running.retain(|_, running| !running.inbox.is_closed());
        self.end_if_done(ctx);
    }
}
