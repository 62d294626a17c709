//! What the live side tells Prometheus. No ids as labels.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

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
        let connections =
            IntGaugeVec::new(Opts::new("ordo_live_connections", "Live connections by transport."), &["transport"])?;
        registry.register(Box::new(connections.clone()))?;
        let closed = IntCounterVec::new(
            Opts::new("ordo_live_closed_total", "WebSockets closed by the server, by close code."),
            &["code"],
        )?;
        registry.register(Box::new(closed.clone()))?;
        Ok(Self {
            connections,
            closed,
            subscriptions: gauge("ordo_live_subscriptions", "Live subscriptions.")?,
            messages: counter("ordo_live_messages_total", "Events sent to subscribers.")?,
            fell_behind: counter("ordo_live_fell_behind_total", "Times a subscriber was too slow for the ring.")?,
            store_reads: counter("ordo_live_store_reads_total", "Pages of the log read for subscribers.")?,
            written: counter("ordo_live_written_events_total", "Events folded and written for all subscribers.")?,
            position: gauge("ordo_live_position", "Everything up to here is visible to subscribers.")?,
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

    pub(super) fn connections(&self, transport: &str) -> IntGauge {
        self.connections.with_label_values(&[transport])
    }

    pub(super) fn closed(&self, code: u16) {
        self.closed.with_label_values(&[itoa::Buffer::new().format(code)]).inc();
    }
}
