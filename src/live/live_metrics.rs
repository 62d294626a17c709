//! What the live side tells Prometheus. No ids as labels.

use ordo_actors::metrics::{MetricMaker, unregistered};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// The live metrics; one per process.
#[derive(Clone)]
pub struct LiveMetrics {
    connections: IntGaugeVec,
    closed: IntCounterVec,
    pub(super) subscriptions: IntGauge,
    pub(super) messages: IntCounter,
    pub(super) fell_behind: IntCounter,
    pub(super) store_reads: IntCounter,
    pub(super) written: IntCounter,
    pub(super) position: IntGauge,
}

impl LiveMetrics {
    /// Makes the metrics and shows them in a registry.
    ///
    /// # Errors
    /// A metric of the same name is there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let make = MetricMaker::new(registry);
        let closed_help = "WebSockets closed by the server, by close code.";
        Ok(Self {
            connections: make.gauges("ordo_live_connections", "Live connections by transport.", &["transport"])?,
            closed: make.counters("ordo_live_closed_total", closed_help, &["code"])?,
            subscriptions: make.gauge("ordo_live_subscriptions", "Live subscriptions.")?,
            messages: make.counter("ordo_live_messages_total", "Events sent to subscribers.")?,
            fell_behind: make
                .counter("ordo_live_fell_behind_total", "Times a subscriber was too slow for the ring.")?,
            store_reads: make.counter("ordo_live_store_reads_total", "Pages of the log read for subscribers.")?,
            written: make
                .counter("ordo_live_written_events_total", "Events folded and written for all subscribers.")?,
            position: make.gauge("ordo_live_position", "Everything up to here is visible to subscribers.")?,
        })
    }

    /// Metrics that nobody sees.
    #[must_use]
    pub fn unregistered() -> Self {
        unregistered(Self::register)
    }

    pub(super) fn connections(&self, transport: &str) -> IntGauge {
        self.connections.with_label_values(&[transport])
    }

    pub(super) fn closed(&self, code: u16) {
        self.closed.with_label_values(&[itoa::Buffer::new().format(code)]).inc();
    }
}
