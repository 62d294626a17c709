//! Bytes of large answers that wait for their readers, over all connections: whoever does not read costs others nothing.

use std::{
    collections::BTreeMap,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    error::{Problem, ProblemKind},
    state::AppState,
};

/// Bytes of all large answers together.
const ANSWER_BYTES: usize = 128 << 20;

/// A piece of an answer, as it is handed to its connection. An answer no larger than that is not counted.
const PIECE: usize = 32 << 10;

/// Who has taken nothing for so long loses the answer when there is no room for another one.
const STALLED: Duration = Duration::from_secs(2);

/// Pages of orders that are read at once, and how long another one waits for its turn.
const PAGES_AT_ONCE: usize = 8;
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// The budget of one server.
#[derive(Debug)]
pub struct AnswerBudget {
    most: usize,
    held: Mutex<Held>,
    pages: Semaphore,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    ever: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    rest: Bytes,
    /// The whole answer stays in memory until its last piece is taken.
    bytes: usize,
    moved: Instant,
}

impl Default for AnswerBudget {
    fn default() -> Self {
        Self::new(ANSWER_BYTES)
    }
}

impl AnswerBudget {
    fn new(most: usize) -> Self {
        Self { most, held: Mutex::default(), pages: Semaphore::new(PAGES_AT_ONCE) }
    }

    /// Waits for the turn to read a page of orders. It is held until the page is an answer.
    ///
    /// # Errors
    /// The turn does not come in time.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let turn = tokio::time::timeout(TURN_WITHIN, self.pages.acquire()).await;
        turn.map_err(|_| no_room())?.map_err(|_| no_room())
    }

    /// Keeps an answer until it is taken. When there is no room for it, those are given up whose readers have stalled; their
    /// connections close. An answer that may not be refused is always kept, and takes the room of the slowest.
    ///
    /// # Errors
    /// There is no room.
    fn keep(self: &Arc<Self>, answer: Bytes, may_refuse: bool) -> Result<Paced, Problem> {
        let bytes = answer.len();
        let mut held = self.held.lock();
        while held.bytes + bytes > self.most {
            match held.slowest(if may_refuse { STALLED } else { Duration::ZERO }) {
                Some(slowest) => held.return_items(slowest),
                None if may_refuse => return Err(no_room()),
                None => break,
            }
        }
        held.ever += 1;
        held.bytes += bytes;
        let number = held.ever;
        held.waiting.insert(number, Waiting { rest: answer, bytes, moved: Instant::now() });
        Ok(Paced { budget: Arc::clone(self), number, bytes, left: bytes })
    }
}

impl Held {
    /// Whose reader has taken nothing for longest, at least for so long.
    fn slowest(&self, at_least: Duration) -> Option<u64> {
        let slowest = self.waiting.iter().min_by_key(|(_, waiting)| waiting.moved);
        slowest.filter(|(_, waiting)| waiting.moved.elapsed() >= at_least).map(|(number, _)| *number)
    }

    fn return_items(&mut self, number: u64) {
        if let Some(waiting) = self.waiting.remove(&number) {
            self.bytes -= waiting.bytes;
        }
    }
}

/// An answer that is handed out piece by piece; its room is given back with the last one, or when dropped.
struct Paced {
    budget: Arc<AnswerBudget>,
    number: u64,
    bytes: usize,
    left: usize,
}

impl fmt::Debug for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("number", &self.number).field("left", &self.left).finish_non_exhaustive()
    }
}

impl MessageBody for Paced {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = self.left.min(PIECE);
        let budget = Arc::clone(&self.budget);
        let mut held = budget.held.lock();
        let Some(waiting) = held.waiting.get_mut(&self.number) else {
            return Poll::Ready(Some(Err(io::Error::other("its reader was too slow, and others needed the room"))));
        };
        let taken = waiting.rest.split_to(piece);
        waiting.moved = Instant::now();
        self.left -= piece;
        if self.left == 0 {
            held.return_items(self.number);
        }
        Poll::Ready(Some(Ok(taken)))
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.budget.held.lock().return_items(self.number);
    }
}

/// Counts a large answer. One of a request that changes nothing is refused when there is no room.
pub fn hold<B: MessageBody + 'static>(response: ServiceResponse<B>, budget: &Arc<AnswerBudget>) -> ServiceResponse {
    let may_refuse = response.request().method().is_safe();
    let mut refused = None;
    let response = response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) if bytes.len() > PIECE => match budget.keep(bytes, may_refuse) {
            Ok(paced) => BoxBody::new(paced),
            Err(problem) => {
                refused = Some(problem);
                BoxBody::new(())
            }
        },
        Ok(bytes) => BoxBody::new(bytes),
        Err(stream) => BoxBody::new(stream),
    });
    match refused {
        Some(problem) => response.into_response(HttpResponse::from_error(problem)),
        None => response,
    }
}

/// The middleware for what is compressed: there an answer must be counted before it becomes a stream.
pub async fn wrap(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse, Error> {
    let state = request.app_data::<Data<AppState>>().cloned();
    let response = next.call(request).await?;
    Ok(match state {
        Some(state) => hold(response, &state.answers),
        None => response.map_into_boxed_body(),
    })
}

fn no_room() -> Problem {
    Problem::new(ProblemKind::Overloaded, "there is no room for so large an answer just now")
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use super::*;

    fn answer(bytes: usize) -> Bytes {
        Bytes::from(vec![b'x'; bytes])
    }

    #[actix_web::test]
    async fn an_answer_comes_whole_and_gives_its_room_back() {
        let budget = Arc::new(AnswerBudget::new(100_000));
        let mut paced = pin!(budget.keep(answer(100_000), true).unwrap());
        assert!(budget.keep(answer(1), true).is_err(), "it has not stalled");
        let mut come = 0;
        while let Some(piece) = poll_fn(|context| paced.as_mut().poll_next(context)).await {
            come += piece.unwrap().len();
        }
        assert_eq!((come, budget.held.lock().bytes), (100_000, 0));
        drop(budget.keep(answer(100_000), true).unwrap());
        assert_eq!(budget.held.lock().bytes, 0);
    }

    #[actix_web::test]
    async fn the_answer_whose_reader_takes_nothing_makes_room() {
        let budget = Arc::new(AnswerBudget::new(100));
        let (mut slow, quick) = (budget.keep(answer(60), true).unwrap(), budget.keep(answer(40), true).unwrap());
        let command = budget.keep(answer(50), false).unwrap();
        assert_eq!(budget.held.lock().bytes, 90);
        let piece = poll_fn(|context| Pin::new(&mut slow).poll_next(context)).await;
        assert!(piece.unwrap().is_err(), "given up");
        drop((slow, quick, command));
        assert_eq!(budget.held.lock().bytes, 0);
    }
}
