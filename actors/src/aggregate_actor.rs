//! One actor per aggregate: rehydrate, decide, append, evolve, reply, passivate.
//!
//! Commands are decided one after another on the state in memory, which runs ahead of the store while a group of commits is
//! being made durable. Nothing leaves the actor before all it depends on is durable: an answer, a rejection and a read wait in
//! line behind the commits they have seen. While one group is in flight the next one gathers, so a hot aggregate pays one
//! fsync per group, not per command.
//!
//! Invariant: at most one group is in flight, and `loaded` is the store's state plus `in_flight` plus `gathering`, in order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use crate::{
    aggregate::Aggregate,
    appender::Verdicts,
    event::{Position, StreamId, Version},
    message::{Handle, Passivate},
    metrics::Alive,
    registry::Engine,
    rehydrate::{Loaded, Until, rehydrate},
    request::Failure,
    store::{Commit, ExpectedVersion, Verdict},
    work::{Settled, Surroundings, Work},
};

/// The actor of one aggregate.
pub(crate) struct AggregateActor<A: Aggregate> {
    stream: StreamId,
    engine: Arc<Engine<A>>,
    /// None: nothing is known, read the store first.
    loaded: Option<Loaded<A>>,
    /// `loaded` is what a request believed, not read: nothing leaves before a commit on top of it has been appended.
    believed: bool,
    /// Answered when the group in flight is durable.
    in_flight: Vec<Entry<A>>,
    /// Answered when the next group is durable.
    gathering: Vec<Entry<A>>,
    commits: Vec<Commit>,
    /// Every event of this stream up to this position has been seen, whoever wrote it.
    synced: Position,
    /// Decided (again) when the group in flight has been judged and the aggregate has been read.
    stalled: Vec<Box<dyn Work<A>>>,
    /// The incarnation before this one died: commits of it may still be in the appender's queue.
    after_crash: bool,
    /// Out of the registry: what is left in the mailbox belongs to the next incarnation, or shares the failure of this one.
    retired: Option<Parting>,
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

/// What an actor that retires leaves to those in its mailbox.
enum Parting {
    HandBack,
    Fail(Failure),
}

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(stream: StreamId, engine: Arc<Engine<A>>, after_crash: bool) -> Self {
        let alive = Alive::new(&engine.metrics.live_actors);
        Self {
            stream,
            engine,
            loaded: None,
            believed: false,
            in_flight: Vec::new(),
            gathering: Vec::new(),
            commits: Vec::new(),
            synced: Position::START,
            stalled: Vec::new(),
            after_crash,
            retired: None,
            _alive: alive,
        }
    }

    /// Decides one request and puts it in line.
    fn attempt(&mut self, mut work: Box<dyn Work<A>>) {
        if self.is_full() {
            self.settle(work, Settled::Failed(Failure::Overloaded));
            return;
        }
        if self.is_behind(&*work) && self.is_idle() {
            self.loaded = None;
        }
        if self.loaded.is_none() && work.is_fresh() && !self.after_crash && self.is_idle() {
            self.loaded = Some(Loaded::default());
            self.believed = true;
        }
        let Some(loaded) = self.loaded.as_mut() else {
            self.stalled.push(work);
            return;
        };
        let around = Surroundings {
            stream: self.stream,
            now: self.engine.clock.now(),
            snapshot_every: self.engine.lifespan.snapshot_every,
        };
        match catch_unwind(AssertUnwindSafe(|| work.attempt(loaded, &around))) {
            Ok(Ok(Some(commit))) => self.gather(work, commit),
            Ok(Ok(None)) => self.line_up(work),
            Ok(Err(failure)) => {
                self.settle(work, Settled::Failed(failure));
                self.distrust();
            }
            Err(_) => {
                log::error!(stream = self.stream.to_string(), aggregate = A::TYPE; "a decision panicked");
                self.engine.metrics.panics.inc();
                self.settle(work, Settled::Failed(Failure::Panicked));
                self.distrust();
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
        } else if self.believed {
            self.loaded = None;
            self.stalled.push(entry.work);
        } else {
            let position = self.position();
            self.settle(entry.work, Settled::Durable(position));
        }
    }

    fn gather(&mut self, work: Box<dyn Work<A>>, mut commit: Commit) {
        // Those before it that change nothing may lose alone.
        let moved = |entry: &Entry<A>| entry.commit.is_some_and(|shape| shape.changes_state);
        if self.gathering.iter().any(moved) {
            follow(&mut commit);
        }
        let changes_state = commit.writes.first().is_some_and(|write| !write.events.is_empty());
        self.gathering.push(Entry { work, commit: Some(CommitShape { changes_state }) });
        self.commits.push(commit);
    }

    /// Forgets a state that may be half moved or lacks what others have written. What was decided on it and has not been sent
    /// is decided again, after the group in flight has been judged.
    fn distrust(&mut self) {
        self.loaded = None;
        self.commits = Vec::new();
        self.stalled.extend(std::mem::take(&mut self.gathering).into_iter().map(|entry| entry.work));
    }

    /// Does what is next when a message, a verdict or a reading has been dealt with. What has come together by then goes as one
    /// group: of many requests that were answered before, each alone would throw the others back.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if !self.in_flight.is_empty() {
            return;
        }
        if !self.stalled.is_empty() {
            self.rehydrate(ctx);
        } else if !self.commits.is_empty() {
            self.flush(ctx);
        } else if self.loaded.as_ref().is_some_and(|loaded| loaded.version == Version::NONE) {
            // A stream that does not exist takes no room in memory.
            self.retire(Parting::HandBack, ctx);
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
                self.fail_all(entries.into_iter().map(|entry| entry.work), &refused.into());
            }
        }
    }

    /// Answers the group that was in flight.
    fn judge(&mut self, verdicts: Result<Verdicts, Failure>, ctx: &mut Context<Self>) {
        let entries = std::mem::take(&mut self.in_flight);
        match verdicts.and_then(|verdicts| verdicts.map_err(Failure::from)) {
            Ok(verdicts) => {
                let losers = self.answer(entries, verdicts);
                if self.loaded.is_none() || !losers.is_empty() {
                    self.distrust();
                    self.stalled.splice(..0, losers);
                    self.give_up_on_the_weary();
                }
            }
            Err(failure) => {
                self.fail_all(entries.into_iter().map(|entry| entry.work), &failure);
                self.distrust();
                // What was decided on top of an unknown state was never sent: it is certain not to have happened.
                let stalled = std::mem::take(&mut self.stalled);
                self.fail_all(stalled, &Failure::Unavailable("the commit before it failed".into()));
            }
        }
        self.go_on(ctx);
    }

    /// Answers each request by its verdict. Those that lost, or have not seen enough, come back, and `loaded` is gone when memory
    /// had run ahead wrongly.
    fn answer(&mut self, entries: Vec<Entry<A>>, verdicts: Vec<Verdict>) -> Vec<Box<dyn Work<A>>> {
        let mut verdicts = verdicts.into_iter();
        let mut losers = Vec::new();
        for Entry { work, commit } in entries {
            let Some(shape) = commit else {
                if self.loaded.is_some() && !self.is_behind(&*work) {
                    self.settle(work, Settled::Durable(self.position()));
                } else {
                    losers.push(work);
                }
                continue;
            };
            match verdicts.next() {
                Some(Verdict::Appended { events, position }) => {
                    self.believed = false;
                    if let (Some(loaded), false) = (self.loaded.as_mut(), events.is_empty()) {
                        loaded.position = position;
                        self.synced = position;
                    }
                    self.settle(work, Settled::Durable(position));
                }
                Some(Verdict::Duplicate(record)) => {
                    // Its versions were not looked at.
                    if shape.changes_state || self.believed {
                        self.loaded = None;
                    }
                    self.settle(work, Settled::Duplicate(record));
                }
                Some(Verdict::Conflict { stream, actual }) => {
                    self.engine.metrics.conflicts.inc();
                    if stream == self.stream || shape.changes_state || self.believed {
                        self.loaded = None;
                    }
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

    /// Each request is decided a bounded number of times.
    fn give_up_on_the_weary(&mut self) {
        let most = self.engine.lifespan.attempts;
        let stalled = std::mem::take(&mut self.stalled);
        let (weary, again): (Vec<_>, Vec<_>) = stalled.into_iter().partition(|work| work.attempts() >= most);
        self.fail_all(weary, &Failure::Contended(most));
        self.stalled = again;
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
                self.believed = false;
                self.after_crash = false;
                for work in stalled {
                    self.attempt(work);
                }
                self.go_on(ctx);
            }
            Err(failure) => {
                self.fail_all(stalled, &failure);
                self.retire(Parting::Fail(failure), ctx);
            }
        }
    }

    /// Whether it asks for events of other processes that this actor may not have seen.
    fn is_behind(&self, work: &dyn Work<A>) -> bool {
        work.at_least() > self.synced && self.engine.store.is_shared()
    }

    /// While nothing gathers, those without a commit line up behind the group in flight: as many again.
    fn is_full(&self) -> bool {
        let most = self.engine.lifespan.group_requests;
        self.gathering.len().max(self.stalled.len()) >= most || self.in_flight.len() >= 2 * most
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.gathering.is_empty() && self.stalled.is_empty()
    }

    /// Leaves the registry, which holds the only address: the actor ends with the last message in its mailbox.
    fn retire(&mut self, parting: Parting, ctx: &mut Context<Self>) {
        self.engine.forget(self.stream, &ctx.address());
        self.loaded = None;
        self.retired = Some(parting);
    }

    fn position(&self) -> Position {
        self.loaded.as_ref().map_or(Position::START, |loaded| loaded.position)
    }

    fn settle(&self, work: Box<dyn Work<A>>, settled: Settled) {
        work.settle(settled, &self.engine.metrics);
    }

    fn fail_all(&self, all: impl IntoIterator<Item = Box<dyn Work<A>>>, failure: &Failure) {
        for work in all {
            self.settle(work, Settled::Failed(failure.clone()));
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

impl<A: Aggregate> Handler<Handle<A>> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, mut message: Handle<A>, ctx: &mut Context<Self>) {
        match &self.retired {
            Some(Parting::HandBack) => {}
            Some(Parting::Fail(failure)) => self.fail_all(message.take(), failure),
            None => {
                if let Some(work) = message.take() {
                    self.attempt(work);
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
            self.retire(Parting::HandBack, ctx);
        }
    }
}
