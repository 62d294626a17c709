//! Holds what actors remember against a log that other processes write to as well.
//!
//! Checks are gathered as the appender gathers commits: all that have come while one round trip was under way go with the next
//! one. So a check is always sent after the request it is for has arrived, and what it finds was true in between.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    failure::Failure,
    log::{
        event::{StreamId, Version},
        store::{EventStore, StoreError},
    },
    metrics::EngineMetrics,
};

/// Streams asked about in one round trip.
const MOST_AT_ONCE: usize = 1000;

/// Checks that may wait; one more is refused.
const MOST_WAITING: usize = 16_384;

/// How long one round trip may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The checks of one engine. Invariant: one round trip at a time.
pub(crate) struct VersionChecks {
    store: Arc<dyn EventStore>,
    metrics: EngineMetrics,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Check>,
    /// A task asks the store, until no check waits.
    is_asking: bool,
}

struct Check {
    stream: StreamId,
    reply: oneshot::Sender<Result<Version, Failure>>,
}

impl VersionChecks {
    pub fn new(store: Arc<dyn EventStore>, metrics: EngineMetrics) -> Self {
        Self { store, metrics, queue: Mutex::default() }
    }

    /// Tells where a stream ends; the log is asked after this is called.
    ///
    /// # Errors
    /// Too many wait, or the store did not answer in time.
    pub async fn end_of(self: &Arc<Self>, stream: StreamId) -> Result<Version, Failure> {
        let (reply, answer) = oneshot::channel();
        if self.enter(Check { stream, reply })? {
            // A task of its own: the caller may leave.
            tokio::task::spawn_local(Turn { checks: Arc::clone(self), is_over: false }.take());
        }
        answer.await.unwrap_or_else(|_| Err(Failure::Unavailable("the check was given up".into())))
    }

    /// Puts a check in line; tells whether the caller must start the task that asks.
    fn enter(&self, check: Check) -> Result<bool, Failure> {
        let mut queue = self.queue.lock();
        if queue.waiting.len() >= MOST_WAITING {
            return Err(Failure::Overloaded);
        }
        queue.waiting.push(check);
        Ok(!std::mem::replace(&mut queue.is_asking, true))
    }

    async fn ask(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        let started = Instant::now();
        let late = |_| Err(StoreError::Unavailable(format!("no answer within {PATIENCE:?}")));
        let versions = timeout(PATIENCE, self.store.versions(streams)).await.unwrap_or_else(late)?;
        self.metrics.check_seconds.observe(started.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        self.metrics.check_streams.observe(streams.len() as f64);
        Ok(versions)
    }
}

/// Asks until nobody waits. Dropped before (its thread ends, or the store panicked), it gives up those who wait.
struct Turn {
    checks: Arc<VersionChecks>,
    is_over: bool,
}

impl Turn {
    async fn take(mut self) {
        while let Some(batch) = self.next() {
            let streams: Vec<_> = batch.iter().map(|check| check.stream).collect();
            match self.checks.ask(&streams).await {
                Ok(versions) => {
                    // The caller may have gone.
                    batch.into_iter().zip(versions).for_each(|(check, version)| drop(check.reply.send(Ok(version))));
                }
                Err(error) => {
                    log::warn!(orders = streams.len(); "versions could not be checked: {error}");
                    let failure = Failure::from(error);
                    batch.into_iter().for_each(|check| drop(check.reply.send(Err(failure.clone()))));
                }
            }
        }
    }

    /// Those who are asked for next; nothing, and the turn is over, when nobody waits.
    fn next(&mut self) -> Option<Vec<Check>> {
        let mut queue = self.checks.queue.lock();
        let next = queue.waiting.len().min(MOST_AT_ONCE);
        self.is_over = next == 0;
        queue.is_asking = !self.is_over;
        (!self.is_over).then(|| queue.waiting.drain(..next).collect())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            *self.checks.queue.lock() = Queue::default();
        }
    }
}
