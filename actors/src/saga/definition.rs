//! What a kind of saga is made of: its steps, and how patient each of them is.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

/// What one saga is to do, with everything its calls need. Stored as the payload of `SagaStarted`: a flat JSON object.
pub trait SagaDefinition:
    Clone + fmt::Debug + PartialEq + Send + Sync + Unpin + Serialize + DeserializeOwned + 'static
{
    /// The `aggregate_type` of its streams.
    const TYPE: &'static str;

    /// What its steps are: an enum.
    type Step: SagaStep;

    /// Its steps, in order; at least one. The same for ever once a saga of it was started.
    fn steps(&self) -> &'static [Self::Step];

    /// About how many bytes it holds in memory beyond its own size.
    fn weight(&self) -> usize {
        0
    }
}

/// A step of a kind of saga.
pub trait SagaStep: Copy + fmt::Debug + Eq + Send + Sync + Unpin + 'static {
    /// Its name in the log: unique within the saga, the same for ever.
    fn name(self) -> &'static str;

    /// Whether it can be undone. A step that cannot must succeed: when it fails, the saga is stuck.
    fn has_undo(self) -> bool;
}

/// How patient a step is. Every field is a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepPolicy {
    /// How often a step may fail before the saga compensates, or is stuck.
    pub attempts: u32,
    /// How often an undo may fail before the saga is stuck.
    pub undo_attempts: u32,
    /// The pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause, also when the partner asks for a longer one.
    pub longest_pause: Duration,
    /// How long one call may take; what has not answered by then is unknown.
    pub call_timeout: Duration,
    /// How long after its start a step is given up, whatever it waits for.
    pub deadline: Duration,
}

impl Default for StepPolicy {
    fn default() -> Self {
        Self {
            attempts: 60,
            undo_attempts: 20,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
            call_timeout: Duration::from_secs(10),
            deadline: Duration::from_mins(15),
        }
    }
}

impl StepPolicy {
    /// The pause after this number of failures; at least as long as the partner asked for, as far as the limit goes.
    #[must_use]
    pub fn pause_after(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        doubled.max(asked.unwrap_or_default()).min(self.longest_pause)
    }
}
