//! `/admin/sagas`: what operators see of the sagas, and what they decide when one is stuck. Every action is an event of the saga,
//! with the operator's name.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use ordo_actors::{
    aggregate::Aggregate,
    log::event::StreamId,
    projection::row_store::{Condition, Page, Row, Value},
    saga::{SagaCommand, SagaRejection, SagaState, context::SagaRefusal},
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    answer::X_POSITION,
    command_input::CommandInput,
    error::{Problem, ProblemKind, check},
    openapi::{
        ListOf,
        parameters::{DryRun, SagaInPath},
        problems::{ReadProblems, SagaProblems},
    },
    pagination::{MOST_ROWS, Paging, array, fault, limit_schema, read_live, wait_until},
    query_params::{Params, QueryNumber},
    state::AppState,
    wire::{NoteBody, RetryBody, SkipBody},
};
use crate::{
    fulfilment::{Fulfilment, SagaView, schema as saga_schema},
    order::{Reason, Reference, schema},
    read_models::{ReadModelKind, ReadModels, tables::SAGAS},
};

/// The states in the order in which operators want to see them.
const BY_ATTENTION: [SagaState; 5] =
    [SagaState::Stuck, SagaState::Compensating, SagaState::Running, SagaState::Failed, SagaState::Completed];

/// The query of `GET /admin/sagas`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SagaListParams {
    /// Only sagas in this state.
    #[param(value_type = Option<saga_schema::SagaState>)]
    state: Option<String>,
    /// At most so many.
    #[param(schema_with = limit_schema)]
    limit: Option<QueryNumber>,
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

/// Sagas, as many as fit.
pub type SagaPage = ListOf<SagaView<'static>, MOST_ROWS>;

/// Sagas, those that need an operator first
///
/// The stuck ones, then those that undo, those that run, and those that have ended; of each state those first to which nothing has
/// happened for longest.
#[utoipa::path(
    get, path = "/admin/sagas", operation_id = "listSagas", tag = "operations", params(SagaListParams),
    responses(
        (status = 200, description = "The sagas.", body = inline(SagaPage), headers(("X-Position"))),
        ReadProblems,
    )
)]
pub async fn list(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<SagaListParams>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    let mut faults = Vec::new();
    let paging = Paging::read(params.limit, None, params.min_position, &mut faults);
    let asked = params.state.map(|name| BY_ATTENTION.into_iter().find(|state| state.name() == name));
    if asked == Some(None) {
        faults.push(fault("state", format!("must be one of {}", BY_ATTENTION.map(SagaState::name).join(", "))));
    }
    if !faults.is_empty() {
        return Err(Problem::validation(&faults));
    }
    let states = asked.flatten().map_or(BY_ATTENTION.to_vec(), |state| vec![state]);
    let progress = models.progress(ReadModelKind::Sagas);
    wait_until(&state, progress, paging.at_least).await?;
    let (found, position) = read_live(progress, async |generation| {
        let mut found: Vec<Row> = Vec::new();
        for state in &states {
            let left = paging.limit - found.len();
            if left > 0 {
                found.extend(models.rows.page(&page(*state, generation, left)).await?);
            }
        }
        Ok(found)
    })
    .await?;
    let doc = SAGAS.column("doc");
    let documents = found.iter().filter_map(|row| match row.get(doc) {
        Some(Value::Text(doc)) => Some(doc.as_ref()),
        Some(Value::Int(_)) | None => None,
    });
    Ok(array(documents, position, None))
}

fn page(state: SagaState, generation: u32, limit: usize) -> Page {
    Page {
        table: &SAGAS,
        generation,
        conditions: vec![Condition::Is(SAGAS.column("state"), Value::Text(state.name().into()))],
        order_by: SAGAS.column("updated_at"),
        descending: false,
        after: None,
        limit,
    }
}

/// Try the step again that a saga is stuck at
///
/// With the same key, or with another one when the partner refused the first.
#[utoipa::path(
    post, path = "/admin/sagas/{id}/retry", operation_id = "retrySaga", tag = "operations", params(SagaInPath, DryRun),
    request_body = RetryBody,
    responses(
        (
            status = 200, description = "The saga after it; as it would be, after a dry run.", body = SagaView<'static>,
            headers(("X-Position"))
        ),
        SagaProblems,
    )
)]
pub async fn retry(
    state: Data<AppState>,
    id: Path<String>,
    input: CommandInput<RetryBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let by = check("/by", Reference::new(&input.body.by), &mut faults);
    let Some(by) = by else { return Err(Problem::validation(&faults)) };
    act(&state, &id, SagaCommand::Retry { by: by.to_string() }, input.options.dry_run).await
}

/// Go on without the step that a saga is stuck at
///
/// It was taken care of otherwise. An undo counts as undone; a refund that was skipped ends its saga.
#[utoipa::path(
    post, path = "/admin/sagas/{id}/skip", operation_id = "skipStep", tag = "operations", params(SagaInPath, DryRun),
    request_body = SkipBody,
    responses(
        (
            status = 200, description = "The saga after it; as it would be, after a dry run.", body = SagaView<'static>,
            headers(("X-Position"))
        ),
        SagaProblems,
    )
)]
pub async fn skip(
    state: Data<AppState>,
    id: Path<String>,
    input: CommandInput<SkipBody>,
) -> Result<HttpResponse, Problem> {
    let (by, reason) = by_and_reason(&input.body)?;
    act(&state, &id, SagaCommand::Skip { by, reason }, input.options.dry_run).await
}

/// Undo all that a saga has done
///
/// As a cancellation does, and in the name of an operator.
#[utoipa::path(
    post, path = "/admin/sagas/{id}/force-compensate", operation_id = "forceCompensate", tag = "operations", params(SagaInPath, DryRun),
    request_body = SkipBody,
    responses(
        (
            status = 200, description = "The saga after it; as it would be, after a dry run.", body = SagaView<'static>,
            headers(("X-Position"))
        ),
        SagaProblems,
    )
)]
pub async fn force_compensate(
    state: Data<AppState>,
    id: Path<String>,
    input: CommandInput<SkipBody>,
) -> Result<HttpResponse, Problem> {
    let (by, reason) = by_and_reason(&input.body)?;
    act(&state, &id, SagaCommand::ForceCompensate { by, reason }, input.options.dry_run).await
}

/// Leave a note in the stream of a saga
///
/// Changes nothing else.
#[utoipa::path(
    post, path = "/admin/sagas/{id}/annotate", operation_id = "annotateSaga", tag = "operations", params(SagaInPath, DryRun),
    request_body = NoteBody,
    responses(
        (
            status = 200, description = "The saga after it; as it would be, after a dry run.", body = SagaView<'static>,
            headers(("X-Position"))
        ),
        SagaProblems,
    )
)]
pub async fn annotate(
    state: Data<AppState>,
    id: Path<String>,
    input: CommandInput<NoteBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let by = check("/by", Reference::new(&input.body.by), &mut faults);
    let note = check("/note", Reason::new(&input.body.note), &mut faults);
    let (Some(by), Some(note)) = (by, note) else { return Err(Problem::validation(&faults)) };
    let command = SagaCommand::Annotate { by: by.to_string(), note: note.to_string() };
    act(&state, &id, command, input.options.dry_run).await
}

fn by_and_reason(body: &SkipBody) -> Result<(String, String), Problem> {
    let mut faults = Vec::new();
    let by = check("/by", Reference::new(&body.by), &mut faults);
    let reason = check("/reason", Reason::new(&body.reason), &mut faults);
    match (by, reason) {
        (Some(by), Some(reason)) => Ok((by.to_string(), reason.to_string())),
        (Some(_) | None, _) => Err(Problem::validation(&faults)),
    }
}

/// Has a saga decide, and shows it as it is then.
async fn act(
    state: &AppState,
    id: &str,
    command: SagaCommand<Fulfilment>,
    dry_run: bool,
) -> Result<HttpResponse, Problem> {
    let saga_id = StreamId(Uuid::parse_str(id).map_err(|_| Problem::invalid("the id of a saga is a UUID"))?);
    let commands = state.ordering().commands;
    let mut saga = commands.find_saga(saga_id).await?.ok_or_else(no_such_saga)?;
    if dry_run {
        let events = saga.state.decide(&command).map_err(|rejection| refused(&rejection, saga.state.state()))?;
        events.iter().for_each(|event| saga.state.evolve(event, saga.last_at));
    } else {
        match state.sagas.ask(saga_id, command).await {
            Ok(_) => saga = commands.load_saga(saga_id).await?.ok_or_else(no_such_saga)?,
            Err(SagaRefusal::Rejected(rejection)) => {
                let now = commands.load_saga(saga_id).await?.map_or(SagaState::Absent, |saga| saga.state.state());
                return Err(refused(&rejection, now));
            }
            Err(SagaRefusal::Failed(failure)) => return Err(failure.into()),
        }
    }
    let view = SagaView::of(saga_id, &saga.state).ok_or_else(no_such_saga)?;
    Ok(HttpResponse::Ok().insert_header((X_POSITION, state.feed.head().0)).json(view))
}

fn no_such_saga() -> Problem {
    Problem::not_found("there is no saga with this id")
}

fn refused(rejection: &SagaRejection, saga: SagaState) -> Problem {
    Problem::new(ProblemKind::StateConflict, rejection.to_string()).with("saga_state", saga.name().into())
}
