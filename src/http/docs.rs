//! What the server says of itself: its OpenAPI description, a page to try it, and an explanation of every problem.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentEncoding, LOCATION},
    web::{Data, Html, Path},
};
use bytes::Bytes;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use utoipa_swagger_ui::Config;

use super::{
    error::{Problem, ProblemKind},
    openapi::{headers::Place, problems::NotFound},
};
use crate::order::schema;

/// The problem type in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ProblemInPath {
    /// The last part of a problem's type.
    #[param(value_type = ProblemName, example = "state-conflict")]
    pub name: String,
}

/// The name of a problem type.
pub struct ProblemName;

impl PartialSchema for ProblemName {
    fn schema() -> RefOr<Schema> {
        schema::one_of(ProblemKind::ALL.map(|kind| kind.explain().name), "The name of a problem type.").into()
    }
}

impl ToSchema for ProblemName {}

/// What the page may load and ask: this server. Its own styles are written into its elements.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::new(["/openapi.json"])));

/// The OpenAPI document, made once at start.
pub struct Description(pub Bytes);

/// This description
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object))
)]
pub async fn openapi(description: Data<Description>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(description.0.clone())
}

/// Leads to the page to try the server
// The page's own links are relative, so it needs the slash.
#[utoipa::path(
    get, path = "/docs", operation_id = "docsRedirect", tag = "operations",
    responses((
        status = 307, description = "It is at /docs/.", headers(("Location" = inline(Place), description = "`/docs/`"))
    ))
)]
pub async fn to_page() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// A page to try the server
// Swagger UI, from the binary; its files are below the page.
#[utoipa::path(
    get, path = "/docs/", operation_id = "docs", tag = "operations",
    responses((status = 200, description = "Swagger UI.", body = String, content_type = "text/html"))
)]
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

/// What a problem type means
#[utoipa::path(
    get, path = "/problems/{name}", operation_id = "problem", tag = "operations", params(ProblemInPath),
    responses(
        (status = 200, description = "An explanation for people.", body = String, content_type = "text/html"),
        NotFound,
    )
)]
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
