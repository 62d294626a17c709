//! Puts the document together.

use std::collections::BTreeMap;

use utoipa::{
    OpenApi,
    openapi::{
        self, PathItem, RefOr, Required, Response, Schema, Type,
        extensions::Extensions,
        path::Operation,
        request_body::RequestBody,
        schema::{AdditionalProperties, SchemaType},
    },
};

use super::{headers, parameters, problems};
use crate::http::{
    admin_projections, admin_sagas, customers, docs, events, fulfilment, health, inventory, items, list_orders,
    order_steps, orders,
};

const DESCRIPTION: &str = "\
Every order is an actor, every change an event.

- JSON in UTF-8. Unknown fields and unknown parameters of the query are refused with 400, values out of range with 422, all at once. \
What goes wrong is told as `application/problem+json` (RFC 9457), explained at its `type`.
- Wherever GET is answered, HEAD is too; OPTIONS names the methods of a path in `Allow`, any other method gets 405 with `Allow`.
- A command is acknowledged when it is durable. With `Idempotency-Key` it can be sent again: the first answer comes back byte for \
byte, rejections included.
- `ETag` is the order's version. `If-Match` makes a command depend on it; without, a conflict is resolved inside, as long as others \
let it: else 409 with the type `version-conflict`, and the request is worth sending again.
- `X-Position` of an answer, sent as `min_position` with a read, shows at least what the answer spoke of.
- `dry_run=true` on a command decides and answers, and stores nothing.
- A body is sent with `Content-Type: application/json`; called anything else, or nothing, it is refused with 415.
- What a web page of another origin sends is refused with 403 unless that origin is allowed, which also lets it read the answers \
(CORS). A request for a host that is not this server is refused with 421.
- A body is at most 4 MiB unless configured otherwise, and has 30 seconds to arrive.";

/// The operations of REST.
#[derive(OpenApi)]
#[openapi(
    info(title = "ordo", description = DESCRIPTION, license(name = "MIT", identifier = "MIT")),
    servers((url = "/")),
    // What only parameters name.
    components(schemas(events::TypeName, docs::ProblemName)),
    tags(
        (name = "orders", description = "Placing orders and looking at them."),
        (name = "items", description = "The lines of a draft."),
        (name = "steps", description = "The way of an order from draft to its end."),
        (name = "events", description = "What has happened."),
        (name = "read models", description = "Customers and products, as the log tells of them."),
        (name = "operations", description = "For those who run the server."),
    ),
    paths(
        list_orders::current, orders::create, list_orders::history, orders::get,
        items::add, items::change, items::remove,
        order_steps::submit, order_steps::reserve, order_steps::process, order_steps::complete, order_steps::cancel,
        order_steps::return_items, fulfilment::fulfill, fulfilment::show,
        events::of_order, events::of_log,
        customers::list, customers::get, customers::orders, inventory::list, inventory::get,
        admin_projections::projections, admin_projections::projection, admin_projections::rebuild,
        admin_projections::dead_letters, admin_projections::retry, admin_projections::skip,
        admin_sagas::list, admin_sagas::retry, admin_sagas::skip, admin_sagas::force_compensate, admin_sagas::annotate,
        health::health, health::live, health::ready, health::metrics,
        docs::openapi, docs::problem, docs::to_page, docs::page,
    )
)]
struct Rest;

/// The whole document, as JSON: the operations of REST and those of `live`, and what all of them share.
#[must_use]
pub fn document(live: openapi::OpenApi) -> String {
    let mut document = Rest::openapi();
    document.merge(live);
    // The builder has no word for it, the document does.
    document.info.extensions = Some(Extensions::from_iter([("summary", "Event-sourced orders")]));
    let components = document.components.get_or_insert_default();
    components.schemas.extend(problems::schemas());
    components.responses.extend(problems::components());
    components.headers.extend(headers::components());
    components.parameters.extend([parameters::component()]);
    components.schemas.values_mut().for_each(close);
    for path in document.paths.paths.values_mut() {
        path.parameters = Some(vec![parameters::request_id()]);
        operations(path).for_each(|(writes, operation)| complete(writes, operation, &components.schemas));
    }
    document.to_json().unwrap_or_default()
}

/// The operations of a path, and whether they change something: those take a body.
fn operations(path: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, post, patch, delete, .. } = path;
    let all = [(false, get), (true, post), (true, patch), (true, delete)];
    all.into_iter().filter_map(|(writes, operation)| Some((writes, operation.as_mut()?)))
}

/// An object has the fields that are described and no other.
fn close(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema
        && object.schema_type == SchemaType::Type(Type::Object)
    {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
}

/// Adds what the middleware and the reader of bodies answer to every operation, and what every response has.
fn complete(writes: bool, operation: &mut Operation, schemas: &BTreeMap<String, RefOr<Schema>>) {
    let responses = &mut operation.responses.responses;
    responses.extend(problems::named(&["InvalidRequest", "MisdirectedRequest"]));
    if writes {
        responses.extend(problems::named(&["Forbidden", "TooLarge", "UnsupportedMediaType"]));
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            with_headers(response);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        let needed = if is_needed(body, schemas) { Required::True } else { Required::False };
        body.required = Some(needed);
    }
}

/// A header that says nothing of itself is the shared one of its name.
fn with_headers(response: &mut Response) {
    for (name, header) in &mut response.headers {
        if matches!(header, RefOr::T(header) if header.description.is_none()) {
            *header = RefOr::Ref(headers::shared(name));
        }
    }
    response.headers.insert("X-Request-Id".into(), RefOr::Ref(headers::shared("X-Request-Id")));
}

/// A body of which no field is needed need not be sent: it reads as an empty object.
fn is_needed(body: &RequestBody, schemas: &BTreeMap<String, RefOr<Schema>>) -> bool {
    let schema = body.content.values().find_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    let Some(RefOr::Ref(reference)) = schema else { return true };
    let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
    match schemas.get(name) {
        Some(RefOr::T(Schema::Object(object))) => !object.required.is_empty(),
        _ => true,
    }
}
