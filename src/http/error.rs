//! Problems (RFC 9457): the one file that knows which fault has which status code.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, RETRY_AFTER},
    },
};
use ordo_actors::{
    aggregate::request::Failure,
    log::{
        event::Version,
        store::{StoreError, told},
    },
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    guard::rules::Refusal,
    order::{self, InvalidValue},
};

/// Every kind of problem a client can meet. The server explains each at `/problems/<name>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request cannot be read.
    InvalidRequest,
    /// Who asks may not have this.
    Forbidden,
    /// The request asks for another server.
    MisdirectedRequest,
    /// The request can be read, but values in it are out of range.
    ValidationFailed,
    /// There is no such thing.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// A rule of the order says no.
    StateConflict,
    /// The order is not at the version the client demanded.
    VersionConflict,
    /// The order was moved on by others whenever this was decided. Of the same type for clients, who do the same about it.
    Contended,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// A request with the same idempotency key is being worked on.
    IdempotencyInFlight,
    /// The body is larger than the server takes.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The server has more to do than it can take.
    Overloaded,
    /// The store did not answer, or its answer was lost.
    StoreUnavailable,
    /// The log has not come as far as the client demanded.
    PositionNotReached,
    /// A fault of the server.
    Internal,
}

/// What the server says of a kind of problem.
pub struct Explanation {
    /// The last part of its type URI.
    pub name: &'static str,
    /// The status code it comes with.
    pub status: StatusCode,
    /// The same in words.
    pub title: &'static str,
    /// What a client does about it.
    pub advice: &'static str,
}

impl ProblemKind {
    /// Whether one of them is worth a line in the log: it says of this server what its operator does not know. How much a
    /// client asks for is known from the count.
    #[must_use]
    pub const fn is_worth_a_line(self) -> bool {
        !matches!(self, Self::Overloaded | Self::Contended | Self::PositionNotReached)
    }

    /// One of each type.
    pub const ALL: [Self; 16] = [
        Self::InvalidRequest,
        Self::Forbidden,
        Self::MisdirectedRequest,
        Self::ValidationFailed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::StateConflict,
        Self::VersionConflict,
        Self::IdempotencyKeyReused,
        Self::IdempotencyInFlight,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Overloaded,
        Self::StoreUnavailable,
        Self::PositionNotReached,
        Self::Internal,
    ];

    /// Name, status, title and advice.
    #[must_use]
    #[rustfmt::skip]
    pub const fn explain(self) -> Explanation {
        let (name, status, title, advice) = match self {
            Self::InvalidRequest => ("invalid-request", StatusCode::BAD_REQUEST, "The request cannot be read",
                "Correct the JSON, the path, the query or the header that `detail` names. Nothing was changed."),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "This is not allowed",
                "`detail` says who is let in. Nothing was changed."),
            Self::MisdirectedRequest => ("misdirected-request", StatusCode::MISDIRECTED_REQUEST, "This server is not the one that was asked for",
                "Ask for it by a name it is known by: of this machine, or one that its operator allows. Nothing was changed."),
            Self::ValidationFailed => ("validation-failed", StatusCode::UNPROCESSABLE_ENTITY, "Values are out of range",
                "`errors` lists every fault with a JSON pointer into the body. Nothing was changed."),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such thing",
                "Check the id. Orders are found by the id that POST /orders answered."),
            Self::MethodNotAllowed => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed here",
                "The `Allow` header names the methods of this path."),
            Self::StateConflict => ("state-conflict", StatusCode::CONFLICT, "A rule of the order says no",
                "`state` is the state the order is in. Read the order and decide anew. Nothing was changed."),
            Self::VersionConflict => ("version-conflict", StatusCode::PRECONDITION_FAILED, "The order has moved on",
                "`version` is where the order is now. Read it, then send the request with its new ETag. Nothing was changed. With status 409: others changed the order whenever the request was decided; send it again."),
            Self::Contended => ("version-conflict", StatusCode::CONFLICT, "The order has moved on",
                "Send the request again, or read the order and decide anew. Nothing was changed."),
            Self::IdempotencyKeyReused => ("idempotency-key-reused", StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key was used for another request",
                "Use a new key for a new request. The key belongs to method, path and body of its first use. Nothing was changed."),
            Self::IdempotencyInFlight => ("idempotency-in-flight", StatusCode::CONFLICT, "A request with this idempotency key is under way",
                "Wait a moment and send the same request again: it will get the first answer."),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large",
                "Send less at once. Nothing was changed."),
            Self::UnsupportedMediaType => ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON",
                "Send JSON with `Content-Type: application/json`. Nothing was changed."),
            Self::Overloaded => ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "The server has too much to do",
                "Nothing was changed. Try again after the seconds in `Retry-After`."),
            Self::StoreUnavailable => ("store-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The store cannot be read or written",
                "The request may or may not have taken effect. Send it again with the same idempotency key, or look first."),
            Self::PositionNotReached => ("position-not-reached", StatusCode::SERVICE_UNAVAILABLE, "The position has not been reached yet",
                "What was asked with `min_position` is not visible here yet. Try again after the seconds in `Retry-After`."),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "The server has a fault",
                "The fault is in the server's log under `request_id`."),
        };
        Explanation { name, status, title, advice }
    }
}

/// A fault in one value of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where: a JSON pointer into the body, or `?name` for a parameter of the query.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
}

impl From<&order::Fault> for Fault {
    fn from(fault: &order::Fault) -> Self {
        Self { pointer: fault.pointer(), detail: fault.problem.to_string() }
    }
}

/// Takes a value that is fit, or names the fault.
pub fn check<T>(pointer: &str, value: Result<T, InvalidValue>, faults: &mut Vec<Fault>) -> Option<T> {
    value.map_err(|invalid| faults.push(Fault { pointer: pointer.into(), detail: invalid.to_string() })).ok()
}

/// The fault of a number that is no 64-bit integer.
#[must_use]
pub fn not_whole(pointer: &str) -> Fault {
    Fault { pointer: pointer.into(), detail: InvalidValue::NotWhole.to_string() }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

/// The longest detail.
const MOST_DETAIL_CHARS: usize = 500;
/// The most faults one problem lists; its detail tells how many there are.
const MOST_FAULTS: usize = 1000;

/// Seconds after which those come back whom a server with too much to do has refused, in turn.
const AGAIN_AFTER: [&str; 3] = ["1", "2", "3"];
static TURN: AtomicUsize = AtomicUsize::new(0);

/// A problem on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// What is wrong this time.
    pub detail: String,
    /// Further members of the problem.
    pub members: Map<String, Value>,
    /// What the log says of it and the client is not told.
    pub cause: Option<String>,
}

impl Problem {
    /// A problem with nothing but a detail. What clients sent may be quoted in it, so it is cut when it is very long.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(MOST_DETAIL_CHARS) {
            detail.truncate(end);
            detail.push('…');
        }
        Self { kind, detail, members: Map::new(), cause: None }
    }

    /// The request cannot be read.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::InvalidRequest, detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// Values are out of range; lists them all, up to a thousand.
    #[must_use]
    pub fn validation(faults: &[Fault]) -> Self {
        let detail = match faults {
            [only] => format!("{}: {}", only.pointer, only.detail),
            many => format!("{} values are out of range", many.len()),
        };
        let errors = faults
            .iter()
            .take(MOST_FAULTS)
            .map(|fault| serde_json::json!({"pointer": fault.pointer, "detail": fault.detail}));
        Self::new(ProblemKind::ValidationFailed, detail).with("errors", Value::Array(errors.collect()))
    }

    /// Values of an order or an item are out of range.
    #[must_use]
    pub fn unacceptable(faults: &[order::Fault]) -> Self {
        let faults: Vec<_> = faults.iter().map(Fault::from).collect();
        Self::validation(&faults)
    }

    /// The order is elsewhere than the client demanded.
    #[must_use]
    pub fn version(actual: Version) -> Self {
        Self::new(ProblemKind::VersionConflict, format!("the order is at version {actual}"))
            .with("version", actual.0.into())
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// Adds what the log will say of it.
    #[must_use]
    fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.explain().status
    }

    /// The body, as `application/problem+json`.
    #[must_use]
    pub fn body(&self, request_id: &str) -> String {
        let Explanation { name, status, title, .. } = self.kind.explain();
        let body = Body {
            kind: format!("/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            request_id,
            members: &self.members,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Headers that go with the problem.
    #[must_use]
    pub fn headers(&self) -> Option<(HeaderName, HeaderValue)> {
        match self.kind {
            ProblemKind::Overloaded => {
                // Whoever is refused together does not come back together.
                let turn = TURN.fetch_add(1, Ordering::Relaxed) % AGAIN_AFTER.len();
                Some((RETRY_AFTER, HeaderValue::from_static(AGAIN_AFTER[turn])))
            }
            ProblemKind::Contended
            | ProblemKind::StoreUnavailable
            | ProblemKind::PositionNotReached
            | ProblemKind::IdempotencyInFlight => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            ProblemKind::InvalidRequest
            | ProblemKind::Forbidden
            | ProblemKind::MisdirectedRequest
            | ProblemKind::ValidationFailed
            | ProblemKind::NotFound
            | ProblemKind::MethodNotAllowed
            | ProblemKind::StateConflict
            | ProblemKind::VersionConflict
            | ProblemKind::IdempotencyKeyReused
            | ProblemKind::TooLarge
            | ProblemKind::UnsupportedMediaType
            | ProblemKind::Internal => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.explain().name, self.detail)
    }
}

/// The middleware around every request gives the body its request id.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded => {
                Self::new(ProblemKind::Overloaded, "too many requests are waiting; nothing was changed")
            }
            Failure::Contended(times) => Self::new(
                ProblemKind::Contended,
                format!("the order was changed by others {times} times in a row; nothing was changed"),
            ),
            Failure::ExtraWriteConflict { .. } => Self::new(
                ProblemKind::Contended,
                "a stream written together with the order was changed by others; nothing was changed",
            ),
            Failure::Unavailable(reason) => Self::new(
                ProblemKind::StoreUnavailable,
                format!("the store cannot be read or written ({}); nothing was changed, try again", told(&reason)),
            )
            .because(reason),
            Failure::Unknown(reason) => Self::new(
                ProblemKind::StoreUnavailable,
                "the outcome is unknown; send the same request again with the same idempotency key, or look first",
            )
            .because(reason),
            Failure::KeyReused => {
                Self::new(ProblemKind::IdempotencyKeyReused, "the key was first used with another method, path or body")
            }
            Failure::OtherType(_) => Self::not_found("there is no order with this id"),
            Failure::Unreadable(reason) => Self::new(ProblemKind::Internal, "the order cannot be read").because(reason),
            Failure::Panicked => Self::new(ProblemKind::Internal, "the decision failed; nothing was changed"),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::NoHost => ProblemKind::InvalidRequest,
            Refusal::ForeignHost => ProblemKind::MisdirectedRequest,
            Refusal::ForeignPage => ProblemKind::Forbidden,
        };
        Self::new(kind, refusal.detail())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Broken(_) => {
                let detail = format!("the store cannot be read or written ({}); try again", error.told());
                Self::new(ProblemKind::StoreUnavailable, detail)
            }
            StoreError::Corrupt(_) => Self::new(ProblemKind::Internal, "the log cannot be read"),
        };
        problem.because(error)
    }
}
