//! `/admin`: what operators ask of the read models. Every action leaves a line in the log with the request id.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use chrono::SecondsFormat;
use ordo_actors::{
    log::event::{Epoch, Position, StreamId, Version},
    projection::{ProjectionHandle, progress::ProjectionState, row_store::DeadLetter},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    command_input::CommandInput,
    error::{Problem, ProblemKind, check},
    openapi::{
        headers::Place,
        problems::{AdminProblems, NotFound, StoreProblems, ValidationFailed},
    },
    wire::{EmptyBody, SkipStreamBody},
};
use crate::{
    order::{Reason, Reference, schema},
    ordering::CommandOptions,
    read_models::Projections,
};

/// How far a projection is.
#[derive(Serialize, ToSchema)]
pub struct Projection {
    #[schema(value_type = ProjectionName)]
    name: &'static str,
    /// `standing_by`: another process runs it.
    #[schema(value_type = StateOfProjection)]
    state: &'static str,
    /// How far it has come.
    #[schema(value_type = schema::Position)]
    position: u64,
    /// How far the log reaches.
    #[schema(value_type = schema::Position)]
    head: u64,
    /// How many events it is behind.
    #[schema(value_type = schema::Count)]
    lag_events: u64,
    /// How old the oldest event is that it has not seen.
    #[schema(required, minimum = 0, value_type = Option<f64>)]
    lag_seconds: f64,
    /// Counts its rebuilds.
    #[schema(required)]
    generation: Option<u32>,
    /// Of which log its rows are.
    #[schema(required, value_type = Option<schema::Id>)]
    epoch: Option<Epoch>,
    /// How many streams are parked because an event of theirs could not be taken in.
    #[schema(value_type = schema::Count)]
    dead_letters: usize,
    /// The rebuild under way.
    #[schema(required)]
    rebuild: Option<Rebuild>,
    /// What went wrong last, if it has not been overcome.
    #[schema(required)]
    trouble: Option<String>,
}

/// A rebuild under way.
#[derive(Serialize, ToSchema)]
pub struct Rebuild {
    /// The generation that is built.
    generation: u32,
    /// How far it has come.
    #[schema(value_type = schema::Position)]
    position: Position,
}

/// A stream that a projection has parked.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct ParkedStream {
    #[schema(value_type = ProjectionName)]
    projection: &'static str,
    /// The stream that is parked.
    #[schema(value_type = schema::Id)]
    aggregate_id: StreamId,
    /// Of the event that could not be taken in.
    #[schema(value_type = schema::Version)]
    version: Version,
    /// Of that event.
    #[schema(value_type = schema::EventPosition)]
    position: Position,
    /// Why it could not be taken in.
    reason: String,
    /// How often it was tried.
    #[schema(value_type = schema::Count)]
    attempts: u32,
    /// Null while it waits for somebody.
    #[schema(required)]
    skipped: Option<SkippedBy>,
}

/// Who decided that the projection does without it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterSkip)]
pub struct SkippedBy {
    /// Who.
    #[schema(value_type = Reference)]
    by: String,
    /// Why.
    #[schema(value_type = Reason)]
    reason: String,
    /// When.
    #[schema(value_type = schema::Time)]
    at: String,
}

/// What came of trying a stream again.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterRetry)]
pub struct Retried {
    /// Whether the stream is in the rows now.
    freed: bool,
}

/// A read model.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ProjectionName {
    /// Orders that have not ended.
    CurrentOrders,
    /// Orders that have.
    OrderHistory,
    /// Customers and their orders.
    CustomerOrders,
    /// Products.
    InventoryDemand,
    /// Sagas.
    Sagas,
}

/// Where a projection is.
#[derive(ToSchema)]
#[schema(as = ProjectionState, rename_all = "snake_case")]
pub enum StateOfProjection {
    /// It has not begun.
    Starting,
    /// It reads the log.
    CatchingUp,
    /// It follows the log.
    Live,
    /// Another process runs it.
    StandingBy,
}

/// How far the read models are
#[utoipa::path(
    get, path = "/admin/projections", operation_id = "listProjections", tag = "operations",
    responses((status = 200, description = "All of them.", body = [Projection]))
)]
pub async fn projections(projections: Data<Projections>) -> HttpResponse {
    HttpResponse::Ok().json(projections.handles.iter().map(show).collect::<Vec<_>>())
}

/// How far a read model is
#[utoipa::path(
    get, path = "/admin/projections/{name}", operation_id = "getProjection", tag = "operations", params(ProjectionInPath),
    responses((status = 200, description = "How far it is.", body = Projection), NotFound)
)]
pub async fn projection(projections: Data<Projections>, name: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(show(named(&projections, &name)?)))
}

/// Build a read model anew
///
/// Beside the one that serves, which is replaced when the new one has caught up.
#[utoipa::path(
    post, path = "/admin/projections/{name}/rebuild", operation_id = "rebuildProjection", tag = "operations",
    params(ProjectionInPath), request_body = EmptyBody,
    responses(
        (
            status = 202, description = "It has begun; look at `Location` for the progress.", body = Projection,
            headers(("Location" = inline(Place), description = "Where the progress is shown."))
        ),
        AdminProblems,
    )
)]
pub async fn rebuild(
    projections: Data<Projections>,
    name: Path<String>,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let projection = named(&projections, &name)?;
    no_dry_run(&input.options)?;
    if !projection.rebuild().await {
        return Err(Problem::new(
            ProblemKind::StateConflict,
            "it is being rebuilt already, or another process runs it",
        ));
    }
    log::info!(request_id = input.request_id; "{}: a rebuild was asked for", projection.name());
    let place = format!("/admin/projections/{}", projection.name());
    Ok(HttpResponse::Accepted().insert_header(("Location", place)).json(show(projection)))
}

/// Streams that read models have parked
#[utoipa::path(
    get, path = "/admin/dead-letters", operation_id = "listDeadLetters", tag = "operations",
    responses((status = 200, description = "All of them.", body = [ParkedStream]), StoreProblems)
)]
pub async fn dead_letters(projections: Data<Projections>) -> Result<HttpResponse, Problem> {
    let mut letters = Vec::new();
    for projection in &projections.handles {
        let Some(checkpoint) = projection.progress().checkpoint else { continue };
        let parked = projections.models.rows.dead_letters(projection.name(), checkpoint.generation).await?;
        letters.extend(parked.iter().map(|letter| show_letter(projection.name(), letter)));
    }
    Ok(HttpResponse::Ok().json(letters))
}

/// Try a parked stream again
#[utoipa::path(
    post, path = "/admin/dead-letters/{name}/{id}/retry", operation_id = "retryDeadLetter", tag = "operations",
    params(ProjectionInPath, StreamInPath), request_body = EmptyBody,
    responses((status = 200, description = "It was tried.", body = Retried), AdminProblems)
)]
pub async fn retry(
    projections: Data<Projections>,
    path: Path<(String, String)>,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let projection = named(&projections, &path.0)?;
    let stream = stream_id(&path.1)?;
    no_dry_run(&input.options)?;
    let freed = projection.retry(stream).await?;
    log::info!(request_id = input.request_id; "{}: {stream} was tried again", projection.name());
    Ok(HttpResponse::Ok().json(Retried { freed }))
}

/// Do without a parked stream
///
/// Notes who decided that the read model does without the rest of the stream, and why. The stream stays parked, out of the rows, and
/// listed; it no longer counts as waiting for somebody, and a rebuild keeps the note. Skipping it again changes nothing: the answer
/// names who skipped it first. It can still be tried again.
#[utoipa::path(
    post, path = "/admin/dead-letters/{name}/{id}/skip", operation_id = "skipDeadLetter", tag = "operations",
    params(ProjectionInPath, StreamInPath), request_body = SkipStreamBody,
    responses((status = 200, description = "It is skipped.", body = ParkedStream), AdminProblems, ValidationFailed)
)]
pub async fn skip(
    projections: Data<Projections>,
    path: Path<(String, String)>,
    input: CommandInput<SkipStreamBody>,
) -> Result<HttpResponse, Problem> {
    let projection = named(&projections, &path.0)?;
    let stream = stream_id(&path.1)?;
    no_dry_run(&input.options)?;
    let mut faults = Vec::new();
    let reason = check("/reason", Reason::new(&input.body.reason), &mut faults);
    let by = check("/skipped_by", Reference::new(&input.body.skipped_by), &mut faults);
    let (Some(reason), Some(by)) = (reason, by) else { return Err(Problem::validation(&faults)) };
    let letter = projection.skip(stream, by.to_string(), reason.to_string()).await?;
    let letter = letter.ok_or_else(|| Problem::not_found("this stream is not parked"))?;
    log::info!(request_id = input.request_id; "{}: {stream} is skipped by {by}: {reason}", projection.name());
    Ok(HttpResponse::Ok().json(show_letter(projection.name(), &letter)))
}

fn no_dry_run(options: &CommandOptions) -> Result<(), Problem> {
    if options.dry_run {
        return Err(Problem::invalid("this decides nothing that could be tried out: leave dry_run away"));
    }
    Ok(())
}

fn stream_id(text: &str) -> Result<StreamId, Problem> {
    Uuid::parse_str(text).map(StreamId).map_err(|_| Problem::invalid("the id of a stream is a UUID"))
}

fn show_letter(projection: &'static str, letter: &DeadLetter) -> ParkedStream {
    ParkedStream {
        projection,
        aggregate_id: letter.stream,
        version: letter.version,
        position: letter.position,
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        skipped: letter.skipped.as_ref().map(|skip| SkippedBy {
            by: skip.by.clone(),
            reason: skip.reason.clone(),
            at: skip.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        }),
    }
}

/// The read model in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ProjectionInPath {
    /// The read model.
    #[param(value_type = String, example = "current_orders")]
    pub name: String,
}

/// The stream in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct StreamInPath {
    /// The stream.
    #[param(value_type = schema::Id, example = "0192e4a0-7c1d-7000-8000-00000000c0de")]
    pub id: String,
}

fn named<'a>(projections: &'a Projections, name: &str) -> Result<&'a ProjectionHandle, Problem> {
    projections.named(name).ok_or_else(|| Problem::not_found("there is no projection of this name"))
}

fn show(projection: &ProjectionHandle) -> Projection {
    let progress = projection.progress();
    let position = progress.checkpoint.map_or(0, |checkpoint| checkpoint.position.0);
    let state = match progress.state {
        ProjectionState::Starting => "starting",
        ProjectionState::CatchingUp => "catching_up",
        ProjectionState::Live => "live",
        ProjectionState::StandingBy => "standing_by",
    };
    Projection {
        name: projection.name(),
        state,
        position,
        head: progress.head.0,
        lag_events: progress.head.0.saturating_sub(position),
        lag_seconds: progress.lag_seconds,
        generation: progress.checkpoint.map(|checkpoint| checkpoint.generation),
        epoch: progress.checkpoint.map(|checkpoint| checkpoint.epoch),
        dead_letters: progress.parked_streams,
        rebuild: progress.rebuild.map(|rebuild| Rebuild { generation: rebuild.generation, position: rebuild.position }),
        trouble: progress.trouble,
    }
}
