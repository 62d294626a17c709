use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use parking_lot::Mutex;

use crate::{clock::Clock, log::event::to_micros};

/// A clock that stands still until it is told to move. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl ManualClock {
    /// A clock that shows this time, cut to microseconds.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { now: Arc::new(Mutex::new(to_micros(time))) }
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock();
        *now = to_micros(*now + TimeDelta::from_std(by).expect("a time a clock can show"));
    }

    /// Shows another time, later or earlier.
    pub fn set(&self, time: DateTime<Utc>) {
        *self.now.lock() = to_micros(time);
    }
}

impl Default for ManualClock {
    /// The start of 2025.
    fn default() -> Self {
        Self::at(Utc.with_ymd_and_hms(2025, 1, 1, 0, 0, 0).single().unwrap_or_default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock()
    }
}
