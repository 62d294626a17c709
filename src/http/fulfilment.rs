//! `/orders/{id}/fulfill` and `/orders/{id}/saga`, and what a saga means to the other commands: an order is moved by hand or by
//! its saga, never by both.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, LOCATION},
    web::Data,
};
use ordo_actors::{
    aggregate::{
        rehydrate::{Loaded, Until, rehydrate},
        request::{Answered, CommandOutcome, Failure, Intent, Request, always},
    },
    log::{
        event::{StreamId, Version},
        store::{ExpectedVersion, StreamWrite},
    },
    saga::{SagaCommand, SagaDefinition, SagaState, context::SagaRefusal, effects::start_write},
};
use serde::{Deserialize, Serialize};

use super::{
    answer::{
        IDEMPOTENCY_REPLAYED, OrderAnswer, SagaStanding, Success, X_POSITION, render, respond, saga_path, taken_in_hand,
    },
    command_input::{CommandInput, CommandOptions},
    error::{Problem, ProblemKind},
    orders::{OrderPath, run},
    pagination::at_least,
    query_params::{Params, QueryNumber},
    state::AppState,
    wire::EmptyBody,
};
use crate::{
    fulfilment::{Fulfilment, FulfilmentSaga, SagaView, fulfilment_of, saga_of},
    order::{Order, OrderCommand, OrderState, Reason, Reference},
};

/// How long a command waits for a saga when the client does not say, and at most.
const WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Events of a saga read at a time.
const PAGE: usize = 200;

/// A saga that has just been started, with its first step.
pub const JUST_STARTED: Version = Version(2);

/// `POST /orders/{id}/fulfill`
pub async fn fulfill(
    state: Data<AppState>,
    request: HttpRequest,
    order: OrderPath,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let (wait, options, saga_id) = (prefer_wait(&request)?, input.options, saga_of(order.0));
    let known = look(&state, saga_id).await?;
    if options.dry_run && known.is_none() {
        return try_to_begin(&state, order.0, options).await;
    }
    let replayed = was_used(&state, &options).await?;
    let mut begun_at = None;
    if known.is_none() {
        match begin(&state, order.0, &options, Success::Fulfilling).await? {
            Begun::Started(_) => begun_at = Some(JUST_STARTED),
            Begun::ByAnother => {}
            Begun::Refused(answered) => return respond(&state, answered).await,
        }
    }
    let standing = wait_settled(&state, saga_id, begun_at, wait).await?;
    let mut response = if standing.has_ended() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    if !standing.has_ended() {
        response.insert_header((LOCATION, saga_path(saga_id)));
    }
    if replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    response.insert_header((X_POSITION, state.feed.head().0));
    Ok(response.json(SagaStanding { saga_id, saga_state: standing }))
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
    let found = match find(&state, id.0).await? {
        Some(saga) => Some((id.0, saga)),
        None => look(&state, saga_of(id.0)).await?.map(|saga| (saga_of(id.0), saga)),
    };
    let view = found.as_ref().and_then(|(id, saga)| SagaView::of(*id, &saga.state));
    let view = view.ok_or_else(|| Problem::not_found("no saga has this id, and no order of this id was fulfilled"))?;
    Ok(HttpResponse::Ok().insert_header((X_POSITION, state.feed.head().0)).json(view))
}

/// `POST /orders/{id}/submit` when that starts the fulfilment: answers at once.
pub async fn submit_and_fulfil(
    state: &AppState,
    order: StreamId,
    options: CommandOptions,
) -> Result<HttpResponse, Problem> {
    match begin(state, order, &options, Success::Submitted).await? {
        Begun::Started(answered) => {
            ensure_running(state, saga_of(order), Some(JUST_STARTED)).await;
            respond(state, answered).await
        }
        Begun::Refused(answered) => respond(state, answered).await,
        Begun::ByAnother => run(state, order, OrderCommand::SubmitOrder, options, Success::Order).await,
    }
}

/// A step of those who run without a saga; refused while one is at work.
pub async fn manual_step(
    state: &AppState,
    order: StreamId,
    command: OrderCommand,
    options: CommandOptions,
) -> Result<HttpResponse, Problem> {
    if let Some(answered) = unless_saga(state, order, &command, &options).await? {
        return respond(state, answered).await;
    }
    match find(state, saga_of(order)).await? {
        Some(saga) if !saga.state.state().has_ended() => {
            let seen = observe(state, order, &options).await?;
            Err(saga_at_work(seen.state, saga_of(order), saga.state.state()))
        }
        _ => run(state, order, command, options, Success::Order).await,
    }
}

/// Cancels an order, by its saga when there is one at work.
pub async fn cancel_order(
    state: &AppState,
    order: StreamId,
    request: &HttpRequest,
    reason: Reason,
    cancelled_by: Option<Reference>,
    options: CommandOptions,
) -> Result<HttpResponse, Problem> {
    let wait = prefer_wait(request)?;
    let by_saga = SagaCommand::Cancel {
        reason: reason.to_string(),
        requested_by: cancelled_by.as_ref().map(ToString::to_string),
    };
    let command = OrderCommand::CancelOrder { reason, cancelled_by };
    if let Some(answered) = unless_saga(state, order, &command, &options).await? {
        return respond(state, answered).await;
    }
    let saga_id = saga_of(order);
    let at_work = find(state, saga_id).await?.is_some_and(|saga| !saga.state.state().has_ended());
    if options.dry_run || !at_work {
        return run(state, order, command, options, Success::Order).await;
    }
    let seen = observe(state, order, &options).await?;
    if seen.is_elsewhere {
        return Err(Problem::version(seen.version));
    }
    match state.sagas.ask(saga_id, by_saga).await {
        Ok(_) => {}
        // It has come to its end meanwhile: the order says what that means.
        Err(SagaRefusal::Rejected(_)) => return run(state, order, command, options, Success::Order).await,
        Err(SagaRefusal::Failed(failure)) => return Err(failure.into()),
    }
    let standing = wait_settled(state, saga_id, None, wait).await?;
    let success = if standing.has_ended() { Success::Order } else { Success::Cancelling };
    let looking = Request::new(Intent::Read, render(order, success, options.request_id.clone()));
    respond(state, state.ask(order, looking).await?).await
}

/// What starting the fulfilment would come to.
async fn try_to_begin(state: &AppState, order: StreamId, options: CommandOptions) -> Result<HttpResponse, Problem> {
    if let Some(problem) = taken_in_hand(observe(state, order, &options).await?.state) {
        return Err(problem);
    }
    run(state, order, OrderCommand::SubmitOrder, options, Success::DryRun).await
}

/// How the start of a fulfilment went.
enum Begun {
    /// It was started.
    Started(Answered<OrderAnswer>),
    /// Somebody else was faster.
    ByAnother,
    /// The order says no.
    Refused(Answered<OrderAnswer>),
}

/// Submits an order and starts its saga, in one commit: from a draft with items, or a submitted order. The plan is made of the
/// state that the order decides on.
async fn begin(
    state: &AppState,
    order: StreamId,
    options: &CommandOptions,
    success: Success,
) -> Result<Begun, Problem> {
    let request = Request {
        if_version: options.if_version.clone(),
        idempotency: options.idempotency.clone(),
        metadata: options.metadata(),
        extra_writes: Some(Box::new(move |state, _| started(saga_of(order), fulfilment_of(order, state)))),
        ..Request::execute(OrderCommand::SubmitOrder, render(order, success, options.request_id.clone()))
    };
    match state.ask_or_fail(order, request).await? {
        Ok(answered) if answered.answer.saga().is_some() => Ok(Begun::Started(answered)),
        // What a saga has moved on says no to whoever would start one.
        Ok(_) if look(state, saga_of(order)).await?.is_some() => Ok(Begun::ByAnother),
        Ok(answered) => Ok(Begun::Refused(answered)),
        Err(failure) if lost_to_saga(state, order, &failure).await? => {
            // Unless it was lost to something else in the saga's place.
            look(state, saga_of(order)).await?;
            Ok(Begun::ByAnother)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Where an order is.
#[derive(Debug, Serialize, Deserialize)]
struct OrderSnapshot {
    version: Version,
    /// Not at a version the client demanded.
    is_elsewhere: bool,
    /// Nothing when nobody has created it.
    state: Option<OrderState>,
}

/// Looks at an order.
async fn observe(state: &AppState, order: StreamId, options: &CommandOptions) -> Result<OrderSnapshot, Problem> {
    let show = move |outcome: &CommandOutcome<'_, Order>| match outcome {
        CommandOutcome::Accepted { state, version, .. } | CommandOutcome::Rejected { state, version, .. } => {
            OrderSnapshot { version: *version, is_elsewhere: false, state: state.state() }
        }
        CommandOutcome::VersionMismatch { state, version } => {
            OrderSnapshot { version: *version, is_elsewhere: true, state: state.state() }
        }
    };
    let looking = Request { if_version: options.if_version.clone(), ..Request::read(show) };
    Ok(state.ask(order, looking).await?.answer)
}

/// The write that starts a saga, if there is one to start.
pub fn started(saga_id: StreamId, plan: Option<Fulfilment>) -> Result<Vec<StreamWrite>, Failure> {
    Ok(plan.map(|plan| start_write(saga_id, plan)).transpose()?.into_iter().collect())
}

/// Runs a command in a commit that demands that the order has no saga; nothing when it has one.
async fn unless_saga(
    state: &AppState,
    order: StreamId,
    command: &OrderCommand,
    options: &CommandOptions,
) -> Result<Option<Answered<OrderAnswer>>, Problem> {
    if options.dry_run {
        return Ok(None);
    }
    let no_saga = StreamWrite {
        stream: saga_of(order),
        aggregate_type: Fulfilment::TYPE.into(),
        expected: ExpectedVersion::NoStream,
        events: Vec::new(),
        snapshot: None,
    };
    let request = Request {
        if_version: options.if_version.clone(),
        idempotency: options.idempotency.clone(),
        metadata: options.metadata(),
        extra_writes: Some(always(vec![no_saga])),
        ..Request::execute(command.clone(), render(order, Success::Order, options.request_id.clone()))
    };
    match state.ask_or_fail(order, request).await? {
        Ok(answered) => Ok(Some(answered)),
        Err(failure) if lost_to_saga(state, order, &failure).await? => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// Whether a commit that demanded that there is no saga failed because there is one. Those behind it in its group lose with it,
/// perhaps again and again.
async fn lost_to_saga(state: &AppState, order: StreamId, failure: &Failure) -> Result<bool, Problem> {
    match failure {
        Failure::ExtraWriteConflict { .. } => Ok(true),
        Failure::Contended(_) => Ok(look(state, saga_of(order)).await?.is_some()),
        _ => Ok(false),
    }
}

/// Reads the saga of an id of ours; nothing when it has not been started. Refuses when something else is there: a log that is
/// older than the rule that nobody may choose such an id.
pub async fn look(state: &AppState, saga_id: StreamId) -> Result<Option<Loaded<FulfilmentSaga>>, Problem> {
    match rehydrate::<FulfilmentSaga>(state.store.as_ref(), saga_id, Until::Now, PAGE).await {
        Ok(saga) => Ok(Some(saga).filter(|saga| saga.version != Version::NONE)),
        Err(Failure::OtherType(_)) => Err(taken(saga_id)),
        Err(failure) => Err(failure.into()),
    }
}

/// Reads a saga by an id that a client named, or for those who do without one; nothing when the id is not that of one.
pub async fn find(state: &AppState, named: StreamId) -> Result<Option<Loaded<FulfilmentSaga>>, Problem> {
    match look(state, named).await {
        Err(problem) if problem.kind == ProblemKind::StateConflict => Ok(None),
        found => found,
    }
}

fn taken(saga_id: StreamId) -> Problem {
    let detail = "the order cannot be fulfilled: another stream has the id of its saga";
    Problem::new(ProblemKind::StateConflict, detail).with("saga_id", saga_id.to_string().into())
}

/// Has a saga run. When it cannot be now, it is found in the durable index later.
pub async fn ensure_running(state: &AppState, saga_id: StreamId, begun_at: Option<Version>) {
    if let Err(failure) = state.sagas.ensure_running(saga_id, begun_at).await {
        log::warn!(saga = saga_id.to_string(); "a saga waits to be run: {failure}");
    }
}

/// Has a saga run and waits until it rests; tells where it is.
async fn wait_settled(
    state: &AppState,
    saga_id: StreamId,
    begun_at: Option<Version>,
    wait: Duration,
) -> Result<SagaState, Problem> {
    match state.sagas.ensure_running(saga_id, begun_at).await {
        Ok(attended) => {
            if let Ok(Some(rested)) = tokio::time::timeout(wait, attended.settled()).await {
                return Ok(rested);
            }
        }
        Err(failure) => log::warn!(saga = saga_id.to_string(); "a saga waits to be run: {failure}"),
    }
    let saga = look(state, saga_id).await?;
    Ok(saga.map_or(SagaState::Absent, |saga| saga.state.state()))
}

/// Whether the key of a request was used before, for this very request.
async fn was_used(state: &AppState, options: &CommandOptions) -> Result<bool, Problem> {
    let Some(used) = &options.idempotency else { return Ok(false) };
    match state.store.idempotency(&used.key).await? {
        Some(record) if record.fingerprint != used.fingerprint => Err(Failure::KeyReused.into()),
        record => Ok(record.is_some()),
    }
}

fn saga_at_work(order: Option<OrderState>, saga_id: StreamId, saga: SagaState) -> Problem {
    let detail = format!("the order is being fulfilled; its saga is {saga}. Cancel the order, or wait");
    Problem::new(ProblemKind::StateConflict, detail)
        .with("state", order.map(OrderState::name).into())
        .with("saga_id", saga_id.to_string().into())
        .with("saga_state", saga.name().into())
}

/// `Prefer: wait=N` or `Prefer: respond-async` (RFC 7240): how long the client wants to wait.
fn prefer_wait(request: &HttpRequest) -> Result<Duration, Problem> {
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
