//! What the server says of itself: its OpenAPI description, a page to try it, and an explanation of every problem.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentEncoding, LOCATION},
    web::{Html, Path},
};
use utoipa_swagger_ui::Config;

use super::error::{Problem, ProblemKind};

/// What the page may load and ask: this server. Its own styles are written into its elements.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::new(["/openapi.json"])));

/// The description, kept as a file and checked against the routes by a test.
pub const OPENAPI: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

/// `GET /docs`: the page's own links are relative, so it needs the slash.
pub async fn to_page() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// `GET /docs/{file}`: Swagger UI, from the binary.
pub async fn page(file: Path<String>) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&PAGE)).inspect_err(|error| log::error!("{error}"));
    let fault = || Problem::new(ProblemKind::Internal, "the page cannot be shown");
    let file = found.map_err(|_| fault())?.ok_or_else(|| Problem::not_found("the page has no such file"))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY)).insert_header((CACHE_CONTROL, "no-cache"));
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip));
    }
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
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
