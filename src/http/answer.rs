//! From what an order decided to what the client reads: made inside the order's actor, so that it can be kept with the key.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION},
    },
};
use ordo_actors::{
    aggregate::{rehydrate::Until, request::Answered},
    log::event::{Position, StreamId, Version},
    saga::SagaState,
};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{
    error::{Problem, ProblemKind},
    rejection::{moved_by_hand, problem_of},
    state::AppState,
};
use crate::{
    fulfilment::schema as saga_schema,
    order::{ItemsReturned, OrderEvent, OrderState, OrderView, Reference, schema},
    ordering::{Accepted, Effect, OrderOutcome, Present},
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

/// Where a saga is shown.
#[must_use]
pub fn saga_path(saga: StreamId) -> String {
    format!("/orders/{saga}/saga")
}

/// A saga, and where it is.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"saga_id": "6a1211c1-6e6a-56bc-bd75-cefaed0c7e16", "saga_state": "Completed"}))]
pub struct SagaStanding {
    /// The same for every fulfilment of the order.
    #[schema(value_type = schema::Id)]
    pub saga_id: StreamId,
    /// Where it is.
    #[schema(value_type = saga_schema::SagaState)]
    pub saga_state: SagaState,
}

/// Makes the answers to one request.
#[derive(Debug, Clone)]
pub struct Presenter {
    /// The id of the request: a problem names it.
    pub request_id: String,
}

impl Present for Presenter {
    type Answer = OrderAnswer;

    fn present(&self, outcome: &OrderOutcome<'_>) -> OrderAnswer {
        let problem = match outcome {
            OrderOutcome::Accepted(accepted) => return OrderAnswer::success(accepted),
            OrderOutcome::Rejected { rejection, order } => problem_of(rejection, order),
            OrderOutcome::VersionMismatch { version, .. } => Problem::version(*version),
            OrderOutcome::MovedByHand(state) => moved_by_hand(*state),
            OrderOutcome::NotFound => no_such_order(),
        };
        OrderAnswer::problem(&problem, &self.request_id)
    }
}

/// The status of a request that an order took.
const fn status_of(effect: Effect) -> StatusCode {
    match effect {
        Effect::Placed => StatusCode::CREATED,
        Effect::Current | Effect::Submitted | Effect::DryRun => StatusCode::OK,
        Effect::Returned | Effect::Cancelling | Effect::Fulfilling => StatusCode::ACCEPTED,
    }
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
            Some(_) | None => None,
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
    fn success(accepted: &Accepted<'_>) -> Self {
        let &Accepted { order_id, effect, version, saga, .. } = accepted;
        let returned = Taken::by(accepted.events);
        let body = match Self::body(accepted, returned.as_ref()) {
            Ok(body) => body,
            Err(error) => {
                log::error!("an order could not be shown: {error}");
                return Self::problem(&Problem::new(ProblemKind::Internal, "the order could not be shown"), "");
            }
        };
        let is_large = body.len() > KEPT_BYTES;
        let again = |returned| is_large.then_some(Again { order: order_id, returned });
        let (version, again) = match effect {
            Effect::Placed | Effect::Submitted | Effect::Fulfilling => (version, None),
            Effect::Current | Effect::Cancelling => (version, again(None)),
            Effect::Returned => (version, again(returned)),
            Effect::DryRun => (Version::NONE, None),
        };
        let created = (effect == Effect::Placed).then_some(order_id);
        Self { status: status_of(effect).as_u16(), version, created, saga, body, again }
    }

    fn body(accepted: &Accepted<'_>, returned: Option<&Taken>) -> serde_json::Result<String> {
        let &Accepted { order_id, effect, order, version, saga, .. } = accepted;
        let view = order.view(order_id, version);
        match (effect, saga) {
            (Effect::Placed, _) => serde_json::to_string(&Created { order_id, state: order.state(), version }),
            (Effect::Fulfilling, Some(saga_id)) => {
                serde_json::to_string(&SagaStanding { saga_id, saga_state: SagaState::Running })
            }
            (Effect::Current | Effect::Submitted | Effect::Cancelling | Effect::Fulfilling, _) => {
                serde_json::to_string(&view)
            }
            (Effect::Returned, _) => serde_json::to_string(&Returned::of(returned, view)),
            // Another name would be made up when it is meant.
            (Effect::DryRun, _) => serde_json::to_string(&Returned { return_id: None, ..Returned::of(returned, view) }),
        }
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
