//! The problems operations can answer with: every response is described once, with an example the server could send, and
//! operations name groups of them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type, example::ExampleBuilder,
    },
};

use super::headers;
use crate::{
    fulfilment::schema::SagaState,
    http::error::{Fault, Problem, ProblemKind},
    order::{OrderState, schema},
};

/// What went wrong (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Which kind of problem; the server explains it at this path.
    #[schema(rename = "type", schema_with = types)]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The status code.
    #[schema(schema_with = statuses)]
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The `X-Request-Id` of the request that got this answer first.
    pub request_id: String,
    /// validation-failed: every fault, up to a thousand.
    #[schema(min_items = 1, max_items = 1000, required = false)]
    pub errors: Vec<Fault>,
    /// invalid-request, state-conflict: the value that is to blame, as a JSON pointer into the body.
    #[schema(required = false)]
    pub pointer: String,
    /// state-conflict, not-found: the state the order is in.
    #[schema(required = false)]
    pub state: OrderState,
    /// state-conflict: the saga that is in the way.
    #[schema(required = false, value_type = schema::Id)]
    pub saga_id: String,
    /// state-conflict: where that saga is.
    #[schema(required = false)]
    pub saga_state: SagaState,
    /// version-conflict: the version the order is at.
    #[schema(required = false, value_type = schema::Count)]
    pub version: u64,
    /// position-not-reached: how far the log, or the read model, has come.
    #[schema(required = false, value_type = schema::Position)]
    pub position: u64,
}

fn types() -> ObjectBuilder {
    let names = ProblemKind::ALL.map(|kind| format!("/problems/{}", kind.explain().name));
    schema::formatted("uri-reference", "Which kind of problem; the server explains it at this path.")
        .enum_values(Some(names))
}

fn statuses() -> ObjectBuilder {
    let mut codes = ProblemKind::ALL.map(|kind| kind.explain().status.as_u16()).to_vec();
    codes.sort_unstable();
    codes.dedup();
    ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(codes)).description(Some("The status code."))
}

/// The id of the request in the examples.
const REQUEST_ID: &str = "0192e4a0-7c1d-7a11-9f3e-2b8a66d0c0fe";

/// A response that tells a problem.
struct Shared {
    name: &'static str,
    description: &'static str,
    /// At least one; the first one's status is that of the response.
    examples: Vec<Problem>,
}

/// All of them.
fn all() -> Vec<Shared> {
    let shared = |name, description, examples| Shared { name, description, examples };
    vec![
        shared(
            "InvalidRequest",
            "The path, the query, a header or the JSON cannot be read, or names something unknown. Nothing was changed.",
            vec![unknown_field()],
        ),
        shared(
            "Forbidden",
            "The request comes from a web page of an origin that is neither the server's own nor allowed. Nothing was changed.",
            vec![Problem::new(
                ProblemKind::Forbidden,
                "pages of this origin may not do this; the operator can allow it with --allow-origin",
            )],
        ),
        shared("NotFound", "There is no such thing.", vec![Problem::not_found("there is no order with this id")]),
        shared(
            "StateConflict",
            "A rule of the order says no; or others changed the order whenever the request was decided, or a request with the same \
             idempotency key is under way (then with Retry-After). Nothing was changed.",
            vec![wrong_state(), contended(), in_flight()],
        ),
        shared(
            "SagaConflict",
            "A rule of the saga says no; `saga_state` is where it is. Or a request with the same idempotency key is under way \
             (then with Retry-After). Nothing was changed.",
            vec![not_stuck(), in_flight()],
        ),
        shared(
            "AdminConflict",
            "It cannot be done now. Or a request with the same idempotency key is under way (then with Retry-After).",
            vec![
                Problem::new(ProblemKind::StateConflict, "it is being rebuilt already, or another process runs it"),
                in_flight(),
            ],
        ),
        shared(
            "VersionConflict",
            "The order is at none of the versions that If-Match names. Nothing was changed.",
            vec![Problem::version(ordo_actors::log::event::Version(5))],
        ),
        shared(
            "TooLarge",
            "The body is larger than the server takes: 4 MiB unless configured otherwise. Nothing was changed.",
            vec![Problem::new(ProblemKind::TooLarge, "a body is at most 4194304 bytes")],
        ),
        shared(
            "UnsupportedMediaType",
            "The body is not said to be JSON, or it is encoded. Nothing was changed.",
            vec![Problem::new(ProblemKind::UnsupportedMediaType, "send JSON with Content-Type: application/json")],
        ),
        shared(
            "MisdirectedRequest",
            "The request asks for a host that is not this server. Nothing was changed.",
            vec![Problem::new(
                ProblemKind::MisdirectedRequest,
                "this server is not known by this name; the operator can allow it with --allow-host",
            )],
        ),
        shared(
            "ValidationFailed",
            "The request can be read, but values in it are out of range. Nothing was changed.",
            vec![out_of_range()],
        ),
        shared(
            "CommandRefused",
            "The request can be read, but values in it are out of range; or its idempotency key was used for another request. \
             Nothing was changed.",
            vec![
                out_of_range(),
                Problem::new(
                    ProblemKind::IdempotencyKeyReused,
                    "the key was first used with another method, path or body",
                ),
            ],
        ),
        shared(
            "Internal",
            "The server has a fault.",
            vec![Problem::new(ProblemKind::Internal, "the request could not be served")],
        ),
        shared(
            "CommandUnavailable",
            "The server has too much to do, or the store cannot be read or written.",
            vec![overloaded(), store_unavailable()],
        ),
        shared(
            "ReadUnavailable",
            "The server has too much to do, the store cannot be read or written, or the log has not reached `min_position` in time.",
            vec![overloaded(), store_unavailable(), not_reached()],
        ),
    ]
}

fn unknown_field() -> Problem {
    let detail = "/items/0: unknown field `colour`, expected one of `product_id`, `product_name`, `quantity`, \
                  `unit_price_cents` at line 1 column 20";
    Problem::invalid(detail).with("pointer", "/items/0".into())
}

fn wrong_state() -> Problem {
    Problem::new(ProblemKind::StateConflict, "this needs an order in state Draft, not Submitted")
        .with("state", "Submitted".into())
}

fn contended() -> Problem {
    Problem::new(ProblemKind::Contended, "the order was changed by others 10 times in a row; nothing was changed")
}

fn in_flight() -> Problem {
    Problem::new(ProblemKind::IdempotencyInFlight, "a request with this idempotency key is under way")
}

fn not_stuck() -> Problem {
    Problem::new(ProblemKind::StateConflict, "the saga is Running, not stuck").with("saga_state", "Running".into())
}

fn out_of_range() -> Problem {
    let detail = "must be between 1 and 1000000000, not 0".to_owned();
    Problem::validation(&[Fault { pointer: "/items/0/quantity".into(), detail }])
}

fn overloaded() -> Problem {
    Problem::new(ProblemKind::Overloaded, "too many requests are under way; nothing was changed")
}

fn store_unavailable() -> Problem {
    let detail = "the store cannot be read or written (disk full); nothing was changed, try again";
    Problem::new(ProblemKind::StoreUnavailable, detail)
}

fn not_reached() -> Problem {
    Problem::new(ProblemKind::PositionNotReached, "the log is at position 41, not yet at 42")
        .with("position", 41.into())
}

impl Shared {
    fn response(&self) -> Response {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name())));
        let examples = self.examples.iter().map(|problem| {
            let value: Value = serde_json::from_str(&problem.body(REQUEST_ID)).unwrap_or_default();
            (problem.kind.explain().name, RefOr::T(ExampleBuilder::new().value(Some(value)).build()))
        });
        let content = content.examples_from_iter(examples).build();
        let response = ResponseBuilder::new()
            .description(self.description)
            .header_ref("X-Request-Id", headers::shared("X-Request-Id"))
            .content("application/problem+json", content);
        let may_retry = self.examples.iter().any(|problem| problem.headers().is_some());
        if may_retry {
            response.header_ref("Retry-After", headers::shared("Retry-After")).build()
        } else {
            response.build()
        }
    }
}

/// The components of the document.
pub fn components() -> impl Iterator<Item = (String, RefOr<Response>)> {
    all().into_iter().map(|shared| (shared.name.to_owned(), shared.response().into()))
}

/// The schema of every problem, and those it is made of.
#[must_use]
pub fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    schemas
}

/// References to shared responses, by their status.
#[must_use]
pub fn named(names: &[&str]) -> BTreeMap<String, RefOr<Response>> {
    let all = all();
    all.iter()
        .filter(|shared| names.contains(&shared.name))
        .map(|shared| {
            let status = shared.examples[0].status().as_u16().to_string();
            (status, Ref::from_response_name(shared.name).into())
        })
        .collect()
}

/// There is no such thing.
pub struct NotFound;

impl IntoResponses for NotFound {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["NotFound"])
    }
}

/// The server has a fault.
pub struct Internal;

impl IntoResponses for Internal {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["Internal"])
    }
}

/// What a read can come to.
pub struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["ValidationFailed", "Internal", "ReadUnavailable"])
    }
}

/// What a command to an order can come to.
pub struct CommandProblems;

impl IntoResponses for CommandProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["StateConflict", "VersionConflict", "CommandRefused", "Internal", "CommandUnavailable"])
    }
}

/// What an operator's word to a saga can come to.
pub struct SagaProblems;

impl IntoResponses for SagaProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["NotFound", "SagaConflict", "ValidationFailed", "Internal", "CommandUnavailable"])
    }
}

/// What an operator's word to a read model can come to.
pub struct AdminProblems;

impl IntoResponses for AdminProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["NotFound", "AdminConflict", "Internal", "CommandUnavailable"])
    }
}

/// What a read of the store that waits for nothing can come to.
pub struct StoreProblems;

impl IntoResponses for StoreProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["Internal", "CommandUnavailable"])
    }
}

/// Values are out of range.
pub struct ValidationFailed;

impl IntoResponses for ValidationFailed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["ValidationFailed"])
    }
}

/// What a live connection can come to before it is one.
pub struct LiveProblems;

impl IntoResponses for LiveProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&["Forbidden", "ReadUnavailable"])
    }
}
