//! What the server says of itself: its OpenAPI description, a page to try it, and an explanation of every problem.

use actix_web::{
    HttpResponse,
    web::{Html, Path},
};

use super::error::{Problem, ProblemKind};

/// The description, kept as a file and checked against the routes by a test.
pub const OPENAPI: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

/// `GET /problems/{name}`
pub async fn problem(name: Path<String>) -> Result<Html, Problem> {
    let known = ProblemKind::ALL.into_iter().map(ProblemKind::explain).find(|explanation| explanation.name == *name);
    let explanation = known.ok_or_else(|| Problem::not_found("there is no problem of this name"))?;
    Ok(Html::new(format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1>\
         <p>Type <code>/problems/{name}</code>, status {status}.</p><p>{advice}</p>",
        title = explanation.title,
        name = explanation.name,
        status = explanation.status.as_u16(),
        advice = explanation.advice,
    )))
}
