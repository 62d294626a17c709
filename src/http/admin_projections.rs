//! `/admin`: what operators ask of the read models. Every action leaves a line in the log with the request id.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use chrono::SecondsFormat;
use ordo_actors::{
    log::event::StreamId,
    projection::{ProjectionHandle, progress::ProjectionState, row_store::DeadLetter},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    command_input::CommandInput,
    error::{Problem, ProblemKind, check},
    wire::{EmptyBody, SkipStreamBody},
};
use crate::{
    order::{Reason, Reference},
    ordering::CommandOptions,
    read_models::Projections,
};

/// `GET /admin/projections`
pub async fn projections(projections: Data<Projections>) -> HttpResponse {
    HttpResponse::Ok().json(projections.handles.iter().map(show).collect::<Vec<_>>())
}

/// `GET /admin/projections/{name}`
pub async fn projection(projections: Data<Projections>, name: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(show(named(&projections, &name)?)))
}

/// `POST /admin/projections/{name}/rebuild`: 202, and the progress under `Location`.
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

/// `GET /admin/dead-letters`
pub async fn dead_letters(projections: Data<Projections>) -> Result<HttpResponse, Problem> {
    let mut letters = Vec::new();
    for projection in &projections.handles {
        let Some(checkpoint) = projection.progress().checkpoint else { continue };
        let parked = projections.models.rows.dead_letters(projection.name(), checkpoint.generation).await?;
        letters.extend(parked.iter().map(|letter| show_letter(projection.name(), letter)));
    }
    Ok(HttpResponse::Ok().json(letters))
}

/// `POST /admin/dead-letters/{name}/{id}/retry`: whether the stream is in the rows now.
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
    Ok(HttpResponse::Ok().json(json!({"freed": freed})))
}

/// `POST /admin/dead-letters/{name}/{id}/skip`: the dead letter, with who skipped it first.
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

fn show_letter(projection: &str, letter: &DeadLetter) -> Value {
    json!({
        "projection": projection,
        "aggregate_id": letter.stream,
        "version": letter.version,
        "position": letter.position,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "skipped": letter.skipped.as_ref().map(|skip| json!({
            "by": skip.by,
            "reason": skip.reason,
            "at": skip.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        })),
    })
}

fn named<'a>(projections: &'a Projections, name: &str) -> Result<&'a ProjectionHandle, Problem> {
    projections.named(name).ok_or_else(|| Problem::not_found("there is no projection of this name"))
}

fn show(projection: &ProjectionHandle) -> Value {
    let progress = projection.progress();
    let position = progress.checkpoint.map_or(0, |checkpoint| checkpoint.position.0);
    let state = match progress.state {
        ProjectionState::Starting => "starting",
        ProjectionState::CatchingUp => "catching_up",
        ProjectionState::Live => "live",
        ProjectionState::StandingBy => "standing_by",
    };
    json!({
        "name": projection.name(),
        "state": state,
        "position": position,
        "head": progress.head,
        "lag_events": progress.head.0.saturating_sub(position),
        "lag_seconds": progress.lag_seconds,
        "generation": progress.checkpoint.map(|checkpoint| checkpoint.generation),
        "epoch": progress.checkpoint.map(|checkpoint| checkpoint.epoch),
        "dead_letters": progress.parked_streams,
        "rebuild": progress.rebuild.map(|rebuild| json!({"generation": rebuild.generation, "position": rebuild.position})),
        "trouble": progress.trouble,
    })
}
