//! Time as a value: the engine asks a clock, so tests can hold one in their hand.

use chrono::{DateTime, Utc};

use crate::log::event::to_micros;

/// Tells the time, in whole microseconds.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> DateTime<Utc> {
        to_micros(Utc::now())
    }
}
