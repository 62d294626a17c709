//! From what an order decided to what the client reads: made inside the order's actor, so that it can be kept with the key.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION},
    },
};
use ordo_actors::{
    aggregate::{
        rehydrate::Until,
        request::{Answered, CommandOutcome},
    },
    log::event::{Position, StreamId, Version},
    saga::SagaState,
};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    error::{Problem, ProblemKind},
    rejection::problem_of,
    state::AppState,
};
use crate::{
    fulfilment::{saga_of, saga_of_return},
    order::{ItemsReturned, Order, OrderEvent, OrderRejection, OrderState, OrderView, Reference},
};

/// The position a reader must have reached to see what an answer speaks of.
pub const X_POSITION: HeaderName = HeaderName::from_static("x-position");
/// Present when the answer was given before.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A longer body is not kept with an idempotency key: what it shows is in the log.
const KEPT_BYTES: usize = 4 << 10;

/// An answer. Kept with an idempotency key it has at most 4 KiB of body, or says how to make the body again.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderAnswer {
    status: u16,
    /// What the `ETag` says; zero when there is none.
    version: Version,
    /// The order that was created. Not the one the request names: a repeated creation has made up another id.
    created: Option<StreamId>,
    /// The saga that was started.
    #[serde(default)]
    saga: Option<StreamId>,
    /// Empty in a kept answer whose body is made again.
    #[serde(default)]
    body: String,
    #[serde(default)]
    again: Option<Again>,
}

/// What makes a large body again: the order at the answer's version, which the log holds for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Again {
    order: StreamId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returned: Option<Taken>,
}

/// What a return came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Taken {
    return_id: Reference,
    refund_cents: i64,
}

impl Serialize for OrderAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Kept<'a> {
            status: u16,
            version: Version,
            created: Option<StreamId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            saga: Option<StreamId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            body: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            again: Option<&'a Again>,
        }
        let Self { status, version, created, saga, body, again } = self;
        let body = again.is_none().then_some(body.as_str());
        let kept =
            Kept { status: *status, version: *version, created: *created, saga: *saga, body, again: again.as_ref() };
        kept.serialize(serializer)
    }
}

/// What a successful command answers with.
#[derive(Debug, Clone, Copy)]
pub enum Success {
    /// 201 and the new order's id, state, version and position.
    Created,
    /// 200 and the order.
    Order,
    /// 202 and the order, with the name of this return and what it is worth.
    Returned,
    /// 202 and the order, which its saga cancels.
    Cancelling,
    /// 200 and the order, whose saga has begun with it.
    Submitted,
    /// 202: the saga that fulfils the order runs.
    Fulfilling,
    /// 200 and the order as it would be, with what a return would be worth. No `ETag`: no such version exists.
    DryRun,
}

/// Where a saga is shown.
#[must_use]
pub fn saga_path(saga: StreamId) -> String {
    format!("/orders/{saga}/saga")
}

/// A saga, and where it is.
#[derive(Serialize)]
pub struct SagaStanding {
    /// Which saga.
    pub saga_id: StreamId,
    /// Where it is.
    pub saga_state: SagaState,
}

/// Makes the renderer for one request.
pub fn render(
    order: StreamId,
    success: Success,
    request_id: String,
) -> impl Fn(&CommandOutcome<'_, Order>) -> OrderAnswer + Send {
    move |outcome| match outcome {
        CommandOutcome::Accepted { state: Order::Absent, .. }
        | CommandOutcome::VersionMismatch { state: Order::Absent, .. } => {
            OrderAnswer::problem(&no_such_order(), &request_id)
        }
        CommandOutcome::Accepted { state, version, events } => match (success, taken_in_hand(state.state())) {
            (Success::Fulfilling, Some(problem)) => OrderAnswer::problem(&problem, &request_id),
            _ => OrderAnswer::success(success, order, state, *version, events),
        },
        CommandOutcome::Rejected { rejection, state, .. } => {
            OrderAnswer::problem(&problem_of(rejection, state), &request_id)
        }
        CommandOutcome::VersionMismatch { version, .. } => {
            OrderAnswer::problem(&Problem::version(*version), &request_id)
        }
    }
}

/// Why no saga begins with an order that was moved on by hand: it stays with those hands. Submitting it again would change nothing,
/// and so not tell.
#[must_use]
pub fn taken_in_hand(state: Option<OrderState>) -> Option<Problem> {
    let state = state.filter(|state| matches!(state, OrderState::Reserved | OrderState::Processing))?;
    Some(problem_of(&OrderRejection::WrongState { needed: OrderState::Submitted, state }, &Order::Absent))
}

/// The problem of an order that is not there.
#[must_use]
pub fn no_such_order() -> Problem {
    Problem::not_found("there is no order with this id")
}

#[derive(Serialize)]
struct Created {
    order_id: StreamId,
    state: Option<OrderState>,
    version: Version,
}

#[derive(Default, Serialize)]
struct Returned<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    return_id: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_cents: Option<i64>,
    #[serde(flatten)]
    order: Option<OrderView<'a>>,
}

impl<'a> Returned<'a> {
    fn of(taken: Option<&'a Taken>, order: Option<OrderView<'a>>) -> Self {
        match taken {
            Some(Taken { return_id, refund_cents }) => {
                Self { return_id: Some(return_id), refund_cents: Some(*refund_cents), order }
            }
            None => Self { order, ..Self::default() },
        }
    }
}

impl Taken {
    fn by(events: &[OrderEvent]) -> Option<Self> {
        match events.first() {
            Some(OrderEvent::ItemsReturned(ItemsReturned { return_id, refund_cents, .. })) => {
                Some(Self { return_id: return_id.clone(), refund_cents: *refund_cents })
            }
            _ => None,
        }
    }
}

impl Again {
    /// Makes the body again, byte for byte.
    async fn body(&self, state: &AppState, version: Version) -> Result<String, Problem> {
        let lost = |reason: String| {
            log::error!("order<{}@{version}> cannot be shown as it was: {reason}", self.order);
            Problem::new(ProblemKind::Internal, "the first answer cannot be made again; what it told of was done")
        };
        let loaded = state.orders.as_it_was(self.order, Until::Version(version)).await?;
        if loaded.version != version {
            return Err(lost(format!("its stream ends at {}", loaded.version)));
        }
        let view = loaded.state.view(self.order, version);
        let body = match &self.returned {
            Some(taken) => serde_json::to_string(&Returned::of(Some(taken), view)),
            None => serde_json::to_string(&view),
        };
        body.map_err(|error| lost(error.to_string()))
    }
}

impl OrderAnswer {
    fn success(success: Success, order: StreamId, state: &Order, version: Version, events: &[OrderEvent]) -> Self {
        let view = state.view(order, version);
        let taken = Taken::by(events);
        let (status, body) = match success {
            Success::Created => {
                let created = Created { order_id: order, state: state.state(), version };
                (StatusCode::CREATED, serde_json::to_string(&created))
            }
            Success::Order | Success::Submitted => (StatusCode::OK, serde_json::to_string(&view)),
            Success::Cancelling => (StatusCode::ACCEPTED, serde_json::to_string(&view)),
            Success::Returned => (StatusCode::ACCEPTED, serde_json::to_string(&Returned::of(taken.as_ref(), view))),
            Success::Fulfilling => {
                let started = SagaStanding { saga_id: saga_of(order), saga_state: SagaState::Running };
                (StatusCode::ACCEPTED, serde_json::to_string(&started))
            }
            Success::DryRun => {
                // Another name would be made up when it is meant.
                let would_be = Returned { return_id: None, ..Returned::of(taken.as_ref(), view) };
                (StatusCode::OK, serde_json::to_string(&would_be))
            }
        };
        match body {
            Ok(body) => {
                let created = matches!(success, Success::Created).then_some(order);
                let saga = match (success, events.first()) {
                    (Success::Fulfilling | Success::Cancelling, _) => Some(saga_of(order)),
                    (Success::Submitted, _) if state.state() == Some(OrderState::Submitted) => Some(saga_of(order)),
                    (Success::Returned, Some(OrderEvent::ItemsReturned(back))) => {
                        Some(saga_of_return(order, &back.return_id))
                    }
                    _ => None,
                };
                let version = if matches!(success, Success::DryRun) { Version::NONE } else { version };
                let shows_order = matches!(success, Success::Order | Success::Cancelling | Success::Returned);
                let again = (shows_order && body.len() > KEPT_BYTES)
                    .then(|| Again { order, returned: taken.filter(|_| matches!(success, Success::Returned)) });
                Self { status: status.as_u16(), version, created, saga, body, again }
            }
            Err(error) => {
                log::error!("an order could not be shown: {error}");
                Self::problem(&Problem::new(ProblemKind::Internal, "the order could not be shown"), "")
            }
        }
    }

    /// The saga that was started.
    #[must_use]
    pub fn saga(&self) -> Option<StreamId> {
        self.saga
    }

    fn problem(problem: &Problem, request_id: &str) -> Self {
        Self {
            status: problem.status().as_u16(),
            version: Version::NONE,
            created: None,
            saga: None,
            body: problem.body(request_id),
            again: None,
        }
    }
}

/// Sends an answer: what was kept, and the position it got.
///
/// # Errors
/// The body of a kept answer could not be made again: the store failed.
pub async fn respond(state: &AppState, answered: Answered<OrderAnswer>) -> Result<HttpResponse, Problem> {
    let Answered { mut answer, position, replayed } = answered;
    if let Some(again) = answer.again.take()
        && answer.body.is_empty()
    {
        answer.body = again.body(state, answer.version).await?;
    }
    Ok(send(answer, position, replayed))
}

fn send(answer: OrderAnswer, position: Position, replayed: bool) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((X_POSITION, position.0));
    if replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    if !status.is_success() {
        return response.insert_header((CONTENT_TYPE, "application/problem+json")).body(answer.body);
    }
    if answer.version != Version::NONE {
        etag(&mut response, answer.version);
    }
    response.insert_header((CONTENT_TYPE, "application/json"));
    // A submitted order is not looked for at its saga.
    if let Some(saga) = answer.saga.filter(|_| status == StatusCode::ACCEPTED) {
        response.insert_header((LOCATION, saga_path(saga)));
    }
    if let Some(order) = answer.created {
        response.insert_header((LOCATION, format!("/orders/{order}")));
        return response.body(with_position(answer.body, position.0));
    }
    response.body(answer.body)
}

/// Sets the `ETag` of an order at a version.
pub fn etag(response: &mut HttpResponseBuilder, version: Version) {
    response.insert_header((ETAG, format!("\"{version}\"")));
}

/// The position is only known once the events are in the log, after the rest of the answer has been made.
fn with_position(mut body: String, position: u64) -> String {
    body.pop();
    body.push_str(",\"position\":");
    body.push_str(itoa::Buffer::new().format(position));
    body.push('}');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_first_release_is_read_as_it_was_kept() {
        let kept = r#"{"status":200,"version":3,"created":null,"body":"{\"id\":1}"}"#;
        let answer: OrderAnswer = serde_json::from_str(kept).unwrap();
        assert_eq!((answer.status, answer.version, answer.body.as_str()), (200, Version(3), r#"{"id":1}"#));
        assert!(answer.again.is_none());
        assert_eq!(serde_json::to_string(&answer).unwrap(), kept);
    }

    #[test]
    fn a_large_body_is_not_kept() {
        let order = StreamId::generate();
        let again = Some(Again { order, returned: None });
        let body = "x".repeat(KEPT_BYTES + 1);
        let answer = OrderAnswer { status: 200, version: Version(3), created: None, saga: None, body, again };
        let kept = serde_json::to_string(&answer).unwrap();
        assert!(kept.len() < 200, "{kept}");
        let read: OrderAnswer = serde_json::from_str(&kept).unwrap();
        assert_eq!((read.body.as_str(), read.again.unwrap().order), ("", order));
    }
}
