//! `/orders/{id}/fulfill` and `/orders/{id}/saga`.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, LOCATION},
    web::Data,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    answer::{IDEMPOTENCY_REPLAYED, SagaStanding, X_POSITION, respond, saga_path},
    command_input::CommandInput,
    error::Problem,
    openapi::{
        answers::FulfilAnswer,
        headers::Place,
        parameters::{DryRun, IdempotencyKey, IfMatch, OrderInPath, Prefer},
        problems::{CommandProblems, NotFound, ReadProblems},
    },
    orders::OrderPath,
    pagination::at_least,
    query_params::{Params, QueryNumber},
    state::AppState,
    wire::EmptyBody,
};
use crate::{fulfilment::SagaView, order::schema, ordering::FulfilOutcome};

/// How long a command waits for a saga when the client does not say, and at most.
const WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Fulfil an order
///
/// Reserves, charges and ships through the partners, from a draft with items or a submitted order, and completes the order;
/// when a partner refuses, all that was done is undone and the order is cancelled. It goes on whether or not anybody waits,
/// also after a crash. Again on the same order joins the same saga.
#[utoipa::path(
    post, path = "/orders/{id}/fulfill", operation_id = "fulfillOrder", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey, Prefer),
    request_body(content = EmptyBody, examples(("nothing" = (summary = "Nothing to say", value = json!({}))))),
    responses(
        (
            status = 200, description = "The saga has ended. After a dry run: the order as submitting it would leave it.",
            body = inline(FulfilAnswer), headers(("X-Position"), ("Idempotency-Replayed"))
        ),
        (
            status = 202, description = "The saga goes on, or waits for an operator.", body = SagaStanding,
            headers(
                ("X-Position"), ("Idempotency-Replayed"), ("Location" = inline(Place), description = "Where the saga is.")
            )
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn fulfill(
    state: Data<AppState>,
    request: HttpRequest,
    order: OrderPath,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let wait = prefer_wait(&request)?;
    let (saga_id, saga_state, replayed) = match state.ordering().fulfil(&input.call(order.0), wait).await? {
        FulfilOutcome::Saga { saga_id, state, replayed } => (saga_id, state, replayed),
        FulfilOutcome::Order(answered) => return respond(&state, answered).await,
    };
    let mut response = if saga_state.has_ended() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    if !saga_state.has_ended() {
        response.insert_header((LOCATION, saga_path(saga_id)));
    }
    if replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    response.insert_header((X_POSITION, state.feed.head().0));
    Ok(response.json(SagaStanding { saga_id, saga_state }))
}

/// The query of `GET /orders/{id}/saga`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SagaParams {
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

/// Look at the saga of an order
///
/// `id` is the order's, or the saga's own: a refund is found by its own.
#[utoipa::path(
    get, path = "/orders/{id}/saga", operation_id = "getSaga", tag = "steps", params(OrderInPath, SagaParams),
    responses(
        (status = 200, description = "The saga.", body = SagaView<'static>, headers(("X-Position"))),
        NotFound, ReadProblems,
    )
)]
pub async fn show(state: Data<AppState>, id: OrderPath, params: Params<SagaParams>) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let position = at_least(params.0.min_position, &mut faults);
    if !faults.is_empty() {
        return Err(Problem::validation(&faults));
    }
    state.wait_for(position).await?;
    let found = state.ordering().saga(id.0).await?;
    let view = found.as_ref().and_then(|(id, saga)| SagaView::of(*id, &saga.state));
    let view = view.ok_or_else(|| Problem::not_found("no saga has this id, and no order of this id was fulfilled"))?;
    Ok(HttpResponse::Ok().insert_header((X_POSITION, state.feed.head().0)).json(view))
}

/// `Prefer: wait=N` or `Prefer: respond-async` (RFC 7240): how long the client wants to wait.
pub fn prefer_wait(request: &HttpRequest) -> Result<Duration, Problem> {
    let header = HeaderName::from_static("prefer");
    let values = request.headers().get_all(&header).filter_map(|value| value.to_str().ok());
    let preferences: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let seconds = preferences.iter().find_map(|preference| preference.strip_prefix("wait="));
    match seconds.map(str::parse) {
        Some(Ok(seconds)) => Ok(Duration::from_secs(seconds).min(LONGEST_WAIT)),
        Some(Err(_)) => Err(Problem::invalid("Prefer: wait=N is a number of seconds")),
        None if preferences.contains(&"respond-async") => Ok(Duration::ZERO),
        None => Ok(WAIT),
    }
}
