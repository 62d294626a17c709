//! `/orders/{id}/events` and `/events`: what has happened, as it stands in the log.

use std::sync::Arc;

use actix_web::{HttpResponse, http::header::LINK, web::Data};
use ordo_actors::{
    aggregate::Aggregate,
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::{self, LogQuery},
    },
};
use serde::Deserialize;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    answer::no_such_order,
    error::{Fault, Problem},
    openapi::{
        events::EventPage,
        parameters::OrderInPath,
        problems::{NotFound, ReadProblems},
    },
    orders::OrderPath,
    query_params::{COUNTABLE, Params, QueryNumber, number},
    state::AppState,
    wire,
};
use crate::order::{Order, schema};

const DEFAULT_LIMIT: u64 = 100;
/// The most events of a page.
pub const MOST_EVENTS: usize = 1000;
const MAX_LIMIT: u64 = MOST_EVENTS as u64;

/// The query of `GET /orders/{id}/events`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamParams {
    /// The first version to show.
    #[param(schema_with = from_version_schema)]
    from_version: Option<QueryNumber>,
    /// At most so many events; fewer when they reach 6 MiB.
    #[param(schema_with = limit_schema)]
    limit: Option<QueryNumber>,
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

fn from_version_schema() -> ObjectBuilder {
    schema::whole_number(1, i64::MAX, "The first version to show.").default(Some(1.into()))
}

fn limit_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_LIMIT))
        .default(Some(DEFAULT_LIMIT.into()))
}

/// What has happened to an order
///
/// In order. A page ends at `limit` events, or at the event that brings it to 6 MiB; whichever it was, follow `Link` for more.
#[utoipa::path(
    get, path = "/orders/{id}/events", operation_id = "listEventsOfOrder", tag = "events", params(OrderInPath, StreamParams),
    responses(
        (status = 200, description = "Events of the order.", body = inline(EventPage), headers(("Link"))),
        NotFound, ReadProblems,
    )
)]
pub async fn of_order(
    state: Data<AppState>,
    order: OrderPath,
    params: Params<StreamParams>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    let mut faults = Vec::new();
    let from = params.from_version.and_then(|asked| number("from_version", asked, 1..=*COUNTABLE.end(), &mut faults));
    let paging = Paging::read(None, params.limit, params.min_position, faults)?;
    state.wait_for(paging.at_least).await?;
    let (from, limit) = (Version(from.unwrap_or(1)), paging.limit);
    let events = state.store.read_stream(order.0, from, limit).await?;
    let first = if events.is_empty() {
        state.store.read_stream(order.0, Version(1), 1).await?
    } else {
        store::EventPage::default()
    };
    if events.first().or(first.first()).is_none_or(|event| event.aggregate_type != Order::TYPE) {
        return Err(no_such_order());
    }
    let next = events.last().filter(|_| !events.is_last());
    let link = next.map(|last| format!("/orders/{}/events?from_version={}&limit={limit}", order.0, last.version.0 + 1));
    Ok(page(&events, link))
}

/// The query of `GET /events`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogParams {
    /// Only events after this position.
    #[param(schema_with = after_schema)]
    after: Option<QueryNumber>,
    /// At most so many events; fewer when they reach 6 MiB.
    #[param(schema_with = limit_schema)]
    limit: Option<QueryNumber>,
    /// Only events of these types, separated by commas.
    #[param(
        value_type = Option<Vec<TypeName>>, style = Form, explode = false, example = json!(["OrderCreated", "OrderCancelled"])
    )]
    event_type: Option<String>,
    /// Only events of this aggregate type.
    #[param(value_type = Option<TypeName>, example = "Order")]
    aggregate_type: Option<String>,
    /// Only events of this stream.
    #[param(value_type = Option<schema::Id>)]
    aggregate_id: Option<uuid::Uuid>,
    /// Only events recorded at this time or later.
    #[param(value_type = Option<schema::Time>)]
    from: Option<String>,
    /// Only events recorded before this time.
    #[param(value_type = Option<schema::Time>)]
    to: Option<String>,
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

fn after_schema() -> ObjectBuilder {
    schema::whole_number(0, i64::MAX, "Only events after this position.").default(Some(0.into()))
}

/// The name of a type of events or aggregates.
pub struct TypeName;

impl PartialSchema for TypeName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^[A-Za-z]{{1,{LONGEST_NAME}}}$"))).into()
    }
}

impl ToSchema for TypeName {}

/// What has happened to all orders
///
/// The log, in commit order. Whoever asks `after` the last position seen misses nothing. A page ends at `limit` events, or at the
/// event that brings it to 6 MiB; whichever it was, follow `Link` for more.
#[utoipa::path(
    get, path = "/events", operation_id = "listEvents", tag = "events", params(LogParams),
    responses(
        (status = 200, description = "Events.", body = inline(EventPage), headers(("Link"))),
        ReadProblems,
    )
)]
pub async fn of_log(state: Data<AppState>, params: Params<LogParams>) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    let mut faults = Vec::new();
    let types = params.event_type.as_deref().unwrap_or_default();
    let types: Vec<_> = types.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    check_names("event_type", &types, &mut faults);
    check_names("aggregate_type", params.aggregate_type.as_deref().as_slice(), &mut faults);
    let paging = Paging::read(params.after, params.limit, params.min_position, faults)?;
    let time = |name: &str, text: Option<&str>| match text {
        None => Ok(None),
        Some(text) => {
            wire::time(text).map(Some).ok_or_else(|| Problem::invalid(format!("{name} is a time as RFC 3339")))
        }
    };
    let query = LogQuery {
        after: paging.after,
        limit: paging.limit,
        stream: params.aggregate_id.map(StreamId),
        event_types: types.into_iter().map(str::to_owned).collect(),
        aggregate_type: params.aggregate_type.clone(),
        from: time("from", params.from.as_deref())?,
        to: time("to", params.to.as_deref())?,
    };
    state.wait_for(paging.at_least).await?;
    let events = state.store.read_all(&query).await?;
    let next = events.last().filter(|_| !events.is_last());
    let link = next.map(|last| link_after(last.position, query.limit, &params));
    Ok(page(&events, link))
}

/// The longest name of a type of events or aggregates.
const LONGEST_NAME: usize = 64;

/// Types are called by letters alone; one of that shape that does not occur has no events.
fn check_names(parameter: &str, names: &[&str], faults: &mut Vec<Fault>) {
    let is_name =
        |name: &&str| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !names.iter().all(is_name) {
        let detail = format!("must be the name of a type: 1 to {LONGEST_NAME} letters, such as OrderCreated");
        faults.push(Fault { pointer: format!("?{parameter}"), detail });
    }
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

/// Which part of a log to show, and how new it must be.
struct Paging {
    after: Position,
    limit: usize,
    at_least: Option<Position>,
}

impl Paging {
    /// Adds its faults to those found before, and fails if there are any.
    fn read(
        after: Option<QueryNumber>,
        limit: Option<QueryNumber>,
        at_least: Option<QueryNumber>,
        mut faults: Vec<Fault>,
    ) -> Result<Self, Problem> {
        let after = after.and_then(|asked| number("after", asked, COUNTABLE, &mut faults));
        let limit = limit.and_then(|asked| number("limit", asked, 1..=MAX_LIMIT, &mut faults));
        let at_least = at_least.and_then(|asked| number("min_position", asked, COUNTABLE, &mut faults));
        if !faults.is_empty() {
            return Err(Problem::validation(&faults));
        }
        Ok(Self {
            after: after.map_or(Position::START, Position),
            limit: usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX),
            at_least: at_least.map(Position),
        })
    }
}

fn page(events: &[Arc<EventEnvelope>], next: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    response.json(events)
}
