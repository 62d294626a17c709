//! One actor per aggregate: rehydrate, decide, append, evolve, reply, passivate.
//!
//! Commands are decided one after another on the state in memory, which runs ahead of the store while a group of commits is
//! being made durable. Nothing leaves the actor before all it depends on is durable: an answer, a rejection and a read wait in
//! line behind the commits they have seen. While one group is in flight the next one gathers, so a hot aggregate pays one
//! fsync per group, not per command.
//!
//! Where other processes write to the log as well, memory is a cache: what is told of it must have been true after the request
//! arrived. A commit proves that for its whole group, because its version was expected; a group without one is held against the
//! log by a check (`version_checks.rs`), and so is in flight, too.
//!
//! Invariant: at most one group is in flight, and `loaded` is the store's state plus `in_flight` plus `gathering`, in order.
//! Invariant: on a shared log nothing joins a group that is in flight.

mod judging;
mod waiting_reads;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use crate::{
    aggregate::{
        Aggregate,
        engine::Engine,
        execution::{DecisionContext, Execution, Resolution},
        message::{Execute, Passivate},
        rehydrate::{Loaded, Until, rehydrate},
        request::Failure,
    },
    log::{
        event::{Position, StreamId, Version},
        store::{Commit, ExpectedVersion},
    },
    metrics::Alive,
    retry,
};

/// The longest pause before a request that has lost again is decided once more; it grows with each loss.
const PAUSE_PER_LOSS: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The actor of one aggregate.
pub(crate) struct AggregateActor<A: Aggregate> {
    stream: StreamId,
    engine: Arc<Engine<A>>,
    /// None: nothing is known, read the store first.
    loaded: Option<Loaded<A>>,
    provenance: Provenance,
    /// Answered when the group in flight is durable.
    in_flight: Vec<Entry<A>>,
    /// Answered when the next group is durable.
    gathering: Vec<Entry<A>>,
    commits: Vec<Commit>,
    /// Some read waits in line.
    reads_wait: bool,
    /// A timer is set that answers the reads that wait from the store.
    reads_watched: bool,
    /// What the engine knows of the weight of `loaded`, in KiB.
    weight_kib: usize,
    /// Decided (again) when the group in flight has been judged and the aggregate has been read.
    stalled: Vec<Box<dyn Execution<A>>>,
    /// The incarnation before this one died: commits of it may still be in the appender's queue.
    after_crash: bool,
    /// Out of the engine: what is left in the mailbox belongs to the next incarnation, or shares the failure of this one.
    retired: Option<RetireReason>,
    _alive: Alive,
}

/// A request that has been decided, and whether one of the group's commits is its own.
struct Entry<A: Aggregate> {
    execution: Box<dyn Execution<A>>,
    commit: Option<CommitShape>,
}

/// Where `loaded` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provenance {
    /// What a request assumed, not read: nothing leaves before a commit on top of it has been appended.
    Assumed,
    /// Read after all that is being decided now had arrived.
    JustRead,
    /// Known for a while.
    Remembered,
}

/// What matters of a commit when its verdict comes.
#[derive(Clone, Copy)]
struct CommitShape {
    changes_state: bool,
}

/// Why an actor has retired, which decides what becomes of the requests in its mailbox.
enum RetireReason {
    /// Nothing was under way: those in the mailbox go to the next incarnation.
    Passivated,
    /// The stream could not be read: those in the mailbox are told.
    ReadFailed(Failure),
}

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(stream: StreamId, engine: Arc<Engine<A>>, after_crash: bool) -> Self {
        let alive = Alive::new(&engine.metrics.live_actors);
        Self {
            stream,
            engine,
            loaded: None,
            provenance: Provenance::Remembered,
            in_flight: Vec::new(),
            gathering: Vec::new(),
            commits: Vec::new(),
            reads_wait: false,
            reads_watched: false,
            weight_kib: 0,
            stalled: Vec::new(),
            after_crash,
            retired: None,
            _alive: alive,
        }
    }

    /// Decides one request and puts it in line.
    fn attempt(&mut self, mut execution: Box<dyn Execution<A>>) {
        if self.is_full() {
            self.resolve(execution, Resolution::Failed(Failure::Overloaded));
            return;
        }
        if self.loaded.is_none() && execution.assumes_new_stream() && !self.after_crash && self.is_idle() {
            self.loaded = Some(Loaded::default());
            self.provenance = Provenance::Assumed;
        }
        let context = self.context();
        if !execution.is_read() && self.is_durable() {
            self.hand_over();
        }
        let Some(loaded) = self.loaded.as_mut() else {
            self.reads_wait |= execution.is_read();
            self.stalled.push(execution);
            return;
        };
        match catch_unwind(AssertUnwindSafe(|| execution.attempt(loaded, &context))) {
            Ok(Ok(Some(commit))) => self.gather(execution, commit),
            Ok(Ok(None)) => self.line_up(execution),
            Ok(Err(failure)) => {
                self.resolve(execution, Resolution::Failed(failure));
                self.discard_state();
            }
            Err(_) => {
                log::error!(stream = self.stream.to_string(), aggregate = A::TYPE; "a decision panicked");
                self.engine.metrics.panics.inc();
                self.resolve(execution, Resolution::Failed(Failure::Panicked));
                self.discard_state();
            }
        }
    }

    fn context(&self) -> DecisionContext {
        DecisionContext {
            stream: self.stream,
            now: self.engine.clock.now(),
            snapshot_every: self.engine.lifespan.snapshot_every,
        }
    }

    /// A request with nothing to make durable is answered when all it has seen is durable, and still was so after it came.
    fn line_up(&mut self, execution: Box<dyn Execution<A>>) {
        let is_shared = self.engine.checks.is_some();
        if self.gathering.is_empty() && self.in_flight.is_empty() {
            match self.provenance {
                Provenance::Assumed => {
                    self.loaded = None;
                    self.stalled.push(execution);
                    return;
                }
                Provenance::Remembered if is_shared => {}
                Provenance::JustRead | Provenance::Remembered => {
                    self.resolve(execution, Resolution::Durable(self.position()));
                    return;
                }
            }
        }
        self.reads_wait |= execution.is_read();
        let joins_flight = self.gathering.is_empty() && !is_shared;
        let line = if joins_flight { &mut self.in_flight } else { &mut self.gathering };
        line.push(Entry { execution, commit: None });
    }

    fn gather(&mut self, execution: Box<dyn Execution<A>>, mut commit: Commit) {
        // Those before it that change nothing may lose alone.
        let moved = |entry: &Entry<A>| entry.commit.is_some_and(|shape| shape.changes_state);
        if self.gathering.iter().any(moved) {
            follow(&mut commit);
        }
        let changes_state = commit.writes.first().is_some_and(|write| !write.events.is_empty());
        self.gathering.push(Entry { execution, commit: Some(CommitShape { changes_state }) });
        self.commits.push(commit);
    }

    /// Forgets a state that may be half moved or lacks what others have written. What was decided on it and has not been sent
    /// is decided again, after the group in flight has been judged.
    fn discard_state(&mut self) {
        self.loaded = None;
        self.commits = Vec::new();
        self.stalled.extend(std::mem::take(&mut self.gathering).into_iter().map(|entry| entry.execution));
    }

    /// Does what is next when a message, a verdict or a reading has been dealt with. What has come together by then goes as one
    /// group: of many requests that were answered before, each alone would throw the others back.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if !self.in_flight.is_empty() {
            self.watch_reads(ctx);
            return;
        }
        if !self.stalled.is_empty() {
            self.rehydrate(ctx);
        } else if !self.commits.is_empty() {
            self.flush(ctx);
            self.watch_reads(ctx);
        } else if !self.gathering.is_empty() {
            self.check(ctx);
        } else if self.loaded.as_ref().is_some_and(|loaded| loaded.version == Version::NONE) {
            // A stream that does not exist takes no room in memory.
            self.retire(RetireReason::Passivated, ctx);
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
            Err(refused) => {
                self.loaded = None;
                self.fail_all(entries.into_iter().map(|entry| entry.execution), &refused.into());
            }
        }
    }

    /// Reads the aggregate from the store; the mailbox waits meanwhile.
    fn rehydrate(&mut self, ctx: &mut Context<Self>) {
        let engine = Arc::clone(&self.engine);
        let (stream, after_crash) = (self.stream, self.after_crash);
        let losses = self.stalled.iter().map(|execution| execution.attempts()).max().unwrap_or_default();
        let reading = async move {
            if losses > 1 {
                retry::some_of((PAUSE_PER_LOSS * losses).min(LONGEST_PAUSE)).await;
            }
            if after_crash {
                engine.settle_queue().await?;
            }
            let timer = engine.metrics.rehydrate_seconds.start_timer();
            let loaded = rehydrate(engine.store.as_ref(), stream, Until::Now, engine.lifespan.page()).await;
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
                self.loaded = Some(loaded);
                self.after_crash = false;
                self.weigh(ctx);
                // Those who only look first: with nothing before them they depend on nothing but this reading.
                let (reads, others): (Vec<_>, Vec<_>) = stalled.into_iter().partition(|execution| execution.is_read());
                self.provenance = Provenance::JustRead;
                reads.into_iter().chain(others).for_each(|execution| self.attempt(execution));
                self.provenance = Provenance::Remembered;
                self.go_on(ctx);
            }
            Err(failure) => {
                self.fail_all(stalled, &failure);
                self.retire(RetireReason::ReadFailed(failure), ctx);
            }
        }
    }

    /// Spares the readers of this process a read of the stream: they find the state that its next events are folded onto.
    fn hand_over(&self) {
        if let (Some(states), Some(loaded)) = (&self.engine.states, &self.loaded)
            && loaded.version > Version::NONE
        {
            states.put_if_unknown(self.stream, loaded);
        }
    }

    /// Whether `loaded` is what the store holds, or held a while ago.
    fn is_durable(&self) -> bool {
        self.in_flight.is_empty() && self.gathering.is_empty() && self.provenance != Provenance::Assumed
    }

    /// While nothing gathers, those without a commit line up behind the group in flight: as many again.
    fn is_full(&self) -> bool {
        let most = self.engine.lifespan.group_requests;
        self.gathering.len().max(self.stalled.len()) >= most || self.in_flight.len() >= 2 * most
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.gathering.is_empty() && self.stalled.is_empty()
    }

    /// Leaves the engine, which holds the only address: the actor ends with the last message in its mailbox.
    fn retire(&mut self, reason: RetireReason, ctx: &mut Context<Self>) {
        self.engine.forget(self.stream, &ctx.address());
        self.loaded = None;
        self.retired = Some(reason);
    }

    /// Tells the engine how much room the aggregate takes, when that has changed.
    fn weigh(&mut self, ctx: &Context<Self>) {
        let Some(loaded) = &self.loaded else { return };
        let weight_kib = loaded.state.weight() / 1024;
        if weight_kib != self.weight_kib {
            self.weight_kib = weight_kib;
            self.engine.weigh(self.stream, &ctx.address(), weight_kib);
        }
    }

    fn position(&self) -> Position {
        self.loaded.as_ref().map_or(Position::START, |loaded| loaded.position)
    }

    fn resolve(&self, execution: Box<dyn Execution<A>>, resolution: Resolution) {
        execution.resolve(resolution, &self.engine.metrics);
    }

    fn fail_all(&self, all: impl IntoIterator<Item = Box<dyn Execution<A>>>, failure: &Failure) {
        for execution in all {
            self.resolve(execution, Resolution::Failed(failure.clone()));
        }
    }
}

/// Makes a commit lose with the one before it in its group.
fn follow(commit: &mut Commit) {
    if let Some(own) = commit.writes.first_mut()
        && let ExpectedVersion::Exact(version) = own.expected
    {
        own.expected = ExpectedVersion::Following(version);
    }
}

impl<A: Aggregate> Actor for AggregateActor<A> {
    type Context = Context<Self>;
}

impl<A: Aggregate> Handler<Execute<A>> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, mut message: Execute<A>, ctx: &mut Context<Self>) {
        match &self.retired {
            Some(RetireReason::Passivated) => {}
            Some(RetireReason::ReadFailed(failure)) => self.fail_all(message.take(), failure),
            None => {
                if let Some(execution) = message.take() {
                    self.attempt(execution);
                    self.go_on(ctx);
                }
            }
        }
    }
}

impl<A: Aggregate> Handler<Passivate> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, _: Passivate, ctx: &mut Context<Self>) {
        if self.retired.is_none() && self.is_idle() {
            self.engine.metrics.passivations.inc();
            self.retire(RetireReason::Passivated, ctx);
        }
    }
}
