//! How many requests to orders are under way, and what becomes of the rest.
//!
//! There are at most so many that each is answered soon: when answers take longer the limit goes down, by one with each of them,
//! and up again when they come soon (additive increase and decrease, as in Vegas: Brakmo and Peterson, 1995). A store that is slow
//! has a short line, and one that is fast a long one.
//!
//! A request beyond the limit is refused before anything of it is read but its head, at once: but no more of them in a second
//! than cost the server next to nothing. Clients that are refused come back, and refusing all of them as fast as they do takes
//! the time that serving needs. So whoever is not refused waits in line for a place, which costs nothing: there are no more of
//! them than connections, each with one request.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Problem;
use crate::ordering::OrderingError;

/// An answer that takes longer makes the limit smaller, one that comes sooner larger.
const SLOW: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_millis(50);
/// The limit is never less: a store whose every commit is slow gathers as many into one, and a shorter line would not make it
/// faster.
const LEAST: usize = 512;

/// Refusals in a second. One costs about a third of an order.
const REFUSALS: u64 = 1000;
/// The pieces of a second in which as many of them may come at once as belong to the piece.
const PIECES: u64 = 20;

/// Who may ask orders.
pub struct Admission {
    places: Semaphore,
    /// How many places there are now, and at most.
    limit: AtomicUsize,
    most: usize,
    /// How long one waits for a place.
    patience: Duration,
    started: Instant,
    /// The piece of time that is counted, and how many were refused in it: 40 and 24 bits.
    refused: AtomicU64,
}

/// A place among the requests under way; free again when this value goes.
pub struct Place<'a> {
    admission: &'a Admission,
    permit: Option<SemaphorePermit<'a>>,
    since: Instant,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.admission.leave(permit, self.since.elapsed());
        }
    }
}

impl Admission {
    /// So many at once; whoever waits for a place waits so long.
    #[must_use]
    pub fn new(at_once: usize, patience: Duration) -> Self {
        let most = at_once.min(Semaphore::MAX_PERMITS);
        Self {
            places: Semaphore::new(most),
            limit: AtomicUsize::new(most),
            most,
            patience,
            started: Instant::now(),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether a request that has just arrived may go on, to a place or to wait for one.
    ///
    /// # Errors
    /// It is refused.
    pub fn knock(&self) -> Result<(), Problem> {
        if self.places.available_permits() == 0 && self.may_refuse() {
            return Err(full());
        }
        Ok(())
    }

    /// Takes a place, or waits for one.
    ///
    /// # Errors
    /// None came free in time.
    pub async fn enter(&self) -> Result<Place<'_>, Problem> {
        let permit = match self.places.try_acquire() {
            Ok(permit) => permit,
            Err(_) => match tokio::time::timeout(self.patience, self.places.acquire()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) | Err(_) => return Err(full()),
            },
        };
        Ok(Place { admission: self, permit: Some(permit), since: Instant::now() })
    }

    /// Gives a place back, and perhaps one more or none.
    fn leave(&self, permit: SemaphorePermit<'_>, took: Duration) {
        let limit = self.limit.load(Ordering::Relaxed);
        let change = |to| self.limit.compare_exchange(limit, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if took > SLOW && limit > LEAST.min(self.most) && change(limit - 1) {
            permit.forget();
        } else if took < SOON && limit < self.most && change(limit + 1) {
            self.places.add_permits(1);
        }
    }

    fn may_refuse(&self) -> bool {
        const COUNT: u64 = (1 << 24) - 1;
        let piece = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX) / (1000 / PIECES);
        let counted = |before: u64| {
            let refused = if before >> 24 == piece { before & COUNT } else { 0 };
            (refused < REFUSALS / PIECES).then(|| piece << 24 | (refused + 1))
        };
        self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).is_ok()
    }
}

fn full() -> Problem {
    OrderingError::NotAdmitted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(at_once: usize) -> Admission {
        Admission::new(at_once, Duration::from_mins(1))
    }

    #[tokio::test]
    async fn who_finds_no_place_is_refused_or_waits_when_many_have_been_refused() {
        let admission = admission(1);
        assert!(admission.knock().is_ok());
        let place = admission.enter().await.unwrap();
        let refused = (0..REFUSALS).filter(|_| admission.knock().is_err()).count();
        assert!((1..usize::try_from(REFUSALS).unwrap()).contains(&refused), "{refused}");
        let (waited, ()) = tokio::join!(admission.enter(), async { drop(place) });
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let admission = Admission::new(1, Duration::from_millis(10));
        let _place = admission.enter().await.unwrap();
        assert!(admission.enter().await.is_err());
    }

    #[tokio::test]
    async fn slow_answers_make_the_line_short_and_quick_ones_long_again() {
        let most = 2 * LEAST;
        let admission = admission(most);
        let answer = async |took| {
            let mut place = admission.enter().await.unwrap();
            admission.leave(place.permit.take().unwrap(), took);
        };
        for _ in 0..most {
            answer(2 * SLOW).await;
        }
        assert_eq!(admission.places.available_permits(), LEAST);
        answer(SLOW).await;
        assert_eq!(admission.places.available_permits(), LEAST);
        for _ in 0..most {
            answer(Duration::ZERO).await;
        }
        assert_eq!(admission.places.available_permits(), most);
    }
}
