//! Pauses between tries: the one place that lets time pass.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::clock::Clock;

/// Pauses that double from a first one up to a longest one, a bounded number of times.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
    left: u32,
}

impl Backoff {
    /// `tries` pauses, the first one `first` long.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration, tries: u32) -> Self {
        Self { next: first, longest, left: tries }
    }

    /// Lets the next pause pass; false when there is none left.
    pub async fn pause(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pass(pause).await;
        true
    }
}

/// Lets a part of this time pass, another one each time: those who lost against one another do not meet again.
pub(crate) async fn some_of(longest: Duration) {
    let part = u32::from(RandomState::new().hash_one(()).to_le_bytes()[0]);
    pass(longest * part / u32::from(u8::MAX)).await;
}

/// Lets a time come, by this clock; a clock that runs differently from the machine's is looked at again every second.
pub async fn until(time: DateTime<Utc>, clock: &dyn Clock) {
    while let Ok(left) = (time - clock.now()).to_std()
        && left > Duration::ZERO
    {
        pass(left.min(Duration::from_secs(1))).await;
    }
}

/// Lets a time pass.
#[expect(clippy::disallowed_methods, reason = "this is the one place that lets time pass")]
pub async fn pass(pause: Duration) {
    tokio::time::sleep(pause).await;
}
