//! What sagas tell Prometheus. No ids as labels.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};

use crate::metrics::{MetricMaker, unregistered};
use crate::saga::{FailedHow, SagaDefinition, SagaEvent, SagaState};

/// The sagas' metrics; one per process.
#[derive(Clone)]
pub struct SagaMetrics {
    pub(crate) running: IntGauge,
    pub(crate) stuck: IntGauge,
    pub(crate) calls_out: IntGauge,
    ended: IntCounterVec,
    steps: IntCounterVec,
    compensations: IntCounter,
    pub(crate) panics: IntCounter,
    seconds: Histogram,
}

/// Seconds from 5 milliseconds to an hour.
const SECONDS: [f64; 15] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

impl SagaMetrics {
    /// Makes the metrics and shows them in a registry.
    ///
    /// # Errors
    /// A metric of the same name is there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let make = MetricMaker::new(registry);
        let seconds_help = "Time from the start of a saga to its end.";
        Ok(Self {
            running: make.gauge("ordo_sagas_running", "Sagas that this process runs.")?,
            stuck: make.gauge("ordo_sagas_stuck", "Sagas that wait for an operator, counted up to 1000.")?,
            calls_out: make.gauge("ordo_saga_calls_out", "Calls to partners under way.")?,
            ended: make.counters("ordo_sagas_ended_total", "Sagas by the state they came to.", &["state"])?,
            steps: make.counters("ordo_saga_steps_total", "Steps and undos by outcome.", &["step", "outcome"])?,
            compensations: make.counter("ordo_saga_compensations_total", "Sagas that began to undo their steps.")?,
            panics: make.counter("ordo_saga_panics_total", "Sagas whose code panicked; they go on after a pause.")?,
            seconds: make.histogram("ordo_saga_seconds", seconds_help, &SECONDS)?,
        })
    }

    /// Metrics that nobody sees.
    #[must_use]
    pub fn unregistered() -> Self {
        unregistered(Self::register)
    }

    /// Counts what has been made durable.
    pub(crate) fn count<D: SagaDefinition>(&self, events: &[SagaEvent<D>]) {
        let step = |step: &str, outcome: &str| self.steps.with_label_values(&[step, outcome]).inc();
        let ended = |state: SagaState| self.ended.with_label_values(&[&state.name().to_lowercase()]).inc();
        let failed = |how: FailedHow| match how {
            FailedHow::Refused => "refused",
            FailedHow::NotDone => "not_done",
            FailedHow::Unknown => "unknown",
        };
        for event in events {
            match event {
                SagaEvent::StepCompleted(event) => step(&event.step, "completed"),
                SagaEvent::StepFailed(event) => step(&event.step, failed(event.outcome)),
                SagaEvent::CompensationStepCompleted(event) => step(&event.step, "undone"),
                SagaEvent::CompensationStepFailed(event) => step(&event.step, "undo_failed"),
                SagaEvent::StepSkipped(event) => step(&event.step, "skipped"),
                SagaEvent::CompensationStarted(_) => self.compensations.inc(),
                SagaEvent::SagaCompleted(_) => ended(SagaState::Completed),
                SagaEvent::SagaFailed(_) => ended(SagaState::Failed),
                SagaEvent::SagaStuck(_) => ended(SagaState::Stuck),
                SagaEvent::SagaStarted(_)
                | SagaEvent::StepStarted(_)
                | SagaEvent::StepRetried(_)
                | SagaEvent::SagaAnnotated(_) => {}
            }
        }
    }

    /// Counts the time of a saga that has come to its end.
    pub(crate) fn took(&self, time: chrono::TimeDelta) {
        self.seconds.observe(time.as_seconds_f64().max(0.0));
    }
}
