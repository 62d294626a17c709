//! `/orders/{id}/fulfill` and `/orders/{id}/saga`.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, LOCATION},
    web::Data,
};
use serde::Deserialize;

use super::{
    answer::{IDEMPOTENCY_REPLAYED, SagaStanding, X_POSITION, respond, saga_path},
    command_input::CommandInput,
    error::Problem,
    orders::OrderPath,
    pagination::at_least,
    query_params::{Params, QueryNumber},
    state::AppState,
    wire::EmptyBody,
};
use crate::{fulfilment::SagaView, ordering::FulfilOutcome};

/// How long a command waits for a saga when the client does not say, and at most.
const WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// `POST /orders/{id}/fulfill`
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaParams {
    min_position: Option<QueryNumber>,
}

/// `GET /orders/{id}/saga`: by the id of the order it fulfils, or by its own.
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
