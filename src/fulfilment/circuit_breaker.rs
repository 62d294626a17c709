//! Leaves a partner alone that does not answer (Nygard, "Release It!", 2007): open after some failures in a row, then one
//! call at a time is let through as a probe, and a good one closes it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Stands between the callers and one partner.
#[derive(Debug)]
pub struct CircuitBreaker {
    opens_after: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// The permission for one call. It must be told how the call ended; when it is dropped before, the call has failed.
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    at: Instant,
    told: bool,
}

impl CircuitBreaker {
    /// Opens after so many failures in a row, for so long.
    #[must_use]
    pub const fn new(opens_after: u32, pause: Duration) -> Self {
        Self { opens_after, pause, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Asks for the permission to call.
    ///
    /// # Errors
    /// The partner is left alone: ask again after so long.
    pub fn ask(&self, now: Instant) -> Result<Permit<'_>, Duration> {
        let mut state = self.state.lock();
        match *state {
            State::Closed { .. } => {}
            State::Open { until } if until > now => return Err(until - now),
            State::Open { .. } => *state = State::Probing,
            State::Probing => return Err(self.pause),
        }
        Ok(Permit { breaker: self, at: now, told: false })
    }

    fn failed(&self, now: Instant) {
        let mut state = self.state.lock();
        *state = match *state {
            State::Closed { failures } if failures + 1 < self.opens_after => State::Closed { failures: failures + 1 },
            // Others that were under way when it opened do not keep it open for longer.
            State::Open { until } => State::Open { until },
            State::Closed { .. } | State::Probing => State::Open { until: now + self.pause },
        };
    }
}

impl Permit<'_> {
    /// The call has ended: with a sensible answer, or without.
    pub fn end(self, answered: bool) {
        if answered { self.answered() } else { self.failed(Instant::now()) }
    }

    /// The partner answered: it lives.
    pub fn answered(mut self) {
        self.told = true;
        *self.breaker.state.lock() = State::Closed { failures: 0 };
    }

    /// It did not answer, or not sensibly.
    pub fn failed(mut self, now: Instant) {
        self.told = true;
        self.breaker.failed(now);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.failed(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    fn breaker() -> (CircuitBreaker, Instant) {
        (CircuitBreaker::new(3, PAUSE), Instant::now())
    }

    fn fail(breaker: &CircuitBreaker, now: Instant, times: u32) {
        for _ in 0..times {
            breaker.ask(now).unwrap().failed(now);
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_says_for_how_long() {
        let (breaker, now) = breaker();
        fail(&breaker, now, 3);
        assert_eq!(breaker.ask(now + Duration::from_secs(2)).unwrap_err(), Duration::from_secs(3));
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let (breaker, now) = breaker();
        fail(&breaker, now, 2);
        breaker.ask(now).unwrap().answered();
        fail(&breaker, now, 2);
        assert!(breaker.ask(now).is_ok());
    }

    #[test]
    fn one_probe_at_a_time_and_a_good_one_closes_it() {
        let (breaker, now) = breaker();
        fail(&breaker, now, 3);
        let later = now + PAUSE;
        let probe = breaker.ask(later).unwrap();
        assert_eq!(breaker.ask(later).unwrap_err(), PAUSE);
        probe.answered();
        assert!(breaker.ask(later).is_ok());
    }

    #[test]
    fn a_bad_probe_opens_it_again() {
        let (breaker, now) = breaker();
        fail(&breaker, now, 3);
        let later = now + PAUSE;
        breaker.ask(later).unwrap().failed(later);
        assert_eq!(breaker.ask(later).unwrap_err(), PAUSE);
        assert!(breaker.ask(later + PAUSE).is_ok());
    }

    #[test]
    fn a_probe_that_is_given_up_does_not_hold_the_place_for_ever() {
        let (breaker, now) = breaker();
        fail(&breaker, now, 3);
        drop(breaker.ask(now + PAUSE).unwrap());
        assert!(breaker.ask(now + PAUSE + PAUSE).is_ok());
    }
}
