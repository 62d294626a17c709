//! What every handler can reach.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix_web::dev::RequestHead;
use ordo_actors::{
    aggregate::{
        engine::Engine,
        request::{Answer, Answered, Failure, Intent, Request},
    },
    clock::Clock,
    log::{
        event::{Position, StreamId},
        event_feed::EventFeed,
        store::EventStore,
    },
};

use super::{
    admission::Admission,
    answer_budget::AnswerBudget,
    body_budget::BodyBudget,
    command_input::KeysInFlight,
    error::{Problem, ProblemKind},
    fault_tally::FaultTally,
    http_metrics::HttpMetrics,
};
use crate::{
    fulfilment::SagaSupervisorHandle,
    guard::rules::Guard,
    order::Order,
    ordering::{CommandRunner, Ordering, OrderingError, Orders},
};

/// What bounds the HTTP side.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// Bytes of all bodies together.
    pub body_memory: usize,
    /// Requests to orders that may be under way at once; one more is told to come back, or waits.
    pub in_flight: usize,
    /// How long a request waits for a place among them.
    pub place_wait: Duration,
    /// How long an order may take to answer; after that it is not known what becomes of a command.
    pub answer: Duration,
    /// Lines an order may have; never more than [`MAX_LINES`](crate::order::MAX_LINES).
    pub order_lines: usize,
    /// How long a read waits for `min_position`.
    pub position_wait: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            body_memory: 128 << 20,
            in_flight: 8192,
            order_lines: 2000,
            place_wait: Duration::from_secs(5),
            answer: Duration::from_millis(4500),
            position_wait: Duration::from_secs(5),
        }
    }
}

/// The parts of the application a handler needs.
pub struct AppState {
    /// The orders.
    pub orders: Arc<Engine<Order>>,
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// News from the log.
    pub feed: EventFeed,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which requests are taken at all.
    pub guard: Guard,
    /// The limits.
    pub limits: HttpLimits,
    /// The sagas that run.
    pub sagas: SagaSupervisorHandle,
    /// Whether submitting an order starts its fulfilment.
    pub fulfil_on_submit: bool,
    /// Room for bodies.
    pub bodies: Arc<BodyBudget>,
    /// Room for large answers.
    pub answers: Arc<AnswerBudget>,
    /// Idempotency keys being worked on.
    pub keys_in_flight: KeysInFlight,
    /// Requests by route and status.
    pub http_metrics: HttpMetrics,
    /// Everything `/metrics` shows.
    pub metrics: prometheus::Registry,
    /// The name of the store, for people.
    pub store_name: String,
    /// The server is stopping: not ready any more.
    pub draining: AtomicBool,
    /// The places of the requests to orders under way.
    pub admission: Admission,
    /// What was answered with a server's fault.
    pub fault_tally: Arc<FaultTally>,
}

impl AppState {
    /// Looks at the head of a request that has just come, before anything else of it is read.
    ///
    /// # Errors
    /// It is not for this server, it is from a foreign page, or there are too many before it.
    pub fn admit(&self, head: &RequestHead) -> Result<(), Problem> {
        self.guard.check(head)?;
        if head.uri.path().starts_with("/orders") { self.admission.knock() } else { Ok(()) }
    }

    /// What can be asked of orders.
    #[must_use]
    pub fn ordering(&self) -> Ordering<'_, Self> {
        Ordering { commands: CommandRunner { orders: self, store: self.store.as_ref() }, sagas: &self.sagas }
    }

    /// Waits until the log, as this process knows it, has come as far as a client has seen elsewhere.
    pub async fn wait_for(&self, position: Option<Position>) -> Result<(), Problem> {
        let Some(position) = position else { return Ok(()) };
        if tokio::time::timeout(self.limits.position_wait, self.feed.reached(position)).await.is_ok() {
            return Ok(());
        }
        let head = self.feed.head();
        Err(Problem::new(
            ProblemKind::PositionNotReached,
            format!("the log is at position {head}, not yet at {position}"),
        )
        .with("position", head.0.into()))
    }
}

/// Takes a place among the requests under way, and bounds the time for an answer.
impl Orders for AppState {
    async fn ask<R: Answer>(&self, order: StreamId, request: Request<Order, R>) -> Result<Answered<R>, OrderingError> {
        let _place = self.admission.enter().await.map_err(|_| OrderingError::NotAdmitted)?;
        let decides = matches!(request.intent, Intent::Execute(_));
        // A caller that gives up waiting leaves the order at work: what it decided is made durable, and found by the same key.
        let answer = tokio::time::timeout(self.limits.answer, self.orders.ask(order, request)).await;
        let late = || "no answer in time".to_owned();
        let failure = |_| if decides { Failure::Unknown(late()) } else { Failure::Unavailable(late()) };
        Ok(answer.map_err(failure)??)
    }
}
