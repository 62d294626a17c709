//! One actor per aggregate: rehydrate, decide, append, evolve, reply, passivate.
//!
//! Commands are decided one after another on the state in memory, which runs ahead of the store while a group of commits is
//! being made durable. Nothing leaves the actor before all it depends on is durable: an answer, a rejection and a read wait in
//! line behind the commits they have seen. While one group is in flight the next one gathers, so a hot aggregate pays one
//! fsync per group, not per command.
//!
//! Invariant: at most one group is in flight, and `loaded` is the store's state plus `in_flight` plus `gathering`, in order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use prometheus::IntGauge;

use crate::{
    aggregate::Aggregate,
    appender::Verdicts,
    event::{Position, StreamId},
    registry::Engine,
    rehydrate::{Loaded, Until, rehydrate},
    request::Failure,
    store::{Commit, Verdict},
    work::{Settled, Surroundings, Work},
};

/// Handles one request. Dropped unhandled, because its actor has ended, it goes back to whoever sent it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Handle<A: Aggregate>(Option<Box<dyn Work<A>>>);

impl<A: Aggregate> Handle<A> {
    pub(crate) fn new(work: Box<dyn Work<A>>) -> Self {
        Self(Some(work))
    }
}

impl<A: Aggregate> Drop for Handle<A> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work.hand_back();
        }
    }
}

/// Leaves memory, unless there is something to do.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Passivate;

/// The actor of one aggregate.
pub(crate) struct AggregateActor<A: Aggregate> {
    stream: StreamId,
    engine: Arc<Engine<A>>,
    /// None: nothing is known, read the store first.
    loaded: Option<Loaded<A>>,
    /// Answered when the group in flight is durable.
    in_flight: Vec<Entry<A>>,
    /// Answered when the next group is durable.
    gathering: Vec<Entry<A>>,
    commits: Vec<Commit>,
    /// Every event of this stream up to this position has been seen, whoever wrote it.
    synced: Position,
    /// Decided (again) when the aggregate has been read.
    stalled: Vec<Box<dyn Work<A>>>,
    /// The incarnation before this one died: commits of it may still be in the appender's queue.
    after_crash: bool,
    /// Out of the registry: whatever still arrives belongs to the next incarnation.
    retired: bool,
    _alive: Alive,
}

/// A request that has been decided, and whether one of the group's commits is its own.
struct Entry<A: Aggregate> {
    work: Box<dyn Work<A>>,
    commit: Option<CommitShape>,
}

/// What matters of a commit when its verdict comes.
#[derive(Clone, Copy)]
struct CommitShape {
    changes_state: bool,
}

/// Counts the actors in memory, however they end.
struct Alive(IntGauge);

impl Alive {
    fn new(live_actors: &IntGauge) -> Self {
        live_actors.inc();
        Self(live_actors.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(stream: StreamId, engine: Arc<Engine<A>>, after_crash: bool) -> Self {
        let alive = Alive::new(&engine.metrics.live_actors);
        Self {
            stream,
            engine,
            loaded: None,
            in_flight: Vec::new(),
            gathering: Vec::new(),
            commits: Vec::new(),
            synced: Position::START,
            stalled: Vec::new(),
            after_crash,
            retired: false,
            _alive: alive,
        }
    }

    /// Decides one request and puts it in line.
    fn attempt(&mut self, mut work: Box<dyn Work<A>>, ctx: &mut Context<Self>) {
        if work.at_least() > self.synced && self.engine.store.is_shared() && self.is_idle() {
            self.loaded = None;
        }
        let Some(loaded) = self.loaded.as_mut() else {
            self.stall(work, ctx);
            return;
        };
        if self.gathering.len() >= self.engine.lifespan.group_requests {
            self.settle(work, Settled::Failed(Failure::Overloaded));
            return;
        }
        let around = Surroundings {
            stream: self.stream,
            now: self.engine.clock.now(),
            snapshot_every: self.engine.lifespan.snapshot_every,
            metrics: &self.engine.metrics,
        };
        match catch_unwind(AssertUnwindSafe(|| work.attempt(loaded, &around))) {
            Ok(Ok(Some(commit))) => self.gather(work, commit),
            Ok(Ok(None)) => self.line_up(work),
            Ok(Err(failure)) => self.settle(work, Settled::Failed(failure)),
            Err(panic) => {
                log::error!(stream = self.stream.to_string(), aggregate = A::TYPE; "a decision panicked");
                self.engine.metrics.panics.inc();
                self.settle(work, Settled::Failed(Failure::Panicked));
                // The state may be half moved: this incarnation ends here, the registry opens the next one.
                resume_unwind(panic);
            }
        }
    }

    /// A request with nothing to make durable is answered when all it has seen is durable.
    fn line_up(&mut self, work: Box<dyn Work<A>>) {
        let entry = Entry { work, commit: None };
        if !self.gathering.is_empty() {
            self.gathering.push(entry);
        } else if !self.in_flight.is_empty() {
            self.in_flight.push(entry);
        } else {
            let position = self.position();
            self.settle(entry.work, Settled::Durable(position));
        }
    }

    fn gather(&mut self, work: Box<dyn Work<A>>, commit: Commit) {
        let changes_state = commit.writes.first().is_some_and(|write| !write.events.is_empty());
        self.gathering.push(Entry { work, commit: Some(CommitShape { changes_state }) });
        self.commits.push(commit);
    }

    /// Lets the gathered group go, unless one is in flight.
    fn flush_when_free(&mut self, ctx: &mut Context<Self>) {
        if self.in_flight.is_empty() && !self.commits.is_empty() {
            self.flush(ctx);
        }
    }

    /// Hands the gathered commits to the appender.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        let entries = std::mem::take(&mut self.gathering);
        match self.engine.appender.submit(std::mem::take(&mut self.commits)) {
            Ok(verdicts) => {
                self.in_flight = entries;
                let judged = async move { verdicts.await.map_err(|_| Failure::Unknown("the appender ended".into())) };
                ctx.spawn(judged.into_actor(self).map(|verdicts, actor, ctx| actor.judge(verdicts, ctx)));
            }
            Err(_full) => {
                self.loaded = None;
                self.fail_all(entries, &Failure::Overloaded);
            }
        }
    }

    /// Answers the group that was in flight.
    fn judge(&mut self, verdicts: Result<Verdicts, Failure>, ctx: &mut Context<Self>) {
        let entries = std::mem::take(&mut self.in_flight);
        match verdicts.and_then(|verdicts| verdicts.map_err(Failure::from)) {
            Ok(verdicts) => {
                self.stalled = self.answer(entries, verdicts);
                if self.loaded.is_none() {
                    let gathering = std::mem::take(&mut self.gathering);
                    self.commits.clear();
                    self.stalled.extend(gathering.into_iter().map(|entry| entry.work));
                    self.decide_again(ctx);
                } else if !self.commits.is_empty() {
                    self.flush(ctx);
                }
            }
            Err(failure) => {
                self.loaded = None;
                self.commits.clear();
                let gathering = std::mem::take(&mut self.gathering);
                // What was decided on top of an unknown state was never sent: it is certain not to have happened.
                self.fail_all(entries, &failure);
                self.fail_all(gathering, &Failure::Unavailable("the commit before it failed".into()));
            }
        }
        self.leave_if_absent(ctx);
    }

    /// Answers each request by its verdict. The losers come back, and `loaded` is gone when memory had run ahead wrongly.
    fn answer(&mut self, entries: Vec<Entry<A>>, verdicts: Vec<Verdict>) -> Vec<Box<dyn Work<A>>> {
        let mut verdicts = verdicts.into_iter();
        let mut losers = Vec::new();
        for Entry { work, commit } in entries {
            let Some(shape) = commit else {
                match self.loaded {
                    Some(_) => self.settle(work, Settled::Durable(self.position())),
                    None => losers.push(work),
                }
                continue;
            };
            match verdicts.next() {
                Some(Verdict::Appended { events, position }) => {
                    if let (Some(loaded), false) = (self.loaded.as_mut(), events.is_empty()) {
                        loaded.position = position;
                        self.synced = position;
                    }
                    self.settle(work, Settled::Durable(position));
                }
                Some(Verdict::Duplicate(record)) => {
                    if shape.changes_state {
                        self.loaded = None;
                    }
                    self.settle(work, Settled::Duplicate(record));
                }
                Some(Verdict::Conflict { stream, actual }) => {
                    self.engine.metrics.conflicts.inc();
                    self.loaded = None;
                    if stream == self.stream {
                        losers.push(work);
                    } else {
                        self.settle(work, Settled::Failed(Failure::ConflictAlongside { stream, actual }));
                    }
                }
                None => {
                    self.loaded = None;
                    self.settle(work, Settled::Failed(Failure::Unknown("the store gave no verdict".into())));
                }
            }
        }
        losers
    }

    /// Reads the aggregate again and decides those that lost on what is really there; each a bounded number of times.
    fn decide_again(&mut self, ctx: &mut Context<Self>) {
        let most = self.engine.lifespan.attempts;
        let (weary, again) =
            std::mem::take(&mut self.stalled).into_iter().partition::<Vec<_>, _>(|work| work.attempts() >= most);
        for work in weary {
            self.settle(work, Settled::Failed(Failure::Contended(most)));
        }
        self.stalled = again;
        if self.stalled.is_empty() {
            self.retire(ctx);
        } else {
            self.rehydrate(ctx);
        }
    }

    /// Keeps a request until the aggregate has been read; one that creates the stream needs no reading.
    fn stall(&mut self, work: Box<dyn Work<A>>, ctx: &mut Context<Self>) {
        if work.is_fresh() && !self.after_crash {
            self.loaded = Some(Loaded::default());
            self.attempt(work, ctx);
            return;
        }
        self.stalled.push(work);
        self.rehydrate(ctx);
    }

    /// Reads the aggregate from the store; the mailbox waits meanwhile.
    fn rehydrate(&mut self, ctx: &mut Context<Self>) {
        let engine = Arc::clone(&self.engine);
        let (stream, after_crash) = (self.stream, self.after_crash);
        let reading = async move {
            if after_crash {
                engine.settle_queue().await?;
            }
            let timer = engine.metrics.rehydrate_seconds.start_timer();
            let page = usize::try_from(engine.lifespan.snapshot_every).unwrap_or(usize::MAX).clamp(16, 1000);
            let loaded = rehydrate(engine.store.as_ref(), stream, Until::Now, page).await;
            timer.observe_duration();
            engine.metrics.rehydrations.inc();
            loaded
        };
        ctx.wait(reading.into_actor(self).map(|loaded, actor, ctx| actor.resume(loaded, ctx)));
    }

    /// Goes on with what waited for the reading.
    fn resume(&mut self, loaded: Result<Loaded<A>, Failure>, ctx: &mut Context<Self>) {
        let stalled = std::mem::take(&mut self.stalled);
        match loaded {
            Ok(loaded) => {
                // Those who ask for a position have waited until the log had reached it, before this reading.
                let asked = stalled.iter().map(|work| work.at_least()).max().unwrap_or_default();
                self.synced = loaded.position.max(asked);
                self.loaded = Some(loaded);
                self.after_crash = false;
                for work in stalled {
                    self.attempt(work, ctx);
                }
                // One group, not the first alone: many that were answered before must not each throw the others back.
                self.flush_when_free(ctx);
                self.leave_if_absent(ctx);
            }
            Err(failure) => {
                for work in stalled {
                    self.settle(work, Settled::Failed(failure.clone()));
                }
                self.retire(ctx);
            }
        }
    }

    /// A stream that does not exist takes no room in memory.
    fn leave_if_absent(&mut self, ctx: &mut Context<Self>) {
        if self.loaded.as_ref().is_some_and(|loaded| loaded.version.0 == 0) && self.is_idle() {
            self.retire(ctx);
        }
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.gathering.is_empty() && self.stalled.is_empty()
    }

    /// Leaves the registry. The actor ends when the last sender that still holds its address lets go; what such a sender
    /// sends is handed back for the next incarnation.
    fn retire(&mut self, ctx: &mut Context<Self>) {
        self.engine.forget(self.stream, &ctx.address());
        self.loaded = None;
        self.retired = true;
    }

    fn position(&self) -> Position {
        self.loaded.as_ref().map_or(Position::START, |loaded| loaded.position)
    }

    fn settle(&self, work: Box<dyn Work<A>>, settled: Settled) {
        work.settle(settled, &self.engine.metrics);
    }

    fn fail_all(&self, entries: Vec<Entry<A>>, failure: &Failure) {
        for entry in entries {
            self.settle(entry.work, Settled::Failed(failure.clone()));
        }
    }
}

impl<A: Aggregate> Actor for AggregateActor<A> {
    type Context = Context<Self>;
}

impl<A: Aggregate> Handler<Handle<A>> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, mut message: Handle<A>, ctx: &mut Context<Self>) {
        if self.retired {
            return;
        }
        if let Some(work) = message.0.take() {
            self.attempt(work, ctx);
            self.flush_when_free(ctx);
            self.leave_if_absent(ctx);
        }
    }
}

impl<A: Aggregate> Handler<Passivate> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, _: Passivate, ctx: &mut Context<Self>) {
        if !self.retired && self.is_idle() {
            self.engine.metrics.passivations.inc();
            self.retire(ctx);
        }
    }
}
