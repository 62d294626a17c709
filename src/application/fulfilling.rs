//! Fulfilment put together: partners, effects, the durable index, the supervisor.

use std::sync::Arc;

use ordo_actors::saga::{
    limits::SagaLimits,
    metrics::SagaMetrics,
    supervisor::{SagaHandle, SagaParts},
};

use super::Core;
use crate::{
    config::FulfilmentSettings,
    fulfilment::{FulfilmentEffects, SagaSupervisorHandle, settings::Partners},
    read_models::SagaIndex,
};

impl Core {
    /// Starts to run sagas on the current arbiter; those that are open are looked for at once.
    ///
    /// # Errors
    /// They run already: their metrics are there.
    pub fn start_sagas(
        &self,
        partners: Partners,
        settings: &FulfilmentSettings,
    ) -> prometheus::Result<SagaSupervisorHandle> {
        let effects = FulfilmentEffects {
            partners,
            orders: Arc::clone(&self.orders),
            appender: self.appender.clone(),
            clock: Arc::clone(&self.clock),
            timeouts: settings.timeouts,
        };
        Ok(SagaHandle::start(SagaParts {
            effects: Arc::new(effects),
            store: Arc::clone(&self.store),
            open: Arc::new(SagaIndex::new(Arc::clone(&self.rows))),
            clock: Arc::clone(&self.clock),
            limits: SagaLimits::default(),
            metrics: SagaMetrics::register(&self.metrics)?,
        }))
    }
}
