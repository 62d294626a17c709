//! What all lists share: how much to show, from where on, how new, and how the page is answered.

use actix_web::{
    HttpResponse,
    http::header::{CONTENT_TYPE, LINK},
};
use ordo_actors::log::{event::Position, store::StoreError};
use utoipa::openapi::{ObjectBuilder, Type};

use super::{
    answer::X_POSITION,
    cursor::{self, ListId},
    error::{Fault, Problem, ProblemKind},
    query_params::{COUNTABLE, QueryNumber, number},
    state::AppState,
};
use crate::read_models::{Cursor, ReadModelProgress, ReadPosition};

const DEFAULT_LIMIT: u64 = 50;
/// The most rows of a page.
pub const MOST_ROWS: usize = 500;
const MAX_LIMIT: u64 = MOST_ROWS as u64;

/// How often a list is read anew because its read model was rebuilt meanwhile.
const ATTEMPTS: usize = 3;

/// Which part of a list to show, and how new it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// At most so many.
    pub limit: usize,
    /// What the client sent as the end of the page before.
    pub cursor: Option<String>,
    /// The read model must have come this far.
    pub at_least: Option<Position>,
}

impl Paging {
    /// Checks `limit` and `min_position`, adding what is wrong to the faults.
    pub fn read(
        limit: Option<QueryNumber>,
        cursor: Option<String>,
        min_position: Option<QueryNumber>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let limit = limit.and_then(|asked| number("limit", asked, 1..=MAX_LIMIT, faults)).unwrap_or(DEFAULT_LIMIT);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, cursor, at_least: at_least(min_position, faults) }
    }

    /// Where to go on in a list.
    ///
    /// # Errors
    /// The cursor is none, or belongs to another list.
    pub fn after(&self, list: ListId) -> Result<Option<Cursor>, Problem> {
        self.cursor.as_deref().map(|sent| cursor::decode(list, sent)).transpose()
    }
}

/// What OpenAPI says of `limit`.
#[must_use]
pub fn limit_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_LIMIT))
        .default(Some(DEFAULT_LIMIT.into()))
}

/// What OpenAPI says of `sort`: the names of the sorts, and the one a client gets that names none.
pub fn sort_schema<T>(sorts: &[Sort<T>]) -> ObjectBuilder {
    let names = sorts.iter().flat_map(|sort| [sort.name.to_owned(), format!("-{}", sort.name)]);
    let first = &sorts[0];
    let sign = if first.descending && !first.is_amount { "-" } else { "" };
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .default(Some(format!("{sign}{}", first.name).into()))
}

/// Checks `min_position`.
pub fn at_least(min_position: Option<QueryNumber>, faults: &mut Vec<Fault>) -> Option<Position> {
    min_position.and_then(|asked| number("min_position", asked, COUNTABLE, faults)).map(Position)
}

/// A fault of one parameter.
pub fn fault(parameter: &str, detail: impl Into<String>) -> Fault {
    Fault { pointer: format!("?{parameter}"), detail: detail.into() }
}

/// Chooses among the names of a sort, `-` before it meaning from large to small. Amounts are always sorted from large to small.
pub fn sort<T: Copy>(asked: Option<&str>, sorts: &[Sort<T>], faults: &mut Vec<Fault>) -> (T, bool) {
    let default = &sorts[0];
    let Some(asked) = asked else { return (default.by, default.descending) };
    let (name, reversed) = asked.strip_prefix('-').map_or((asked, false), |name| (name, true));
    let Some(known) = sorts.iter().find(|sort| sort.name == name) else {
        let names: Vec<_> = sorts.iter().map(|sort| sort.name).collect();
        faults.push(fault("sort", format!("must be one of {}, with or without `-` before it", names.join(", "))));
        return (default.by, default.descending);
    };
    (known.by, known.is_amount || reversed)
}

/// A sort clients can ask for; the first of several is the one they get when they ask for none.
#[derive(Debug, Clone, Copy)]
pub struct Sort<T> {
    /// Its name.
    pub name: &'static str,
    /// What it sorts by.
    pub by: T,
    /// From large to small when nobody asks for anything.
    pub descending: bool,
    /// From large to small whether or not `-` is before it.
    pub is_amount: bool,
}

/// Waits until a read model has come as far as the client demands, and in any case until it is known which rows are live, at
/// most for the time a read may wait: before that every list would seem to be empty.
pub async fn wait_until(
    state: &AppState,
    progress: &dyn ReadModelProgress,
    at_least: Option<Position>,
) -> Result<(), Problem> {
    let position = at_least.unwrap_or_default();
    let is_there = |read_position: ReadPosition| read_position.is_known() && read_position.position >= position;
    if is_there(progress.now()) {
        return Ok(());
    }
    // Whether the wait was too long or there is nothing to wait for: what counts is where the read model is.
    let _ = tokio::time::timeout(state.limits.position_wait, progress.wait_until(position)).await;
    let now = progress.now();
    if is_there(now) {
        return Ok(());
    }
    let detail = if now.is_known() {
        format!("the read model {} is at position {}, not yet at {position}", progress.name(), now.position)
    } else {
        format!("the read model {} has not started yet", progress.name())
    };
    Err(Problem::new(ProblemKind::PositionNotReached, detail).with("position", now.position.0.into()))
}

/// Reads from the live generation; anew if another one was made live meanwhile, because the old one is discarded then.
pub async fn read_live<T>(
    progress: &dyn ReadModelProgress,
    read: impl AsyncFn(u32) -> Result<T, StoreError>,
) -> Result<(T, Position), Problem> {
    let mut read_position = progress.now();
    for _ in 1..ATTEMPTS {
        let found = read(read_position.generation).await?;
        let now = progress.now();
        if now.generation == read_position.generation {
            return Ok((found, read_position.position));
        }
        read_position = now;
    }
    Ok((read(read_position.generation).await?, read_position.position))
}

/// The path of the next page: this one's, with another cursor. `parameters` are those the client sent, without the cursor.
#[must_use]
pub fn next_link(
    path: &str,
    parameters: &[(&str, Option<&str>)],
    list: ListId,
    next: Option<&Cursor>,
) -> Option<String> {
    let cursor = cursor::encode(list, next?);
    let start = format!("{path}?");
    let length = start.len();
    let mut link = form_urlencoded::Serializer::for_suffix(start, length);
    for (name, value) in parameters {
        if let Some(value) = value {
            link.append_pair(name, value);
        }
    }
    Some(link.append_pair("cursor", &cursor).finish())
}

/// Answers with a JSON array of texts that are JSON already.
pub fn array<'a>(items: impl Iterator<Item = &'a str>, position: Position, next: Option<String>) -> HttpResponse {
    let mut body = String::from("[");
    for (number, item) in items.enumerate() {
        if number > 0 {
            body.push(',');
        }
        body.push_str(item);
    }
    body.push(']');
    respond(body, position, next)
}

/// Answers with JSON that is as new as `position`.
#[must_use]
pub fn respond(body: String, position: Position, next: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((X_POSITION, position.to_string()));
    if let Some(next) = next {
        response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    response.body(body)
}
