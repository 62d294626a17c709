//! `/orders` and `/orders/{id}`: placing an order and looking at it, now or as it was.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    web::Data,
};
use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::rehydrate::Until,
    log::event::{Position, StreamId, Version},
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    answer::{Presenter, etag, no_such_order, respond},
    command_input::CommandInput,
    error::Problem,
    openapi::{
        answers::CreatedOrder,
        parameters::{DryRun, IdempotencyKey, IfNoneMatch, OrderInPath},
        problems::{CommandProblems, NotFound, ReadProblems},
    },
    query_params::{COUNTABLE, Params, QueryNumber, number},
    request_context::RequestId,
    state::AppState,
    wire::{self, CreateOrderBody},
};
use crate::{
    order::{self, CreateOrder, CustomerId, InvalidValue, OrderView, UncheckedOrder, schema},
    ordering::PastOrder,
};

/// Place an order
///
/// One command, one append, however many items. The same product at the same price becomes one line.
#[utoipa::path(
    post, path = "/orders", operation_id = "placeOrder", tag = "orders",
    params(DryRun, IdempotencyKey),
    request_body(content = CreateOrderBody, examples(
        ("one_product" = (summary = "One product", value = json!({
            "customer_id": "ada",
            "items": [{"product_id": "widget", "product_name": "Widget", "quantity": 2, "unit_price_cents": 1000}],
        }))),
        ("own_id" = (summary = "With an id, a currency and a date of the client's own", value = json!({
            "order_id": "0192e4a0-7c1d-7000-8000-00000000c0de", "customer_id": "ada", "currency": "EUR",
            "placed_at": "2011-12-09T12:50:00Z",
            "items": [
                {"product_id": "widget", "product_name": "Widget", "quantity": 2, "unit_price_cents": 1000},
                {"product_id": "gadget", "product_name": "Gadget, blue", "quantity": 1, "unit_price_cents": 2550},
            ],
        }))),
    )),
    responses(
        (
            status = 200, description = "A dry run: the order as it would be.", body = OrderView<'static>,
            headers(("X-Position"))
        ),
        (
            status = 201, description = "The order was placed.", body = CreatedOrder,
            headers(("X-Position"), ("ETag"), ("Location"), ("Idempotency-Replayed")),
            links(
                ("order" = (operation_id = "getOrder", parameters(("id" = "$response.body#/order_id")))),
                ("events" = (operation_id = "listEventsOfOrder", parameters(("id" = "$response.body#/order_id")))),
                ("addItem" = (operation_id = "addItem", parameters(("id" = "$response.body#/order_id")))),
                ("submit" = (operation_id = "submitOrder", parameters(("id" = "$response.body#/order_id")))),
                ("cancel" = (operation_id = "cancelOrder", parameters(("id" = "$response.body#/order_id")))),
                ("changeLine" = (
                    operation_id = "changeQuantity", parameters(("id" = "$response.body#/order_id"), ("line_id" = "1"))
                )),
                ("removeLine" = (
                    operation_id = "removeItem", parameters(("id" = "$response.body#/order_id"), ("line_id" = "1"))
                ))
            )
        ),
        CommandProblems,
    )
)]
pub async fn create(state: Data<AppState>, input: CommandInput<CreateOrderBody>) -> Result<HttpResponse, Problem> {
    let (order, command) = check(&input.body, state.clock.now(), state.limits.order_lines)?;
    let order = order.unwrap_or_else(StreamId::generate);
    respond(&state, state.ordering().place(&input.call(order), command).await?).await
}

/// Checks a whole order and names every fault.
fn check(
    body: &CreateOrderBody,
    now: DateTime<Utc>,
    most_lines: usize,
) -> Result<(Option<StreamId>, CreateOrder), Problem> {
    let placed_at = |text: &String| order::placed_at(wire::time(text).ok_or(InvalidValue::NotATime)?, now);
    let order = UncheckedOrder {
        order_id: body.order_id.as_deref().map(own_id),
        external_id: None,
        customer_id: body.customer_id.as_deref(),
        currency: body.currency.as_deref(),
        placed_at: body.placed_at.as_ref().map(placed_at),
        items: body.items.iter().map(|item| item.0.unchecked()),
    };
    let order = order.check().map_err(|faults| Problem::unacceptable(&faults))?;
    let create = CreateOrder {
        customer_id: order.customer_id.unwrap_or_else(|| CustomerId::from(Uuid::now_v7())),
        currency: order.currency.unwrap_or_default(),
        placed_at: order.placed_at,
        items: order.items,
        most_lines,
    };
    Ok((order.order_id.map(StreamId), create))
}

fn own_id(text: &str) -> Result<Uuid, InvalidValue> {
    let id = Uuid::parse_str(text).map_err(|_| InvalidValue::NotAUuid)?;
    order::chosen_id(id).map(|id| id.0)
}

/// The query of `GET /orders/{id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GetOrderParams {
    /// The order as it was at this version. Excludes `at_time`.
    #[param(value_type = Option<schema::Version>)]
    at_version: Option<QueryNumber>,
    /// The order as it was at this time. Excludes `at_version`.
    #[param(value_type = Option<schema::Time>)]
    at_time: Option<String>,
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

/// Look at an order, now or as it was
#[utoipa::path(
    get, path = "/orders/{id}", operation_id = "getOrder", tag = "orders",
    params(OrderInPath, GetOrderParams, IfNoneMatch),
    responses(
        (
            status = 200, description = "The order.", body = OrderView<'static>,
            headers(
                ("ETag"),
                (
                    "X-Position" = schema::Position,
                    description = "The position of the order's last event. Absent when looking at the past."
                )
            )
        ),
        (status = 304, description = "The client has this version.", headers(("ETag"))),
        NotFound, ReadProblems,
    )
)]
pub async fn get(
    state: Data<AppState>,
    request: HttpRequest,
    order: OrderPath,
    look: Params<GetOrderParams>,
) -> Result<HttpResponse, Problem> {
    let Params(look) = look;
    let mut faults = Vec::new();
    let at_least =
        look.min_position.and_then(|asked| number("min_position", asked, COUNTABLE, &mut faults)).map(Position);
    let version = look.at_version.and_then(|asked| number("at_version", asked, 1..=*COUNTABLE.end(), &mut faults));
    if !faults.is_empty() {
        return Err(Problem::validation(&faults));
    }
    let until = match (version.map(Version), look.at_time) {
        (None, None) => Until::Now,
        (Some(version), None) => Until::Version(version),
        (None, Some(text)) => {
            Until::Time(wire::time(&text).ok_or_else(|| Problem::invalid("at_time is a time as RFC 3339"))?)
        }
        (Some(_), Some(_)) => return Err(Problem::invalid("at_version and at_time exclude each other")),
    };
    state.wait_for(at_least).await?;
    let response = match until {
        Until::Now => now(&state, &request, order.0).await?,
        Until::Version(_) | Until::Time(_) => past(&state, order.0, until).await?,
    };
    Ok(if is_known(&request, &response) { not_modified(&response) } else { response })
}

async fn now(state: &AppState, request: &HttpRequest, order: StreamId) -> Result<HttpResponse, Problem> {
    let present = Presenter { request_id: RequestId::from_request(request) };
    respond(state, state.ordering().read(order, present).await?).await
}

/// Whether the client has this very version.
fn is_known(request: &HttpRequest, response: &HttpResponse) -> bool {
    let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|known| known.to_str().ok());
    let mut known = known.flat_map(|known| known.split(',')).map(str::trim);
    known.any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag)
}

fn not_modified(response: &HttpResponse) -> HttpResponse {
    let mut unchanged = HttpResponse::NotModified();
    for header in response.headers().iter().filter(|(name, _)| **name != CONTENT_TYPE) {
        unchanged.insert_header(header);
    }
    unchanged.finish()
}

async fn past(state: &AppState, order: StreamId, until: Until) -> Result<HttpResponse, Problem> {
    let found = match state.ordering().as_it_was(order, until).await? {
        PastOrder::Found(loaded) => loaded,
        PastOrder::NotAtThatTime => {
            return Err(Problem::not_found("there was no order with this id at that time"));
        }
        PastOrder::NotFound => return Err(no_such_order()),
        PastOrder::NotYet { asked, version } => {
            return Err(Problem::not_found(format!("the order has not come to version {asked}; it is at {version}")));
        }
    };
    let mut response = HttpResponse::Ok();
    etag(&mut response, found.version);
    Ok(response.json(found.state.view(order, found.version)))
}

/// The `{id}` of a path.
pub struct OrderPath(pub StreamId);

impl actix_web::FromRequest for OrderPath {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        let id = Uuid::parse_str(text).map_err(|_| Problem::invalid("an order's id is a UUID"));
        std::future::ready(id.map(|id| Self(StreamId(id))))
    }
}
