//! The composition root: puts the parts together, starts them in order and stops them in the reverse order.

mod error;
mod fulfilling;
mod listening;
mod opening;
pub mod schema;
mod stopping;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use actix::{Arbiter, ArbiterHandle};
use actix_web::{
    dev::{Server, ServerHandle},
    web::Data,
};
use ordo_actors::{
    aggregate::engine::{Engine, EngineParts, Lifespan},
    clock::{Clock, SystemClock},
    log::{
        appender::{Appender, AppenderLimits},
        event_feed::EventFeed,
        store::EventStore,
        upcast::{Upcasting, readable, refuse_unreadable},
    },
    metrics::EngineMetrics,
    projection::{
        ProjectionMetrics,
        progress::{ProjectionLimits, ProjectionParts},
        row_store::RowStore,
    },
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use utoipa::OpenApi;

use crate::{
    config::Settings,
    fulfilment::{FulfilmentSaga, SagaSupervisorHandle, settings::Partners},
    guard::rules::Guard,
    http::{
        admission::Admission,
        body_budget::BodyBudget,
        command_input::KeysInFlight,
        fault_tally::{self, FaultTally},
        http_metrics::HttpMetrics,
        openapi::document::document,
        state::AppState,
    },
    live::{
        live_hub::LiveHub,
        live_metrics::LiveMetrics,
        routes::{LiveOperations, LiveState},
    },
    order::Order,
    partner_sim::in_process::SimulatedPartners,
    read_models::{Projections, StreamStates},
    telemetry::dropped_lines,
};

pub use error::ApplicationError;
use listening::listen;
pub use opening::{Existing, Stores, open_existing_stores, open_stores, open_stores_as_accepted, upcasters};
use stopping::{Door, pass};

/// Batches that a slow subscriber may be behind before it is told to read the store.
const FEED_BATCHES: usize = 4096;

/// How many idempotency records are forgotten in one step, and how often a step is taken.
const FORGET_AT_ONCE: usize = 10_000;
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// The same while there are more: faster than keys can come in, slow enough for commits to go between.
const FORGET_MORE_AFTER: Duration = Duration::from_millis(500);

/// How long the last commit may take when the requests have used up the time for stopping.
const LAST_COMMIT: Duration = Duration::from_secs(1);

/// The OpenAPI document of all that the server answers.
#[must_use]
pub fn openapi() -> String {
    document(LiveOperations::openapi())
}

/// The orders without any way in from outside: the store, the appender and the engine. Import and the server share it.
pub struct Core {
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// The rows of the read models.
    pub rows: Arc<dyn RowStore>,
    /// News from the log.
    pub feed: EventFeed,
    /// The orders.
    pub orders: Arc<Engine<Order>>,
    /// The states of orders and sagas, for all who follow the log.
    pub states: StreamStates,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Everything that is counted.
    pub metrics: prometheus::Registry,
    /// Becomes some reason when the process must stop.
    pub broken: watch::Receiver<Option<String>>,
    /// Where commits go.
    appender: Appender,
    /// Ends with the last one who appends.
    appending: JoinHandle<()>,
}

impl Core {
    /// Starts the engine on a store. Refuses a log that holds events nobody here can read.
    ///
    /// # Errors
    /// See [`ApplicationError`].
    pub async fn start(
        Stores { log: store, rows }: Stores,
        lifespan: Lifespan,
        arbiters: Vec<ArbiterHandle>,
    ) -> Result<Self, ApplicationError> {
        let upcasters = upcasters();
        refuse_unreadable(store.as_ref(), &[readable::<Order>(), readable::<FulfilmentSaga>()], &upcasters).await?;
        let store: Arc<dyn EventStore> = Arc::new(Upcasting::new(store, upcasters));
        let metrics = prometheus::Registry::new();
        let engine_metrics = EngineMetrics::register(&metrics)?;
        let feed = EventFeed::new(FEED_BATCHES, store.head().await?.position);
        let (report_failure, broken) = watch::channel(None);
        let (appender, thread) = Appender::start(
            Arc::clone(&store),
            feed.clone(),
            AppenderLimits::default(),
            engine_metrics.clone(),
            Box::new(move |reason| {
                report_failure.send_replace(Some(reason));
            }),
        )
        .map_err(ApplicationError::Thread)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let states = StreamStates::default();
        let orders = Engine::start(EngineParts {
            store: Arc::clone(&store),
            appender: appender.clone(),
            clock: Arc::clone(&clock),
            lifespan,
            states: Some(Arc::clone(&states.orders)),
            metrics: engine_metrics,
            arbiters,
        });
        Ok(Self { store, rows, feed, orders, states, clock, metrics, broken, appender, appending: thread })
    }

    /// Lets all orders go and waits until the last commit is done, at most `patience` long. The store closes with its last user.
    pub async fn stop(self, patience: Duration) {
        let Self { store, orders, appender, appending, .. } = self;
        orders.close();
        drop((orders, appender));
        let (tell, ended) = tokio::sync::oneshot::channel();
        // A thread of its own: the runtime would wait for one of its own however long that takes.
        let waiting = std::thread::Builder::new().name("stopping".into()).spawn(move || {
            // Nobody listens any more when it took too long.
            let _ = tell.send(appending.join());
        });
        if waiting.is_err() || tokio::time::timeout(patience, ended).await.is_err() {
            log::warn!("the appender did not end in time");
        }
        drop(store);
    }
}

/// A server that is ready to run.
pub struct Application {
    core: Core,
    server: Server,
    door: Door,
    state: Data<AppState>,
    live: Arc<LiveHub>,
    sagas: SagaSupervisorHandle,
    address: SocketAddr,
    drain: Duration,
    shutdown: Duration,
}

impl Application {
    /// Opens the store, starts the engine and takes the port. Nothing is served before [`Self::run`].
    ///
    /// # Errors
    /// See [`ApplicationError`].
    pub async fn build(settings: Settings) -> Result<Self, ApplicationError> {
        let stores = opening::open_to_serve(&settings.store, settings.accepted).await?;
        let others = Arc::new(SimulatedPartners::default());
        let partners = settings.fulfilment.partners.partners(&others).map_err(ApplicationError::Partners)?;
        Self::build_with(settings, stores, partners).await
    }

    /// The same with a store that is open already, and with these partners whatever the settings say.
    ///
    /// # Errors
    /// See [`ApplicationError`].
    pub async fn build_with(settings: Settings, stores: Stores, partners: Partners) -> Result<Self, ApplicationError> {
        let core = Core::start(stores, settings.lifespan, vec![Arbiter::current()]).await?;
        expose_process(&core.metrics)?;
        let sagas = core.start_sagas(partners, &settings.fulfilment)?;
        let state = Data::new(AppState {
            orders: Arc::clone(&core.orders),
            store: Arc::clone(&core.store),
            feed: core.feed.clone(),
            clock: Arc::clone(&core.clock),
            guard: Guard::new(settings.listen.ip(), settings.hosts.clone(), settings.origins.clone()),
            limits: settings.http,
            sagas: sagas.clone(),
            fulfil_on_submit: settings.fulfilment.on_submit,
            bodies: BodyBudget::new(settings.http.body_memory),
            answers: Arc::default(),
            keys_in_flight: KeysInFlight::default(),
            http_metrics: HttpMetrics::register(&core.metrics)?,
            metrics: core.metrics.clone(),
            store_name: settings.store.to_string(),
            draining: AtomicBool::new(false),
            admission: Admission::new(settings.http.in_flight, settings.http.place_wait),
            fault_tally: Arc::default(),
        });
        tell_faults(&core, Arc::clone(&state.fault_tally));
        forget_old_keys(&core, settings.idempotency_kept);
        let parts = ProjectionParts {
            log: Arc::clone(&core.store),
            rows: Arc::clone(&core.rows),
            feed: core.feed.clone(),
            clock: Arc::clone(&core.clock),
            limits: ProjectionLimits::default(),
            metrics: ProjectionMetrics::register(&core.metrics)?,
        };
        let projections = Projections::start(&parts, &core.states);
        let live_metrics = LiveMetrics::register(&core.metrics)?;
        let live = LiveHub::start(
            Arc::clone(&core.store),
            &core.feed,
            Arc::clone(&core.states.orders),
            settings.live,
            live_metrics,
        )
        .await?;
        let live_state = Data::new(LiveState { hub: Arc::clone(&live) });
        let (server, door, address) = listen(&settings, &state, &projections, &live_state)?;
        let Settings { drain, shutdown, .. } = settings;
        Ok(Self { core, server, door, state, live, sagas, address, drain, shutdown })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop, then: not ready, live connections go, each answer is its connection's last, sagas stop,
    /// the listener closes, requests finish, orders leave, the last commit ends, the store closes. Told a second time it
    /// cuts off whoever is still there.
    ///
    /// # Errors
    /// The store broke, or the web server failed.
    pub async fn run(self, mut told_to_stop: impl AsyncFnMut()) -> Result<(), ApplicationError> {
        let mut broken = self.core.broken.clone();
        let handle = self.server.handle();
        let serving = tokio::task::spawn_local(self.server);
        let verdict = tokio::select! {
            () = told_to_stop() => Ok(()),
            reason = broken.wait_for(Option::is_some) => {
                let reason = reason.ok().and_then(|reason| reason.clone()).unwrap_or_default();
                Err(ApplicationError::Broken(reason))
            }
        };
        self.state.draining.store(true, Ordering::Relaxed);
        log::info!("stopping");
        let mut deadline = Instant::now() + self.shutdown;
        let closing = Closing { handle: &handle, door: self.door, live: &self.live, sagas: &self.sagas };
        // What is broken acknowledges nothing any more: there is nobody to be patient with.
        let drain = if verdict.is_ok() { self.drain } else { Duration::ZERO };
        tokio::select! {
            () = closing.close(drain, deadline) => {}
            () = told_to_stop() => {
                log::warn!("told to stop again: whoever is still there is cut off");
                deadline = Instant::now() + LAST_COMMIT;
                handle.stop(false).await;
                // What a saga is at goes on after the next start.
                let _ = timeout_at(deadline, self.sagas.stop()).await;
            }
        }
        let served = serving.await;
        drop(self.state);
        self.live.stop();
        drop(self.live);
        self.core.stop(deadline.duration_since(Instant::now()).max(LAST_COMMIT)).await;
        verdict?;
        served.unwrap_or(Ok(())).map_err(ApplicationError::Serve)
    }
}

/// Everything that lets somebody in or goes on by itself.
struct Closing<'a> {
    handle: &'a ServerHandle,
    door: Door,
    live: &'a LiveHub,
    sagas: &'a SagaSupervisorHandle,
}

impl Closing<'_> {
    /// Closes one after the other, before the deadline. Whoever is left then is cut off.
    async fn close(self, drain: Duration, deadline: Instant) {
        tokio::join!(self.live.drain(), pass(Instant::now() + drain, deadline));
        let stopped = timeout_at(deadline, self.sagas.stop());
        let (stopped, ()) = tokio::join!(stopped, self.door.shut(deadline));
        if stopped.is_err() {
            log::warn!("the sagas did not stop in time; they go on after the next start");
        }
        if timeout_at(deadline, self.handle.stop(true)).await.is_err() {
            self.handle.stop(false).await;
        }
    }
}

/// Forgets idempotency records that have been kept long enough, a bounded number at a time.
fn forget_old_keys(core: &Core, kept: Duration) {
    let (store, clock) = (Arc::clone(&core.store), Arc::clone(&core.clock));
    let mut broken = core.broken.clone();
    tokio::task::spawn_local(async move {
        let mut tick = tokio::time::interval(FORGET_EVERY);
        // Ends with the appender, so that the store can close.
        while tokio::select! { _ = tick.tick() => true, changed = broken.changed() => changed.is_ok() } {
            match store.forget_idempotency(clock.now() - kept, FORGET_AT_ONCE).await {
                Ok(FORGET_AT_ONCE..) => tick.reset_after(FORGET_MORE_AFTER),
                Ok(_) => {}
                Err(error) => log::warn!("old idempotency keys could not be forgotten: {error}"),
            }
        }
    });
}

/// Tells once a second what was answered with a fault, and does so as long as anybody appends.
fn tell_faults(core: &Core, tally: Arc<FaultTally>) {
    let mut broken = core.broken.clone();
    tokio::task::spawn_local(async move {
        let mut tick = tokio::time::interval(fault_tally::EVERY);
        while tokio::select! { _ = tick.tick() => true, changed = broken.changed() => changed.is_ok() } {
            if let Some(faults) = tally.tell() {
                log::warn!("{faults}");
            }
        }
    });
}

/// Shows what the process uses and which build it is.
fn expose_process(metrics: &prometheus::Registry) -> prometheus::Result<()> {
    metrics.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let build =
        prometheus::IntGaugeVec::new(prometheus::Opts::new("ordo_build_info", "Which build this is."), &["version"])?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    metrics.register(Box::new(build))?;
    metrics.register(Box::new(dropped_lines()))
}
