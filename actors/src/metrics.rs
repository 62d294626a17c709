//! What the engine tells Prometheus. No ids as labels.

use std::sync::LazyLock;

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

/// Makes metrics and shows them in a registry. Each errs when a metric of the same name is there already.
pub struct MetricMaker<'a>(&'a Registry);

impl<'a> MetricMaker<'a> {
    /// For this registry.
    #[must_use]
    pub fn new(registry: &'a Registry) -> Self {
        Self(registry)
    }

    /// A counter.
    pub fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.shown(IntCounter::new(name, help)?)
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.shown(IntGauge::new(name, help)?)
    }

    /// A histogram with these upper bounds.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.shown(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    /// Counters, one for each value of the labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.shown(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// Gauges, one for each value of the labels.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.shown(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// Gauges of fractions, one for each value of the labels.
    pub fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.shown(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn shown<T: Collector + Clone + 'static>(&self, metric: T) -> prometheus::Result<T> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

/// Metrics that nobody sees: registered where no name is taken.
///
/// # Panics
/// Two of them have the same name.
#[must_use]
#[expect(clippy::expect_used, reason = "an empty registry takes every name")]
pub fn unregistered<T>(register: fn(&Registry) -> prometheus::Result<T>) -> T {
    register(&Registry::new()).expect("an empty registry takes every name")
}

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

/// Payloads decoded since the process started, whichever store they came from: envelopes are read without an engine, too.
#[expect(clippy::expect_used, reason = "the name is a good one")]
pub(crate) static EVENTS_DECODED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Payloads of events decoded by this process.";
    IntCounter::new("ordo_events_decoded_total", help).expect("a good name")
});

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
        let make = MetricMaker::new(registry);
        let counter = |name, help| make.counter(name, help);
        let gauge = |name, help| make.gauge(name, help);
        let histogram = |name, help, buckets| make.histogram(name, help, buckets);
        let commands = make.counters("ordo_commands_total", "Commands by outcome.", &["outcome"])?;
        let checks_help = "Orders in memory held against a shared log, by what was found.";
        let checks = make.counters("ordo_version_checks_total", checks_help, &["outcome"])?;
        registry.register(Box::new(EVENTS_DECODED.clone()))?;
        Ok(Self {
            accepted: commands.with_label_values(&["accepted"]),
            unchanged: commands.with_label_values(&["unchanged"]),
            rejected: commands.with_label_values(&["rejected"]),
            replayed: commands.with_label_values(&["replayed"]),
            failed: commands.with_label_values(&["failed"]),
            conflicts: counter("ordo_append_conflicts_total", "Commits that lost against another writer.")?,
            live_actors: gauge("ordo_live_actors", "Aggregate actors in memory.")?,
            rehydrations: counter("ordo_rehydrations_total", "Aggregates read back from the store.")?,
            rehydrate_seconds: histogram("ordo_rehydrate_seconds", "Time to read an aggregate back.", &SECONDS)?,
            passivations: counter("ordo_passivations_total", "Aggregate actors that left memory while idle.")?,
            panics: counter("ordo_actor_panics_total", "Decisions that panicked; each cost one actor its memory.")?,
            append_seconds: histogram("ordo_append_seconds", "Time to make a batch durable.", &SECONDS)?,
            batch_commits: histogram("ordo_append_batch_commits", "Commits made durable together.", &GATHERED)?,
            appended_events: counter("ordo_appended_events_total", "Events made durable by this process.")?,
            append_failures: counter("ordo_append_failures_total", "Batches that the store did not confirm.")?,
            head: gauge("ordo_log_head_position", "The last position of the log this process has heard of.")?,
            check_seconds: histogram(
                "ordo_version_check_seconds",
                "Time to ask a shared log where orders in memory end.",
                &SECONDS,
            )?,
            check_streams: histogram("ordo_version_check_orders", "Orders asked about together.", &GATHERED)?,
            confirmed: checks.with_label_values(&["confirmed"]),
            stale: checks.with_label_values(&["stale"]),
            unchecked: checks.with_label_values(&["failed"]),
        })
    }

    /// Metrics that nobody sees.
    #[must_use]
    pub fn unregistered() -> Self {
        unregistered(Self::register)
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
