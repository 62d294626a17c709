//! From a request to a command: headers, query and body, checked before anything is asked of an order.

use std::{collections::HashSet, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, IF_MATCH},
    web::{self, Data},
};
use futures_util::StreamExt;
use ordo_actors::{
    aggregate::request::IdempotencyUse,
    log::{
        event::{Metadata, Version},
        store::IdempotencyKey,
    },
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{
    answer::Presenter,
    body_budget::BodyRoom,
    error::{Problem, ProblemKind, not_whole},
    request_context::RequestId,
    state::AppState,
    wire::Object,
};
use crate::{
    guard::media::is_json,
    order::OrderId,
    ordering::{Call, CommandOptions},
};

/// The header that makes a command repeatable.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A command's body and all that surrounds it.
pub struct CommandInput<T> {
    /// The body.
    pub body: T,
    /// The conditions of the command.
    pub options: CommandOptions,
    /// The id of the request.
    pub request_id: String,
    /// Held while the request runs, so that a second one with the same key is told to wait.
    _in_flight: Option<InFlight>,
    /// The room of a body that may be large, held as long.
    _room: Option<BodyRoom>,
}

impl<T> CommandInput<T> {
    /// The request of this command to an order.
    #[must_use]
    pub fn call(&self, order: OrderId) -> Call<'_, Presenter> {
        let present = Presenter { request_id: self.request_id.clone() };
        Call { order, options: &self.options, present }
    }
}

/// The keys being worked on in this process. A hint that spares work: the store decides.
#[derive(Default)]
pub struct KeysInFlight(Mutex<HashSet<IdempotencyKey>>);

struct InFlight {
    key: IdempotencyKey,
    keys: Data<AppState>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.keys.keys_in_flight.0.lock().remove(&self.key);
    }
}

impl InFlight {
    fn enter(state: &Data<AppState>, key: &IdempotencyKey) -> Result<Self, Problem> {
        if state.keys_in_flight.0.lock().insert(key.clone()) {
            return Ok(Self { key: key.clone(), keys: state.clone() });
        }
        Err(Problem::new(ProblemKind::IdempotencyInFlight, "a request with this idempotency key is under way"))
    }
}

/// What is read of a body.
pub trait CommandBody: DeserializeOwned + 'static {
    /// Whether it may be about as large as the body, so that the room is needed until the command is done. Of any other body,
    /// blanks and all, little is left when it has been read.
    const MAY_BE_LARGE: bool = false;
}

impl<T: CommandBody> FromRequest for CommandInput<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let state = request.app_data::<Data<AppState>>().cloned().ok_or_else(missing_state)?;
            let payload = payload.map_err(|error| Problem::invalid(error.to_string()))?;
            let mut room = state.bodies.enter();
            let bytes = read_body(&request, payload, state.limits.body_bytes, &mut room).await?;
            room.whole().await?;
            let dry_run = query_flag(&request, "dry_run")?;
            let idempotency = idempotency(&request, &bytes)?.filter(|_| !dry_run);
            let in_flight = idempotency.as_ref().map(|used| InFlight::enter(&state, &used.key)).transpose()?;
            let if_version = if_match(request.headers())?;
            let body = parse(&bytes)?;
            let request_id = RequestId::from_request(&request);
            let metadata = Metadata { correlation_id: Some(request_id.clone()), ..Metadata::default() };
            let options = CommandOptions { dry_run, if_version, idempotency, metadata };
            Ok(Self { body, options, request_id, _in_flight: in_flight, _room: T::MAY_BE_LARGE.then_some(room) })
        })
    }
}

fn missing_state() -> Problem {
    Problem::new(ProblemKind::Internal, "the server is not set up")
}

/// Reads a flag of the query; any other parameter of a command is a mistake worth telling.
fn query_flag(request: &HttpRequest, name: &str) -> Result<bool, Problem> {
    let query = request.query_string();
    if query.is_empty() {
        return Ok(false);
    }
    let pairs =
        web::Query::<Vec<(String, String)>>::from_query(query).map_err(|error| Problem::invalid(error.to_string()))?;
    let mut flag = false;
    for (key, value) in pairs.into_inner() {
        if key != name {
            return Err(Problem::invalid(format!("unknown query parameter {key:?}")));
        }
        flag = match value.as_str() {
            "true" | "1" | "" => true,
            "false" | "0" => false,
            other => return Err(Problem::invalid(format!("{name} is true or false, not {other:?}"))),
        };
    }
    Ok(flag)
}

fn idempotency(request: &HttpRequest, body: &[u8]) -> Result<Option<IdempotencyUse>, Problem> {
    let Some(value) = request.headers().get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
    let Some(key) = key else {
        return Err(Problem::invalid("Idempotency-Key is 1 to 255 visible ASCII characters"));
    };
    let mut digest = Sha256::new();
    for part in [request.method().as_str().as_bytes(), request.path().as_bytes(), body] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    Ok(Some(IdempotencyUse {
        key: IdempotencyKey { scope: String::new(), key: key.to_owned() },
        fingerprint: digest.finalize().into(),
    }))
}

/// Stands for a tag that is no version of an order. No stream has this version.
const NEVER: Version = Version(u64::MAX);

/// `If-Match: "3"`, a list of such, or `*`.
fn if_match(headers: &HeaderMap) -> Result<Vec<Version>, Problem> {
    let mut versions = Vec::new();
    for value in headers.get_all(IF_MATCH) {
        let text = value.to_str().map_err(|_| bad_if_match())?.trim();
        if text == "*" {
            return Ok(Vec::new());
        }
        for tag in text.split(',') {
            let tag = tag.trim();
            let quoted = tag.strip_prefix("W/").unwrap_or(tag);
            let opaque = quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let opaque = opaque.filter(|opaque| !opaque.contains('"')).ok_or_else(bad_if_match)?;
            let version = opaque.parse().map(Version).ok().filter(|version| format!("\"{version}\"") == tag);
            versions.push(version.unwrap_or(NEVER));
        }
    }
    Ok(versions)
}

fn bad_if_match() -> Problem {
    Problem::invalid("If-Match is an ETag of the order, such as \"3\"")
}

/// Takes the whole body, bounded in size and time, and in the bytes of all bodies together.
async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    most: usize,
    room: &mut BodyRoom,
) -> Result<Vec<u8>, Problem> {
    let headers = request.headers();
    let too_large = || Problem::new(ProblemKind::TooLarge, format!("a body is at most {most} bytes"));
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > most) {
        return Err(too_large());
    }
    let given_up = room.given_up();
    let body = tokio::select! {
        body = tokio::time::timeout(BODY_TIMEOUT, gather(payload, most, room)) => {
            body.map_err(|_| Problem::invalid("the body did not arrive in time"))??.ok_or_else(too_large)?
        }
        problem = given_up => return Err(problem),
    };
    let unsupported = |detail| Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
    if !body.is_empty() && !is_json(request.method(), headers) {
        return unsupported("send JSON with Content-Type: application/json");
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported("send the body without a Content-Encoding");
    }
    Ok(body)
}

/// Gathers a body as it arrives; nothing when it is too large. Every byte of memory is counted before it is taken.
async fn gather(mut payload: web::Payload, most: usize, room: &mut BodyRoom) -> Result<Option<Vec<u8>>, Problem> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Problem::invalid(format!("the body did not arrive whole: {error}")))?;
        let wanted = body.len() + chunk.len();
        if wanted > most {
            return Ok(None);
        }
        if wanted > body.capacity() {
            let capacity = wanted.max(2 * body.capacity()).min(most);
            room.take(capacity - body.capacity())?;
            body.reserve_exact(capacity - body.len());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Reads JSON; an absent body is an empty object. A value of the wrong type or range is named by its place.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = if body.iter().all(u8::is_ascii_whitespace) { b"{}".as_slice() } else { body };
    if let Ok(Object(parsed)) = serde_json::from_slice(text) {
        return Ok(parsed);
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, Object<T>>(deserializer) {
        Ok(_) => Err(Problem::invalid("the body goes on after its JSON value")),
        Err(error) => Err(unreadable(&error)),
    }
}

/// A pointer made longer by a name the client made up leads to the whole body instead.
const LONGEST_POINTER: usize = 256;

/// Broken JSON and unknown fields are unreadable (400); a well-formed number that no machine number holds is not (422).
fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer =
        Some(json_pointer(error.path())).filter(|pointer| pointer.len() <= LONGEST_POINTER).unwrap_or_default();
    let detail = error.inner().to_string();
    if !error.inner().is_data() && detail.starts_with("number out of range") {
        return Problem::validation(&[not_whole(&pointer)]);
    }
    let place = if pointer.is_empty() { String::new() } else { format!("{pointer}: ") };
    Problem::invalid(format!("{place}{detail}")).with("pointer", pointer.into())
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}
