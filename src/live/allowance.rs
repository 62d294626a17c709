//! How often something may be done: so many times at once, and so many a second in the long run.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket, counted in time: each use moves the moment at which the bucket is full again.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// The time that one use is worth.
    each: Duration,
    /// How far ahead of the clock `full_at` may be.
    burst: Duration,
    full_at: Instant,
}

impl Allowance {
    /// `at_once` uses, and then `per_second`.
    pub fn new(at_once: u32, per_second: u32) -> Self {
        let each = Duration::from_secs(1) / per_second;
        Self { each, burst: each * at_once, full_at: Instant::now() }
    }

    /// Counts a use. It may be one too many: then the next ones wait for longer.
    pub fn take(&mut self) {
        self.full_at = self.full_at.max(Instant::now()) + self.each;
    }

    /// When the next use is allowed; that may be in the past.
    pub fn next(&self) -> Instant {
        (self.full_at + self.each).checked_sub(self.burst).unwrap_or(self.full_at)
    }

    /// Whether a use is allowed now.
    pub fn has_one(&self) -> bool {
        self.next() <= Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if so much time had passed.
    fn later(allowance: &mut Allowance, time: Duration) {
        allowance.full_at = allowance.full_at.checked_sub(time).unwrap();
    }

    #[test]
    fn what_is_used_up_comes_back_with_time() {
        let mut allowance = Allowance::new(3, 1);
        for _ in 0..3 {
            assert!(allowance.has_one());
            allowance.take();
        }
        assert!(!allowance.has_one());
        later(&mut allowance, Duration::from_secs(1));
        assert!(allowance.has_one());
        allowance.take();
        assert!(!allowance.has_one());
        later(&mut allowance, Duration::from_secs(1000));
        for _ in 0..3 {
            assert!(allowance.has_one());
            allowance.take();
        }
        assert!(!allowance.has_one(), "a long rest saves no more than a burst");
    }
}
