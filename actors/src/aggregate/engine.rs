//! From a stream to the address of its actor: bounded, reopening what stopped or died.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::{
    Addr, Arbiter, ArbiterHandle, Context,
    dev::{SendError, channel::channel},
};
use lru::LruCache;
use parking_lot::Mutex;

use crate::{
    aggregate::{
        Aggregate,
        actor::AggregateActor,
        execution::{Execution, PendingRequest},
        message::{Execute, Passivate},
        rehydrate::{Loaded, Until, rehydrate},
        request::{Answer, Answered, Failure, Request},
        stream_cache::StreamCache,
        version_checks::VersionChecks,
    },
    clock::Clock,
    log::{
        appender::{Appender, Refused},
        event::StreamId,
        store::EventStore,
    },
    metrics::EngineMetrics,
};

/// How aggregates live in memory. Every field is a limit.
#[derive(Debug, Clone, Copy)]
pub struct Lifespan {
    /// Aggregates in memory; above it the longest unused leave first. Those with something to do stay, so it may be passed
    /// for a while.
    pub most_actors: usize,
    /// Bytes that the states of all aggregates in memory take, by [`Aggregate::weight`] in whole KiB each; above it the longest
    /// unused leave first, as above. A state that is larger by itself stays until it is idle.
    pub most_bytes: usize,
    /// An aggregate that nobody asked for so long leaves memory.
    pub idle: Duration,
    /// Requests that may wait in one actor's mailbox; one more is refused.
    pub mailbox: usize,
    /// Requests that may gather behind the group in flight; one more is refused.
    pub group_requests: usize,
    /// Events between two snapshots; zero writes none.
    pub snapshot_every: u64,
    /// How often a request is decided before it gives up against other writers.
    pub attempts: u32,
    /// How long a read waits behind a commit before the store is asked.
    pub read_patience: Duration,
}

impl Lifespan {
    /// Events read at a time: about what is written between two snapshots.
    pub(crate) fn page(&self) -> usize {
        usize::try_from(self.snapshot_every).unwrap_or(usize::MAX).clamp(16, 1000)
    }
}

impl Default for Lifespan {
    fn default() -> Self {
        Self {
            most_actors: 100_000,
            most_bytes: 256 << 20,
            idle: Duration::from_mins(5),
            mailbox: 1024,
            group_requests: 1024,
            snapshot_every: 100,
            attempts: 20,
            read_patience: Duration::from_millis(500),
        }
    }
}

/// What an engine is made of.
pub struct EngineParts<A> {
    /// Where events are read.
    pub store: Arc<dyn EventStore>,
    /// Where commits go.
    pub appender: Appender,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The limits.
    pub lifespan: Lifespan,
    /// Where readers of the same process find the state of an aggregate before its next event; nothing when there are none.
    pub states: Option<Arc<StreamCache<A>>>,
    /// The counters.
    pub metrics: EngineMetrics,
    /// Where actors live that are opened from a thread without an arbiter; at least one. An actor opened from within an
    /// arbiter (a web worker, say) stays there: the request that opens it saves a hop.
    pub arbiters: Vec<ArbiterHandle>,
}

/// All aggregates of one type: asks the right actor, opening it when it is not in memory.
pub struct Engine<A: Aggregate> {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) appender: Appender,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifespan: Lifespan,
    pub(crate) states: Option<Arc<StreamCache<A>>>,
    pub(crate) metrics: EngineMetrics,
    /// Nothing when no other process writes to the log: then what is in memory is the truth.
    pub(crate) checks: Option<Arc<VersionChecks>>,
    arbiters: Vec<ArbiterHandle>,
    next_arbiter: AtomicUsize,
    shards: Vec<Shard<A>>,
    /// Of all slots together.
    weight_kib: AtomicUsize,
    hasher: RandomState,
    /// Set before the shards are emptied, read with a shard locked: nothing is opened after.
    closed: AtomicBool,
}

type Shard<A> = Mutex<LruCache<StreamId, Slot<A>>>;

struct Slot<A: Aggregate> {
    actor: Addr<AggregateActor<A>>,
    last_used: Instant,
    /// Since it was last used, so that a busy one does not find its mailbox full of this.
    asked_to_leave: bool,
    weight_kib: usize,
}

/// Many more than threads, so that locks are rarely contended; fewer when fewer aggregates may be in memory.
const SHARDS: usize = 64;

/// How many of the longest unused are looked at when another one is opened, and how many of them are asked to leave.
const LOOKED_AT: usize = 32;
const ASKED_AT_ONCE: usize = 4;

/// How often a request follows an aggregate through incarnations before it gives up.
const INCARNATIONS: usize = 8;

impl<A: Aggregate> Engine<A> {
    /// Puts an engine together and keeps it tidy: a task on the first arbiter passivates idle aggregates.
    #[must_use]
    pub fn start(parts: EngineParts<A>) -> Arc<Self> {
        let shards = parts.lifespan.most_actors.clamp(1, SHARDS);
        let checks =
            |store: &Arc<dyn EventStore>| Arc::new(VersionChecks::new(Arc::clone(store), parts.metrics.clone()));
        let engine = Arc::new(Self {
            checks: parts.store.is_shared().then(|| checks(&parts.store)),
            store: parts.store,
            appender: parts.appender,
            clock: parts.clock,
            lifespan: parts.lifespan,
            states: parts.states,
            metrics: parts.metrics,
            arbiters: parts.arbiters,
            next_arbiter: AtomicUsize::new(0),
            shards: (0..shards).map(|_| Mutex::new(LruCache::unbounded())).collect(),
            weight_kib: AtomicUsize::new(0),
            hasher: RandomState::new(),
            closed: AtomicBool::new(false),
        });
        if let Some(arbiter) = engine.arbiters.first() {
            let sweeping = Arc::downgrade(&engine);
            let every = (engine.lifespan.idle / 4).clamp(Duration::from_millis(20), Duration::from_secs(10));
            arbiter.spawn(async move {
                let mut tick = tokio::time::interval(every);
                loop {
                    tick.tick().await;
                    let Some(engine) = sweeping.upgrade() else { return };
                    engine.tidy();
                }
            });
        }
        engine
    }

    /// Asks the actor of a stream and waits for its answer.
    ///
    /// Dropping the future does not undo the request: the actor owns it from the moment it is sent.
    ///
    /// # Errors
    /// The machinery failed; see [`Failure`] for what to do next. A rejection is an answer, not a failure.
    pub async fn ask<R: Answer>(
        self: &Arc<Self>,
        stream: StreamId,
        request: Request<A, R>,
    ) -> Result<Answered<R>, Failure> {
        let mut request = Box::new(request);
        for _ in 0..INCARNATIONS {
            let (pending, answer) = PendingRequest::new(request);
            self.send(stream, Box::new(pending))?;
            match answer.await {
                Ok(Ok(answered)) => return answered,
                Ok(Err(handed_back)) => request = handed_back,
                Err(_) => return Err(Failure::Unknown("the actor died".into())),
            }
        }
        Err(Failure::Overloaded)
    }

    /// Reads an aggregate as it was, from the store.
    ///
    /// # Errors
    /// As [`rehydrate`].
    pub async fn as_it_was(&self, stream: StreamId, until: Until) -> Result<Loaded<A>, Failure> {
        rehydrate(self.store.as_ref(), stream, until, 1000).await
    }

    /// How many aggregates are in memory.
    #[must_use]
    pub fn live(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Lets every actor go and opens no other. Those with something in flight finish it first; later requests are told that
    /// the engine is not available.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for shard in &self.shards {
            shard.lock().clear();
        }
        self.weight_kib.store(0, Ordering::Relaxed);
    }

    /// Puts a request into its actor's mailbox. Only the engine holds addresses, one each: actix lets every copy of an
    /// address exceed the mailbox's limit by a message.
    fn send(self: &Arc<Self>, stream: StreamId, execution: Box<dyn Execution<A>>) -> Result<(), Failure> {
        let mut shard = self.shard(stream).lock();
        if self.closed.load(Ordering::Relaxed) {
            return Err(Failure::Unavailable("the engine is closed".into()));
        }
        let sent = match shard.get_mut(&stream) {
            Some(slot) => {
                slot.last_used = Instant::now();
                slot.asked_to_leave = false;
                slot.actor.try_send(Execute::new(execution))
            }
            None => self.open(&mut shard, stream, false).try_send(Execute::new(execution)),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Full(_)) => Err(Failure::Overloaded),
            Err(SendError::Closed(message)) => {
                self.open(&mut shard, stream, true).try_send(message).map_err(|_| Failure::Overloaded)
            }
        }
    }

    /// Opens an actor, or the next incarnation of one that died.
    fn open<'s>(
        self: &Arc<Self>,
        shard: &'s mut LruCache<StreamId, Slot<A>>,
        stream: StreamId,
        after_crash: bool,
    ) -> &'s Addr<AggregateActor<A>> {
        let actor = self.start_actor(AggregateActor::new(stream, Arc::clone(self), after_crash));
        self.make_room(shard);
        self.remove(shard, stream);
        let slot = || Slot { actor, last_used: Instant::now(), asked_to_leave: false, weight_kib: 0 };
        &shard.get_or_insert(stream, slot).actor
    }

    fn start_actor(&self, actor: AggregateActor<A>) -> Addr<AggregateActor<A>> {
        let (sender, mailbox) = channel(self.lifespan.mailbox.max(1));
        let run = move || drop(actix::spawn(Context::with_receiver(mailbox).into_future(actor)));
        if Arbiter::try_current().is_some() || self.arbiters.is_empty() {
            run();
        } else {
            let next = self.next_arbiter.fetch_add(1, Ordering::Relaxed) % self.arbiters.len();
            self.arbiters[next].spawn_fn(run);
        }
        Addr::new(sender)
    }

    fn shard(&self, stream: StreamId) -> &Shard<A> {
        let hash = self.hasher.hash_one(stream.0);
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are all that is wanted")]
        &self.shards[hash as usize % self.shards.len()]
    }

    /// Asks some of the longest unused to leave when there are too many.
    fn make_room(&self, shard: &mut LruCache<StreamId, Slot<A>>) {
        let surplus = (shard.len() + 1).saturating_sub(self.most_per_shard());
        let asked = shard.iter_mut().rev().take(surplus.min(LOOKED_AT)).filter(|(_, slot)| !slot.asked_to_leave);
        let gone: Vec<_> = asked.take(ASKED_AT_ONCE).filter_map(ask_to_leave).collect();
        gone.iter().for_each(|stream| self.remove(shard, *stream));
    }

    /// Asks all to leave that are too many or have been idle for long.
    fn tidy(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let surplus = shard.len().saturating_sub(self.most_per_shard());
            let leaving = shard
                .iter_mut()
                .rev()
                .enumerate()
                .take_while(|(nth, (_, slot))| *nth < surplus || slot.last_used.elapsed() >= self.lifespan.idle);
            let gone: Vec<_> = leaving.filter_map(|(_, slot)| ask_to_leave(slot)).collect();
            gone.iter().for_each(|stream| self.remove(&mut shard, *stream));
        }
        self.shed(true);
    }

    /// Called by an actor whose state has become larger or smaller.
    pub(crate) fn weigh(&self, stream: StreamId, actor: &Addr<AggregateActor<A>>, weight_kib: usize) {
        if let Some(slot) = self.shard(stream).lock().peek_mut(&stream)
            && slot.actor == *actor
        {
            self.weight_kib.fetch_add(weight_kib, Ordering::Relaxed);
            self.weight_kib.fetch_sub(slot.weight_kib, Ordering::Relaxed);
            slot.weight_kib = weight_kib;
        }
        self.shed(false);
    }

    /// Asks the longest unused of those that have a weight to leave, as many as there is too much of; those that were asked
    /// before only `again`. Looks at a bounded number.
    fn shed(&self, again: bool) {
        let most_kib = self.lifespan.most_bytes / 1024;
        let mut surplus = self.weight_kib.load(Ordering::Relaxed).saturating_sub(most_kib);
        if surplus == 0 {
            return;
        }
        let mut heavy = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let unused = shard.iter().rev().filter(|(_, slot)| slot.weight_kib > 0).take(LOOKED_AT);
            heavy.extend(unused.map(|(stream, slot)| (slot.last_used, *stream)));
        }
        heavy.sort_unstable();
        for (_, stream) in heavy {
            let mut shard = self.shard(stream).lock();
            let Some(slot) = shard.peek_mut(&stream) else { continue };
            surplus = surplus.saturating_sub(slot.weight_kib);
            if (again || !slot.asked_to_leave) && ask_to_leave((&stream, slot)).is_some() {
                self.remove(&mut shard, stream);
            }
            if surplus == 0 {
                return;
            }
        }
    }

    fn remove(&self, shard: &mut LruCache<StreamId, Slot<A>>, stream: StreamId) {
        if let Some(slot) = shard.pop(&stream) {
            self.weight_kib.fetch_sub(slot.weight_kib, Ordering::Relaxed);
        }
    }

    fn most_per_shard(&self) -> usize {
        self.lifespan.most_actors.div_ceil(self.shards.len())
    }

    /// Called by an actor that retires.
    pub(crate) fn forget(&self, stream: StreamId, actor: &Addr<AggregateActor<A>>) {
        let mut shard = self.shard(stream).lock();
        if shard.peek(&stream).is_some_and(|slot| slot.actor == *actor) {
            self.remove(&mut shard, stream);
        }
    }

    /// Waits until every commit queued so far has been judged.
    pub(crate) async fn settle_queue(&self) -> Result<(), Failure> {
        match self.appender.submit(Vec::new()) {
            // Whatever became of the batch: it has been judged.
            Ok(barrier) => drop(barrier.await),
            Err(Refused::Full) => return Err(Failure::Overloaded),
            Err(Refused::Ended) => {}
        }
        Ok(())
    }
}

/// Asks an actor to leave; a busy one stays, its turn comes again. Names the stream of one that has ended without leaving.
fn ask_to_leave<A: Aggregate>((stream, slot): (&StreamId, &mut Slot<A>)) -> Option<StreamId> {
    slot.asked_to_leave = true;
    match slot.actor.try_send(Passivate) {
        Err(SendError::Closed(_)) => Some(*stream),
        // A full mailbox means it is not idle at all.
        Ok(()) | Err(SendError::Full(_)) => None,
    }
}
