//! From what an order decided to what the client reads: made inside the order's actor, so that it can be kept with the key.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION},
    },
};
use ordo_actors::{
    event::{StreamId, Version},
    request::{Answered, Outcome},
};
use serde::{Deserialize, Serialize};

use super::{
    error::{Problem, ProblemKind},
    rejection::problem_of,
};
use crate::order::{ItemsReturned, Order, OrderEvent, OrderState, OrderView, Reference};

/// The position a reader must have reached to see what an answer speaks of.
pub const X_POSITION: HeaderName = HeaderName::from_static("x-position");
/// Present when the answer was given before.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer as it is kept with an idempotency key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderAnswer {
    status: u16,
    version: Version,
    /// The order that was created. Not the one the request names: a repeated creation has made up another id.
    created: Option<StreamId>,
    body: String,
}

/// What a successful command answers with.
#[derive(Debug, Clone, Copy)]
pub enum Success {
    /// 201 and the new order's id, state, version and position.
    Created,
    /// 200 and the order.
    Order,
    /// 202 and the order, with what this return is worth.
    Returned,
}

/// Makes the renderer for one request.
pub fn render(
    order: StreamId,
    success: Success,
    request_id: String,
) -> impl Fn(&Outcome<'_, Order>) -> OrderAnswer + Send {
    move |outcome| match outcome {
        Outcome::Accepted { state: Order::Absent, .. } => OrderAnswer::problem(&no_such_order(), &request_id),
        Outcome::Accepted { state, version, events } => OrderAnswer::success(success, order, state, *version, events),
        Outcome::Rejected { rejection, state, .. } => OrderAnswer::problem(&problem_of(rejection, state), &request_id),
        Outcome::VersionMismatch { state: Order::Absent, .. } => OrderAnswer::problem(&no_such_order(), &request_id),
        Outcome::VersionMismatch { version, .. } => OrderAnswer::problem(&Problem::version(*version), &request_id),
    }
}

/// The problem of an order that is not there.
pub fn no_such_order() -> Problem {
    Problem::not_found("there is no order with this id")
}

#[derive(Serialize)]
struct Created {
    order_id: StreamId,
    state: Option<OrderState>,
    version: Version,
}

#[derive(Serialize)]
struct Returned<'a> {
    return_id: &'a Reference,
    refund_cents: i64,
    #[serde(flatten)]
    order: Option<OrderView<'a>>,
}

impl OrderAnswer {
    fn success(success: Success, order: StreamId, state: &Order, version: Version, events: &[OrderEvent]) -> Self {
        let (status, body) = match (success, events.first()) {
            (Success::Created, _) => {
                let created = Created { order_id: order, state: state.state(), version };
                (StatusCode::CREATED, serde_json::to_string(&created))
            }
            (Success::Returned, Some(OrderEvent::ItemsReturned(returned))) => {
                let ItemsReturned { return_id, refund_cents, .. } = returned;
                let answer = Returned { return_id, refund_cents: *refund_cents, order: state.view(order, version) };
                (StatusCode::ACCEPTED, serde_json::to_string(&answer))
            }
            (Success::Returned, _) => (StatusCode::ACCEPTED, serde_json::to_string(&state.view(order, version))),
            (Success::Order, _) => (StatusCode::OK, serde_json::to_string(&state.view(order, version))),
        };
        match body {
            Ok(body) => {
                let created = matches!(success, Success::Created).then_some(order);
                Self { status: status.as_u16(), version, created, body }
            }
            Err(error) => {
                log::error!("an order could not be shown: {error}");
                Self::problem(&Problem::new(ProblemKind::Internal, "the order could not be shown"), "")
            }
        }
    }

    fn problem(problem: &Problem, request_id: &str) -> Self {
        Self {
            status: problem.status().as_u16(),
            version: Version::NONE,
            created: None,
            body: problem.body(request_id),
        }
    }
}

/// Sends an answer: what was kept, and the position it got.
pub fn respond(answered: Answered<OrderAnswer>) -> HttpResponse {
    let Answered { answer, position, replayed } = answered;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((X_POSITION, position.0));
    if replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    if !status.is_success() {
        return response.insert_header((CONTENT_TYPE, "application/problem+json")).body(answer.body);
    }
    etag(&mut response, answer.version);
    response.insert_header((CONTENT_TYPE, "application/json"));
    if let Some(order) = answer.created {
        response.insert_header((LOCATION, format!("/orders/{order}")));
        return response.body(with_position(answer.body, position.0));
    }
    response.body(answer.body)
}

/// Sets the ETag of an order at a version.
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
