//! What projections tell Prometheus. No ids as labels.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

use crate::{
    metrics::{MetricMaker, unregistered},
    projection::progress::Progress,
};

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
        let make = MetricMaker::new(registry);
        let gauge = |name, help| make.gauges(name, help, &["model"]);
        let lag_help = "Age of the last event taken in, while others wait.";
        Ok(Self {
            position: gauge("ordo_projection_position", "Everything up to here is in the rows.")?,
            lag_events: gauge("ordo_projection_lag_events", "Events between the rows and the end of the log.")?,
            lag_seconds: make.float_gauges("ordo_projection_lag_seconds", lag_help, &["model"])?,
            events: make.counters("ordo_projection_events_total", "Events taken in.", &["model"])?,
            parked: gauge("ordo_projection_dead_letters", "Streams that could not be taken in.")?,
        })
    }

    /// Metrics that nobody sees.
    #[must_use]
    pub fn unregistered() -> Self {
        unregistered(Self::register)
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
