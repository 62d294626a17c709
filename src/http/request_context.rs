//! What every request gets: an id, a problem in the right shape when it fails, a line in the log, a count in the metrics.

use std::{sync::atomic::Ordering, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method, StatusCode,
        header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use uuid::Uuid;

use super::{
    answer_budget,
    error::{Problem, ProblemKind},
    state::AppState,
};
use crate::{guard::headers, import::IMPORTED};

/// The header that carries the request id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the client's own when it sent a fit one (1 to 64 visible ASCII characters), else a new UUID.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    fn of(request: &ServiceRequest) -> Self {
        let sent = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent {
            // What an import wrote is known by its mark: nobody else may write it.
            Some(id) if id.starts_with(IMPORTED) => Self(Uuid::now_v7().to_string()),
            Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Self(id.to_owned())
            }
            _ => Self(Uuid::now_v7().to_string()),
        }
    }

    /// The id that the middleware gave this request.
    #[must_use]
    pub fn from_request(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

/// The middleware around every request.
pub async fn wrap<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
    let started = Instant::now();
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let state = request.app_data::<Data<AppState>>().cloned();
    let (mut response, problem) = match state.as_ref().map_or(Ok(()), |state| state.admit(request.head())) {
        // Routing needs the request to itself: whoever keeps a copy of it here makes it panic.
        Ok(()) => {
            let response = next.call(request).await?;
            let response = match &state {
                Some(state) => answer_budget::hold(response, &state.answers),
                None => response.map_into_boxed_body(),
            };
            shape(response, &id)
        }
        Err(problem) => {
            // The web server takes up what has come of the body meanwhile. With a body that is not done it would have to close the
            // connection after the answer, and a new one costs more than the answer.
            tokio::task::yield_now().await;
            let refused = ServiceResponse::new(request.into_parts().0, problem.respond(&id));
            (refused.map_into_right_body(), Some(problem))
        }
    };
    if state.as_ref().is_some_and(|state| state.draining.load(Ordering::Relaxed)) && !response.response().upgrade() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let method = response.request().method().clone();
    headers::complete(&method, response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    note(&response, &id, started, problem.as_ref(), state.as_ref().map(|state| &***state));
    Ok(response)
}

/// Gives an error the shape of a problem, which comes with it; anything else passes.
fn shape<B: MessageBody>(
    response: ServiceResponse<B>,
    id: &RequestId,
) -> (ServiceResponse<EitherBody<B>>, Option<Problem>) {
    let status = response.status();
    let problem = match response.response().error() {
        Some(error) => problem_of(error),
        None if status == StatusCode::NOT_FOUND && !has_body_type(&response) => {
            Problem::not_found("there is nothing at this path")
        }
        None if status == StatusCode::METHOD_NOT_ALLOWED && *response.request().method() == Method::OPTIONS => {
            return (methods(response), None);
        }
        None if status == StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(ProblemKind::MethodNotAllowed, "this path does not take this method")
        }
        None => return (response.map_into_left_body(), None),
    };
    let (request, raised) = response.into_parts();
    let mut shaped = problem.respond(id);
    // What the layers below have said of it besides: the methods of the path, who may read it.
    for (name, value) in raised.headers().iter().filter(|(name, _)| *name != CONTENT_TYPE) {
        shaped.headers_mut().append(name.clone(), value.clone());
    }
    (ServiceResponse::new(request, shaped).map_into_right_body(), Some(problem))
}

/// OPTIONS: the methods of this path, and nothing else.
fn methods<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let allow =
        response.headers().get_all(ALLOW).filter_map(|allow| allow.to_str().ok()).collect::<Vec<_>>().join(", ");
    let (request, _) = response.into_parts();
    let answer = HttpResponse::NoContent().insert_header((ALLOW, format!("{allow}, OPTIONS"))).finish();
    ServiceResponse::new(request, answer).map_into_right_body()
}

fn has_body_type<B>(response: &ServiceResponse<B>) -> bool {
    response.headers().contains_key(CONTENT_TYPE)
}

/// Our own problems as they are; what the framework raises, by its status.
fn problem_of(error: &Error) -> Problem {
    if let Some(problem) = error.as_error::<Problem>() {
        return problem.clone();
    }
    match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => Problem::not_found("there is nothing at this path"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(ProblemKind::TooLarge, "the body is too large"),
        status if status.is_client_error() => Problem::invalid(error.to_string()),
        _ => Problem::new(ProblemKind::Internal, "the request could not be served"),
    }
}

impl Problem {
    fn respond(&self, id: &RequestId) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Some(header) = self.headers() {
            response.insert_header(header);
        }
        response.insert_header((CONTENT_TYPE, "application/problem+json")).body(self.body(&id.0))
    }
}

fn note<B>(
    response: &ServiceResponse<B>,
    id: &RequestId,
    started: Instant,
    problem: Option<&Problem>,
    state: Option<&AppState>,
) {
    let status = response.status();
    let elapsed = started.elapsed();
    if let Some(state) = state {
        let route = response.request().match_pattern();
        state.http_metrics.observe(response.request().method(), route.as_deref(), status, elapsed);
    }
    let level = if is_told(status, problem, state) { log::Level::Warn } else { log::Level::Debug };
    if log::log_enabled!(level) {
        let request = response.request();
        let cause = problem.and_then(|problem| problem.cause.as_deref());
        log::log!(level, request_id = id.0.as_str(), status = status.as_u16(), micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            "{} {}{}{}", request.method(), request.path(), if cause.is_some() { ": " } else { "" }, cause.unwrap_or_default());
    }
}

/// Whether an answer has a line of its own: the first of a second that tells of this server what its operator does not know. All
/// of them are counted.
fn is_told(status: StatusCode, problem: Option<&Problem>, state: Option<&AppState>) -> bool {
    let kind = problem.map(|problem| problem.kind);
    if !status.is_server_error() || kind == Some(ProblemKind::PositionNotReached) {
        return false;
    }
    let first = state.is_none_or(|state| state.fault_tally.count(kind));
    first && kind.is_none_or(ProblemKind::is_worth_a_line)
}
