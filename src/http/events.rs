//! `/orders/{id}/events` and `/events`: what has happened, as it stands in the log.

use actix_web::{HttpResponse, http::header::LINK, web::Data};
use ordo_actors::{
    event::{EventEnvelope, Position, Version},
    store::LogQuery,
};
use serde::Deserialize;
use std::sync::Arc;

use super::{
    answer::no_such_order,
    error::{Fault, Problem},
    orders::OrderPath,
    query::Params,
    state::AppState,
    wire,
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The query of `GET /orders/{id}/events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamParams {
    from_version: Option<u64>,
    limit: Option<usize>,
    min_position: Option<u64>,
}

/// `GET /orders/{id}/events`
pub async fn of_order(
    state: Data<AppState>,
    order: OrderPath,
    params: Params<StreamParams>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    state.wait_for(params.min_position.map(Position)).await?;
    let limit = limit(params.limit)?;
    let from = Version(params.from_version.unwrap_or(1).max(1));
    let events = state.store.read_stream(order.0, from, limit).await?;
    if events.is_empty() && (from == Version(1) || state.store.read_stream(order.0, Version(1), 1).await?.is_empty()) {
        return Err(no_such_order());
    }
    let next = (events.len() == limit).then(|| events.last()).flatten();
    let link = next.map(|last| format!("/orders/{}/events?from_version={}&limit={limit}", order.0, last.version.0 + 1));
    Ok(page(&events, link))
}

/// The query of `GET /events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogParams {
    after: Option<u64>,
    limit: Option<usize>,
    event_type: Option<String>,
    aggregate_type: Option<String>,
    aggregate_id: Option<uuid::Uuid>,
    from: Option<String>,
    to: Option<String>,
    min_position: Option<u64>,
}

/// `GET /events`
pub async fn of_log(state: Data<AppState>, params: Params<LogParams>) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    state.wait_for(params.min_position.map(Position)).await?;
    let limit = limit(params.limit)?;
    let time = |name: &str, text: Option<&str>| match text {
        None => Ok(None),
        Some(text) => {
            wire::time(text).map(Some).ok_or_else(|| Problem::invalid(format!("{name} is a time as RFC 3339")))
        }
    };
    let types = params.event_type.as_deref().unwrap_or_default();
    let query = LogQuery {
        after: Position(params.after.unwrap_or(0)),
        limit,
        stream: params.aggregate_id.map(ordo_actors::event::StreamId),
        event_types: types.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        aggregate_type: params.aggregate_type.clone(),
        from: time("from", params.from.as_deref())?,
        to: time("to", params.to.as_deref())?,
    };
    let events = state.store.read_all(&query).await?;
    let next = (events.len() == limit).then(|| events.last()).flatten();
    let link = next.map(|last| link_after(last.position, limit, &params));
    Ok(page(&events, link))
}

fn link_after(after: Position, limit: usize, params: &LogParams) -> String {
    let mut link = form_urlencoded::Serializer::for_suffix(String::from("/events?"), "/events?".len());
    link.append_pair("after", &after.to_string()).append_pair("limit", &limit.to_string());
    let id = params.aggregate_id.map(|id| id.to_string());
    let filters = [
        ("event_type", &params.event_type),
        ("aggregate_type", &params.aggregate_type),
        ("aggregate_id", &id),
        ("from", &params.from),
        ("to", &params.to),
    ];
    for (name, value) in filters {
        if let Some(value) = value {
            link.append_pair(name, value);
        }
    }
    link.finish()
}

fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        fit @ 1..=MAX_LIMIT => Ok(fit),
        _ => Err(Problem::validation(&[Fault {
            pointer: "?limit".into(),
            detail: format!("must be between 1 and {MAX_LIMIT}"),
        }])),
    }
}

fn page(events: &[Arc<EventEnvelope>], next: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    response.json(events)
}
