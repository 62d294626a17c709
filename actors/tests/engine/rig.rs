//! An engine of counters and everything a test wants to hold of it.

use std::{sync::Arc, thread, time::Duration};

use actix::{Arbiter, System};
use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::{
        Aggregate,
        engine::{Engine, EngineParts, Lifespan},
        request::{Answered, CommandOutcome, Failure, IdempotencyUse, Request},
        stream_cache::StreamCache,
    },
    log::{
        appender::{Appender, AppenderLimits},
        event::{EventEnvelope, Position, StreamId, Version},
        event_feed::EventFeed,
        store::{Commit, EventStore, ExpectedVersion},
    },
    metrics::EngineMetrics,
    stores::memory::MemoryStore,
    testing::{
        Counter, CounterCommand, FaultyStore, ManualClock,
        contract::building::{self, counted, key},
    },
};
use prometheus::{Registry, proto::MetricType};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

pub use CounterCommand::{Decrement, Increment, IncrementEach, Panic, Reset, Touch};

/// A test that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub type Asked = Result<Answered<Seen>, Failure>;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    Accepted,
    Rejected,
    Mismatch,
}

/// A request as its asker sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub what: What,
    pub value: u64,
    pub version: u64,
    pub events: usize,
    pub changed_at: Option<DateTime<Utc>>,
}

pub struct Rig {
    pub engine: Arc<Engine<Counter>>,
    pub store: Arc<FaultyStore<MemoryStore>>,
    pub clock: ManualClock,
    pub states: Arc<StreamCache<Counter>>,
    pub feed: EventFeed,
    /// Becomes the reason when the failure hook is called.
    pub broken: watch::Receiver<Option<String>>,
    pub appender: thread::JoinHandle<()>,
    metrics: Registry,
    decisions: watch::Sender<u64>,
}

/// Runs a test inside a system of its own.
pub fn run(test: impl Future<Output = ()>) {
    System::new().block_on(async { timeout(PATIENCE, test).await.expect("the test hangs") });
}

/// Lets every other task of this thread run until it waits.
pub async fn let_others_run() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

impl Rig {
    pub fn start() -> Self {
        Self::with(Lifespan::default(), AppenderLimits::default())
    }

    pub fn living(lifespan: Lifespan) -> Self {
        Self::with(lifespan, AppenderLimits::default())
    }

    pub fn with(lifespan: Lifespan, limits: AppenderLimits) -> Self {
        Self::on(Arc::new(FaultyStore::new(MemoryStore::new())), lifespan, limits)
    }

    /// Starts another engine on a store that is there already, as a new process would.
    pub fn on(store: Arc<FaultyStore<MemoryStore>>, lifespan: Lifespan, limits: AppenderLimits) -> Self {
        let clock = ManualClock::default();
        let metrics = Registry::new();
        let engine_metrics = EngineMetrics::register(&metrics).expect("an empty registry");
        let feed = EventFeed::new(64, Position::START);
        let (hook, broken) = watch::channel(None);
        let on_failure = Box::new(move |reason| drop(hook.send_replace(Some(reason))));
        let (appender, thread) =
            Appender::start(store.clone(), feed.clone(), limits, engine_metrics.clone(), on_failure).expect("a thread");
        let states = Arc::new(StreamCache::new(1 << 20));
        let engine = start(&store, &clock, appender, engine_metrics, lifespan, Some(Arc::clone(&states)));
        let decisions = watch::Sender::new(0);
        Self { engine, store, clock, states, feed, broken, appender: thread, metrics, decisions }
    }

    /// Starts an engine of other aggregates on the same store.
    pub fn start_another<A: Aggregate>(&self) -> Arc<Engine<A>> {
        let (feed, metrics) = (EventFeed::new(1, Position::START), EngineMetrics::unregistered());
        let (appender, _) = Appender::start(
            self.store.clone(),
            feed,
            AppenderLimits::default(),
            metrics.clone(),
            Box::new(|reason| panic!("{reason}")),
        )
        .expect("a thread");
        start(&self.store, &self.clock, appender, metrics, Lifespan::default(), None)
    }

    pub fn execute(&self, command: CounterCommand) -> Request<Counter, Seen> {
        Request::execute(command, self.show())
    }

    pub fn reading(&self) -> Request<Counter, Seen> {
        Request::read(self.show())
    }

    /// Shows the outcome, and lets tests see that a decision was made.
    pub fn show(&self) -> impl Fn(&CommandOutcome<'_, Counter>) -> Seen + Send + 'static {
        let decisions = self.decisions.clone();
        move |outcome| {
            decisions.send_modify(|made| *made += 1);
            seen(outcome)
        }
    }

    /// Asks and waits for the answer.
    pub async fn ask(&self, stream: StreamId, command: CounterCommand) -> Asked {
        self.engine.ask(stream, self.execute(command)).await
    }

    /// Asks, and must be answered.
    pub async fn told(&self, stream: StreamId, command: CounterCommand) -> Answered<Seen> {
        self.ask(stream, command).await.expect("an answer")
    }

    pub async fn read(&self, stream: StreamId) -> Answered<Seen> {
        self.engine.ask(stream, self.reading()).await.expect("an answer")
    }

    /// Asks without waiting for anything.
    pub fn send(&self, stream: StreamId, request: Request<Counter, Seen>) -> JoinHandle<Asked> {
        let engine = Arc::clone(&self.engine);
        actix::spawn(async move { engine.ask(stream, request).await })
    }

    /// Asks and waits until it has been decided, not answered.
    pub async fn decide(&self, stream: StreamId, request: Request<Counter, Seen>) -> JoinHandle<Asked> {
        let before = *self.decisions.borrow();
        let asked = self.send(stream, request);
        self.decided(before + 1).await;
        asked
    }

    /// Waits until so many decisions have been made, of all that were ever asked for.
    pub async fn decided(&self, decisions: u64) {
        self.decisions.subscribe().wait_for(|made| *made >= decisions).await.expect("the rig lives");
    }

    /// Appends to a stream behind the engine's back.
    pub async fn seed(&self, stream: StreamId, events: usize) {
        building::append(self.store.below(), counted(stream, ExpectedVersion::Any, events)).await;
    }

    /// The whole log.
    pub async fn log(&self) -> Vec<Arc<EventEnvelope>> {
        building::log_of(self.store.below()).await
    }

    pub async fn stream(&self, stream: StreamId) -> Vec<Arc<EventEnvelope>> {
        building::stream_of(self.store.below(), stream).await
    }

    /// The types of a stream's events.
    pub async fn types(&self, stream: StreamId) -> Vec<String> {
        self.stream(stream).await.iter().map(|event| event.event_type.clone().into_owned()).collect()
    }

    pub async fn head(&self) -> u64 {
        self.store.head().await.expect("a head").position.0
    }

    /// The value of a counter or gauge, summed over its labels, or of one of its labels.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it counts something")]
    pub fn metric(&self, name: &str, label: Option<&str>) -> u64 {
        let families = self.metrics.gather();
        let family = families.iter().find(|family| family.name() == name).expect("a metric of this name");
        let wanted = family
            .get_metric()
            .iter()
            .filter(|metric| label.is_none_or(|label| metric.get_label().iter().any(|pair| pair.value() == label)));
        let gauge = family.get_field_type() == MetricType::GAUGE;
        let value: f64 = wanted
            .map(|metric| if gauge { metric.get_gauge().get_value() } else { metric.get_counter().get_value() })
            .sum();
        value as u64
    }

    /// Runs the engine down: the rest is what an asker and a look at the store can tell.
    pub async fn stop(self) {
        let Self { engine, appender, .. } = self;
        engine.close();
        drop(engine);
        tokio::task::spawn_blocking(move || appender.join())
            .await
            .expect("a join")
            .expect("an appender that ends well");
    }
}

fn start<A: Aggregate>(
    store: &Arc<FaultyStore<MemoryStore>>,
    clock: &ManualClock,
    appender: Appender,
    metrics: EngineMetrics,
    lifespan: Lifespan,
    states: Option<Arc<StreamCache<A>>>,
) -> Arc<Engine<A>> {
    Engine::start(EngineParts {
        states,
        store: store.clone(),
        appender,
        clock: Arc::new(clock.clone()),
        lifespan,
        metrics,
        arbiters: vec![Arbiter::current()],
    })
}

pub fn seen(outcome: &CommandOutcome<'_, Counter>) -> Seen {
    let (what, state, version, events) = match outcome {
        CommandOutcome::Accepted { state, version, events } => (What::Accepted, state, version, events.len()),
        CommandOutcome::Rejected { state, version, .. } => (What::Rejected, state, version, 0),
        CommandOutcome::VersionMismatch { state, version } => (What::Mismatch, state, version, 0),
    };
    Seen { what, value: state.value, version: version.0, events, changed_at: state.changed_at }
}

/// The same request with an idempotency key; `print` tells requests with the same key apart.
pub fn keyed(name: &str, print: u8, request: Request<Counter, Seen>) -> Request<Counter, Seen> {
    Request { idempotency: Some(IdempotencyUse { key: key("caller", name), fingerprint: [print; 32] }), ..request }
}

pub fn assuming_new(request: Request<Counter, Seen>) -> Request<Counter, Seen> {
    Request { assume_new_stream: true, ..request }
}

pub fn at_version(version: u64, request: Request<Counter, Seen>) -> Request<Counter, Seen> {
    Request { if_version: vec![Version(version)], ..request }
}

/// One increment by another writer.
pub fn intruder(stream: StreamId) -> Commit {
    counted(stream, ExpectedVersion::Any, 1)
}

pub async fn answer(asked: JoinHandle<Asked>) -> Asked {
    asked.await.expect("a task that ends well")
}
