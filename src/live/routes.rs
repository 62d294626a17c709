//! The two ways to listen, and who is let in.

use std::{pin::Pin, sync::Arc};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse, dev,
    error::PayloadError,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue},
    web::{Bytes, Data, Payload, ServiceConfig, get, resource},
};
use futures_util::Stream;
use ordo_actors::log::event::{Epoch, Position};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};
use uuid::Uuid;

use super::{
    client_frame::{check_snapshot, check_topic},
    event_stream,
    frame_gate::FrameGate,
    limits::FRAME_BYTES,
    live_hub::{Connection, LiveHub},
    socket,
    subscription::SubscribeRequest,
};
use crate::{
    http::{
        error::{Fault, Problem, ProblemKind},
        openapi::problems::{LiveProblems, ValidationFailed},
        query_params::{COUNTABLE, Params, QueryNumber, number},
        request_context::RequestId,
        state::AppState,
    },
    order::schema,
};

/// The bytes of a request as they arrive.
type Arriving = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// The subprotocol of the frames in docs/asyncapi.yaml.
pub const SUBPROTOCOL: &str = "ordo.v1.json";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the live handlers can reach.
pub struct LiveState {
    /// Where subscriptions come from.
    pub hub: Arc<LiveHub>,
}

/// The live part of the route table.
#[rustfmt::skip]
pub fn routes(app: &mut ServiceConfig) {
    app.service(resource("/ws").route(get().to(web_socket)))
        .service(resource("/stream").route(get().to(stream)));
}

impl LiveState {
    /// Lets a client in whose page, if it is one, comes from here or from a place that is allowed.
    fn admit(&self, request: &HttpRequest, transport: &'static str) -> Result<Connection, Problem> {
        // A browser shows a foreign page what it may not read of anything else; what comes over a socket it shows to any.
        let state = request.app_data::<Data<AppState>>();
        state.map_or(Ok(()), |state| state.guard.check_page(request.head()))?;
        let full = || Problem::new(ProblemKind::Overloaded, "there is no room for another live connection");
        self.hub.connect(transport).ok_or_else(full)
    }
}

/// The operations of this part.
#[derive(OpenApi)]
#[openapi(paths(web_socket, stream), tags((name = "live", description = "What happens, as it happens.")))]
pub struct LiveOperations;

/// Live updates over a WebSocket
///
/// Subprotocol `ordo.v1.json`: JSON text frames, many subscriptions on one socket, each resumable from a position. The frames are
/// described in AsyncAPI, in docs/asyncapi.yaml of the source.
#[utoipa::path(
    get, path = "/ws", operation_id = "webSocket", tag = "live",
    responses((status = 101, description = "The connection is a WebSocket from here on."), LiveProblems)
)]
async fn web_socket(request: HttpRequest, body: Payload, state: Data<LiveState>) -> Result<HttpResponse, Problem> {
    let connection = state.admit(&request, "ws")?;
    let invalid = |error: Error| Problem::invalid(error.to_string());
    let gate = FrameGate::new(body.into_inner());
    let mut gated = dev::Payload::Stream { payload: Box::pin(gate) as Arriving };
    let body = Payload::from_request(&request, &mut gated).await.map_err(invalid)?;
    let (response, session, messages) =
        actix_ws::handle_with_protocols(&request, body, &[SUBPROTOCOL]).map_err(invalid)?;
    let messages = messages.max_frame_size(FRAME_BYTES).aggregate_continuations().max_continuation_size(FRAME_BYTES);
    let id = RequestId::from_request(&request);
    actix_web::rt::spawn(socket::serve(Arc::clone(&state.hub), connection, session, messages, id));
    Ok(response)
}

/// The query of `GET /stream`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamParams {
    /// `orders`, `order:<id>` or `customer:<id>`.
    #[param(value_type = String, required, pattern = "^(orders|order:.+|customer:.+)$", example = "orders")]
    topic: Option<String>,
    /// Everything after this position, then what happens. From now on when absent.
    #[param(value_type = Option<schema::Position>)]
    after: Option<QueryNumber>,
    /// The log that `after` belongs to, from an earlier `hello`. Another one is told with `reset`.
    #[param(value_type = Option<schema::Id>)]
    epoch: Option<String>,
    /// Only for `order:<id>`: the order as it is now comes first, unless there is a position to resume from.
    #[param(value_type = Option<bool>, nullable = false)]
    snapshot: Option<bool>,
}

/// The header of a client that comes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct LastEventId {
    /// Sent by browsers that come back; counts more than `after`.
    #[param(rename = "Last-Event-ID", value_type = Option<schema::Position>, nullable = false)]
    pub position: Option<String>,
}

/// Live updates as Server-Sent Events
///
/// One subscription. Events are `hello` (position and epoch), `event`, `caught_up`, `fell_behind`, `snapshot`, `reset` and `error`;
/// their `id` is the position to resume from. A quiet stream sends a comment and a newer `id` as a heartbeat. It ends when the server
/// stops.
#[utoipa::path(
    get, path = "/stream", operation_id = "stream", tag = "live",
    params(StreamParams, LastEventId),
    responses(
        (status = 200, description = "A stream of events.", body = String, content_type = "text/event-stream"),
        LiveProblems, ValidationFailed,
    )
)]
async fn stream(
    request: HttpRequest,
    params: Params<StreamParams>,
    state: Data<LiveState>,
) -> Result<HttpResponse, Problem> {
    let asked = subscribe_request(&request, params.0)?;
    let connection = state.admit(&request, "sse")?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // What stands between must not wait for the end before it passes anything on.
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")));
    Ok(response.streaming(event_stream::events(&state.hub, connection, asked, RequestId::from_request(&request))))
}

/// Reads what is asked for, and names every fault. A client that comes back names its last event, which counts more than
/// where it once began.
fn subscribe_request(request: &HttpRequest, params: StreamParams) -> Result<SubscribeRequest, Problem> {
    let mut faults = Vec::new();
    let topic = check_topic(params.topic.as_deref(), place, &mut faults);
    let after = params.after.and_then(|after| number("after", after, COUNTABLE, &mut faults)).map(Position);
    let last = request.headers().get(LAST_EVENT_ID).filter(|id| !id.is_empty());
    let last = last.and_then(|id| {
        let position = id.to_str().ok().and_then(|id| id.parse().ok()).filter(|id| COUNTABLE.contains(id));
        if position.is_none() {
            faults.push(Fault { pointer: "Last-Event-ID".into(), detail: "must be a position".into() });
        }
        position.map(Position)
    });
    let epoch = params.epoch.map(|epoch| Uuid::parse_str(&epoch).map(Epoch)).transpose().unwrap_or_else(|_| {
        faults.push(Fault { pointer: place("epoch"), detail: "must be the epoch of an earlier answer, a UUID".into() });
        None
    });
    let snapshot = params.snapshot.unwrap_or(false);
    check_snapshot(snapshot, topic.as_ref(), place, &mut faults);
    match topic {
        Some(topic) if faults.is_empty() => Ok(SubscribeRequest { topic, after: last.or(after), epoch, snapshot }),
        _ => Err(Problem::validation(&faults)),
    }
}

fn place(name: &str) -> String {
    format!("?{name}")
}
