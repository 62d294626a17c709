//! What the engine tells Prometheus. No ids as labels.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::projection::progress::Progress;

/// The engine's metrics; one per process.
#[derive(Clone)]
pub struct EngineMetrics {
    pub(crate) accepted: IntCounter,
    pub(crate) unchanged: IntCounter,
    pub(crate) rejected: IntCounter,
    pub(crate) replayed: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) conflicts: IntCounter,
    pub(crate) live_actors: IntGauge,
    pub(crate) rehydrations: IntCounter,
    pub(crate) rehydrate_seconds: Histogram,
    pub(crate) passivations: IntCounter,
    pub(crate) panics: IntCounter,
    pub(crate) append_seconds: Histogram,
    pub(crate) batch_commits: Histogram,
    pub(crate) appended_events: IntCounter,
    pub(crate) append_failures: IntCounter,
    pub(crate) head: IntGauge,
    pub(crate) check_seconds: Histogram,
    pub(crate) check_streams: Histogram,
    pub(crate) confirmed: IntCounter,
    pub(crate) stale: IntCounter,
    pub(crate) unchecked: IntCounter,
}

/// Seconds from 100 microseconds to 13 seconds.
const SECONDS: [f64; 18] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048, 0.4096, 0.8192,
    1.6384, 3.2768, 6.5536, 13.1072,
];

/// How many were gathered.
const GATHERED: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

impl EngineMetrics {
    /// Makes the metrics and shows them in a registry.
    ///
    /// # Errors
    /// A metric of the same name is there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let commands = IntCounterVec::new(Opts::new("ordo_commands_total", "Commands by outcome."), &["outcome"])?;
        registry.register(Box::new(commands.clone()))?;
        let checks = IntCounterVec::new(
            Opts::new("ordo_version_checks_total", "Orders in memory held against a shared log, by what was found."),
            &["outcome"],
        )?;
        registry.register(Box::new(checks.clone()))?;
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            prometheus::Result::Ok(histogram)
        };
        Ok(Self {
            accepted: commands.with_label_values(&["accepted"]),
            unchanged: commands.with_label_values(&["unchanged"]),
            rejected: commands.with_label_values(&["rejected"]),
            replayed: commands.with_label_values(&["replayed"]),
            failed: commands.with_label_values(&["failed"]),
            conflicts: counter("ordo_append_conflicts_total", "Commits that lost against another writer.")?,
            live_actors: gauge("ordo_live_actors", "Aggregate actors in memory.")?,
            rehydrations: counter("ordo_rehydrations_total", "Aggregates read back from the store.")?,
            rehydrate_seconds: histogram(
                "ordo_rehydrate_seconds",
                "Time to read an aggregate back.",
                SECONDS.to_vec(),
            )?,
            passivations: counter("ordo_passivations_total", "Aggregate actors that left memory while idle.")?,
            panics: counter("ordo_actor_panics_total", "Decisions that panicked; each cost one actor its memory.")?,
            append_seconds: histogram("ordo_append_seconds", "Time to make a batch durable.", SECONDS.to_vec())?,
            batch_commits: histogram("ordo_append_batch_commits", "Commits made durable together.", GATHERED.to_vec())?,
            appended_events: counter("ordo_appended_events_total", "Events made durable by this process.")?,
            append_failures: counter("ordo_append_failures_total", "Batches that the store did not confirm.")?,
            head: gauge("ordo_log_head_position", "The last position of the log this process has heard of.")?,
            check_seconds: histogram(
                "ordo_version_check_seconds",
                "Time to ask a shared log where orders in memory end.",
                SECONDS.to_vec(),
            )?,
            check_streams: histogram("ordo_version_check_orders", "Orders asked about together.", GATHERED.to_vec())?,
            confirmed: checks.with_label_values(&["confirmed"]),
            stale: checks.with_label_values(&["stale"]),
            unchecked: checks.with_label_values(&["failed"]),
        })
    }

    /// Metrics that nobody sees.
    ///
    /// # Panics
    /// Never: an empty registry takes every name.
    #[must_use]
    #[expect(clippy::expect_used, reason = "an empty registry takes every name")]
    pub fn unregistered() -> Self {
        Self::register(&Registry::new()).expect("an empty registry takes every name")
    }
}

/// Counts the actors in memory, however they end.
pub(crate) struct Alive(IntGauge);

impl Alive {
    pub fn new(live_actors: &IntGauge) -> Self {
        live_actors.inc();
        Self(live_actors.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What projections tell Prometheus; one per process, labelled by read model.
#[derive(Clone)]
pub struct ProjectionMetrics {
    position: IntGaugeVec,
    lag_events: IntGaugeVec,
    lag_seconds: GaugeVec,
    events: IntCounterVec,
    parked: IntGaugeVec,
}

impl ProjectionMetrics {
    /// Makes the metrics and shows them in a registry.
    ///
    /// # Errors
    /// A metric of the same name is there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["model"])?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let lag_seconds = GaugeVec::new(
            Opts::new("ordo_projection_lag_seconds", "Age of the last event taken in, while others wait."),
            &["model"],
        )?;
        registry.register(Box::new(lag_seconds.clone()))?;
        let events = IntCounterVec::new(Opts::new("ordo_projection_events_total", "Events taken in."), &["model"])?;
        registry.register(Box::new(events.clone()))?;
        Ok(Self {
            position: gauge("ordo_projection_position", "Everything up to here is in the rows.")?,
            lag_events: gauge("ordo_projection_lag_events", "Events between the rows and the end of the log.")?,
            lag_seconds,
            events,
            parked: gauge("ordo_projection_dead_letters", "Streams that could not be taken in.")?,
        })
    }

    pub(crate) fn events(&self, model: &str, count: usize) {
        self.events.with_label_values(&[model]).inc_by(count as u64);
    }

    pub(crate) fn show(&self, model: &str, progress: &Progress) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let position = progress.position().0;
        self.position.with_label_values(&[model]).set(number(position));
        self.lag_events.with_label_values(&[model]).set(number(progress.head.0.saturating_sub(position)));
        self.lag_seconds.with_label_values(&[model]).set(progress.lag_seconds);
        self.parked.with_label_values(&[model]).set(number(progress.parked_streams as u64));
    }
}
