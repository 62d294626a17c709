//! Bytes of request bodies, over all requests: counted before they are kept, so that many bodies are no more than a few.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::error::{Problem, ProblemKind};

/// Bytes of whole bodies that are being worked on at once. What becomes of a body (values, a command, events, an answer) takes
/// several times its size.
const AT_WORK_BYTES: usize = 32 << 20;

/// Bytes of each body that are not counted: its connection holds as much before anything of the body is read.
const FREE_BYTES: usize = 4 << 10;

/// How long a whole body waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// The budget of one server.
#[derive(Debug)]
pub struct BodyBudget {
    most: usize,
    held: Mutex<Held>,
    at_work: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    ever: u64,
    /// The bodies that are arriving, the oldest first: their bytes, and how to tell whoever reads them to give up.
    arriving: BTreeMap<u64, (usize, Arc<Notify>)>,
}

impl Held {
    /// Numbers a body among those that are arriving.
    fn begin(&mut self, given_up: &Arc<Notify>) -> u64 {
        self.ever += 1;
        self.arriving.insert(self.ever, (0, Arc::clone(given_up)));
        self.ever
    }
}

/// Room for one body; given back when dropped.
#[derive(Debug)]
pub struct BodyRoom {
    budget: Arc<BodyBudget>,
    /// Nothing while the body is so small that it needs no room.
    number: Option<u64>,
    free: usize,
    bytes: usize,
    given_up: Arc<Notify>,
    /// It is whole: nobody takes its room any more.
    turn: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default(), at_work: Arc::new(Semaphore::new(AT_WORK_BYTES)) })
    }

    /// Room for a body that begins to arrive; none is taken yet.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> BodyRoom {
        BodyRoom {
            budget: Arc::clone(self),
            number: None,
            free: FREE_BYTES,
            bytes: 0,
            given_up: Arc::default(),
            turn: None,
        }
    }
}

impl BodyRoom {
    /// Takes room for more bytes. When there is none, the body that has been arriving for longest is given up: whoever sends
    /// slowly pays for it, and not whoever sends next.
    ///
    /// # Errors
    /// This is that body.
    pub fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.number.is_none() && bytes <= self.free {
            self.free -= bytes;
            return Ok(());
        }
        let mut held = self.budget.held.lock();
        let number = *self.number.get_or_insert_with(|| held.begin(&self.given_up));
        let Some((own, _)) = held.arriving.get_mut(&number) else { return Err(no_room()) };
        *own += bytes;
        self.bytes += bytes;
        held.bytes += bytes;
        while held.bytes > self.budget.most {
            let Some((oldest, (bytes, reader))) = held.arriving.pop_first() else { return Err(no_room()) };
            held.bytes -= bytes;
            if oldest == number {
                self.bytes = 0;
                return Err(no_room());
            }
            reader.notify_one();
        }
        Ok(())
    }

    /// Waits until the body is given up. Until it is whole that can happen at any time.
    pub fn given_up(&self) -> impl Future<Output = Problem> + use<> {
        let given_up = Arc::clone(&self.given_up);
        async move {
            given_up.notified().await;
            no_room()
        }
    }

    /// The body is whole; waits for its turn to be worked on.
    ///
    /// # Errors
    /// It was given up just now, or the turn does not come in time. Nothing was changed.
    pub async fn whole(&mut self) -> Result<(), Problem> {
        let Some(number) = self.number else { return Ok(()) };
        if self.budget.held.lock().arriving.remove(&number).is_none() {
            return Err(no_room());
        }
        let share = u32::try_from(self.bytes.min(AT_WORK_BYTES)).unwrap_or(u32::MAX);
        // Held from here on, so that the bytes are given back whatever happens.
        let at_work = Arc::clone(&self.budget.at_work);
        self.turn = at_work.clone().try_acquire_many_owned(0).ok();
        let turn = tokio::time::timeout(TURN_WITHIN, at_work.acquire_many_owned(share)).await;
        self.turn = Some(turn.map_err(|_| no_room())?.map_err(|_| no_room())?);
        Ok(())
    }
}

impl Drop for BodyRoom {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut held = self.budget.held.lock();
        // What was given up has been given back.
        if held.arriving.remove(&number).is_some() || self.turn.is_some() {
            held.bytes -= self.bytes;
        }
    }
}

fn no_room() -> Problem {
    Problem::new(ProblemKind::Overloaded, "there is no room for the body just now; nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that has used up what is free.
    fn enter(budget: &Arc<BodyBudget>) -> BodyRoom {
        let mut room = budget.enter();
        room.take(FREE_BYTES).unwrap();
        room
    }

    #[tokio::test]
    async fn a_small_body_needs_no_room() {
        let budget = BodyBudget::new(0);
        let mut small = enter(&budget);
        assert_eq!(budget.held.lock().arriving.len(), 0);
        small.whole().await.unwrap();
        let mut larger = enter(&budget);
        assert!(larger.take(1).is_err());
    }

    #[test]
    fn the_body_that_has_been_arriving_for_longest_makes_room() {
        let budget = BodyBudget::new(100);
        let (mut first, mut second, mut third) = (enter(&budget), enter(&budget), enter(&budget));
        first.take(40).unwrap();
        second.take(40).unwrap();
        third.take(40).unwrap();
        assert!(first.take(1).is_err(), "given up");
        second.take(20).unwrap();
        assert_eq!(budget.held.lock().bytes, 100);
        drop((first, second, third));
        assert_eq!(budget.held.lock().bytes, 0);
    }

    #[tokio::test]
    async fn a_whole_body_is_not_given_up() {
        let budget = BodyBudget::new(100);
        let (mut whole, mut other) = (enter(&budget), enter(&budget));
        whole.take(80).unwrap();
        whole.whole().await.unwrap();
        assert!(other.take(40).is_err(), "there is nothing but itself to give up");
        drop(whole);
        let mut next = enter(&budget);
        next.take(100).unwrap();
        drop((next, other));
        assert_eq!(budget.held.lock().bytes, 0);
    }

    #[tokio::test]
    async fn whoever_reads_a_body_hears_that_it_is_given_up() {
        let budget = BodyBudget::new(100);
        let (mut slow, mut quick) = (enter(&budget), enter(&budget));
        slow.take(60).unwrap();
        let given_up = slow.given_up();
        quick.take(60).unwrap();
        assert_eq!(given_up.await.kind, ProblemKind::Overloaded);
    }
}
