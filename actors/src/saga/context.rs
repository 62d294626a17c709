//! What all runs of a kind of saga share, and what can be asked of one.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    clock::Clock,
    failure::Failure,
    log::store::EventStore,
    saga::{SagaCommand, SagaDefinition, SagaRejection, SagaState, effects::SagaEffects, metrics::SagaMetrics},
};

/// The answer to a request to a saga.
pub type SagaAnswer = Result<SagaState, SagaRefusal>;

/// Why a request to a saga came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SagaRefusal {
    /// A rule of the saga says no.
    #[error(transparent)]
    Rejected(#[from] SagaRejection),
    /// The machinery failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A request from outside, and where its answer goes.
pub(crate) struct SagaRequest<D: SagaDefinition> {
    pub command: SagaCommand<D>,
    pub reply: oneshot::Sender<SagaAnswer>,
}

/// What every saga of a kind is run with.
pub(crate) struct SagaContext<E: SagaEffects> {
    pub effects: Arc<E>,
    pub store: Arc<dyn EventStore>,
    pub clock: Arc<dyn Clock>,
    pub metrics: SagaMetrics,
    /// A place for each call that may be out at once, of all sagas together.
    pub calls: Semaphore,
    pub stopping: watch::Receiver<bool>,
}

/// A call under way.
pub(crate) struct Place<'a> {
    _permit: Option<tokio::sync::SemaphorePermit<'a>>,
    out: &'a prometheus::IntGauge,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.out.dec();
    }
}

impl<E: SagaEffects> SagaContext<E> {
    /// Waits until another call may go out.
    pub async fn place(&self) -> Place<'_> {
        // Nobody closes it.
        let permit = self.calls.acquire().await.ok();
        self.metrics.calls_out.inc();
        Place { _permit: permit, out: &self.metrics.calls_out }
    }
}
