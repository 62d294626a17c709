//! What bounds the sagas of one kind.

use std::time::Duration;

/// What bounds the sagas of one kind.
#[derive(Debug, Clone, Copy)]
pub struct SagaLimits {
    /// Sagas that run at once; the others wait in the durable index.
    pub running: usize,
    /// Calls to partners that are out at once, of all sagas together.
    pub calls_out: usize,
    /// Requests that may wait for one saga.
    pub inbox: usize,
    /// How often the durable index is looked through.
    pub sweep_every: Duration,
    /// How long nothing must have happened to a saga before a sweep takes it for one that nobody runs. The sweep at start
    /// takes all.
    pub quiet: Duration,
    /// Entries of the index read at a time.
    pub page: usize,
    /// How long a saga rests whose code has panicked.
    pub after_panic: Duration,
}

impl Default for SagaLimits {
    fn default() -> Self {
        Self {
            running: 10_000,
            calls_out: 1000,
            inbox: 64,
            sweep_every: Duration::from_secs(2),
            quiet: Duration::from_secs(5),
            page: 500,
            after_panic: Duration::from_secs(5),
        }
    }
}
