//! Whether the server lives, whether it can work, and what it counts.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, http::header::CONTENT_TYPE, web::Data};
use ordo_actors::log::store::{DAMAGED, DISK_FULL, LOCKED, NO_ANSWER, NO_WRITER, READ_ONLY, StoreError};
use prometheus::{Encoder, TextEncoder};
use serde::Serialize;
use utoipa::{ToSchema, openapi::ObjectBuilder};

use super::{error::Problem, openapi::problems::Internal, state::AppState};
use crate::order::schema;

/// Whether the process answers.
#[derive(Serialize, ToSchema)]
pub struct Alive {
    #[schema(schema_with = only_ok)]
    status: &'static str,
}

/// Whether the server can work.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "status": "ok", "store": "sqlite:ordo-data/ordo.db", "store_answers": true, "writes": "ok", "position": 41,
    "live_orders": 7, "version": "0.1.0",
}))]
pub struct Health<'a> {
    #[schema(schema_with = statuses)]
    status: &'static str,
    /// Which store.
    store: &'a str,
    /// The store can be read and written.
    store_answers: bool,
    /// Whether writes succeed: ok, or why the last one failed, as long as none has succeeded since.
    #[schema(schema_with = writes)]
    writes: &'static str,
    /// How far the log reaches.
    #[schema(value_type = schema::Position)]
    position: u64,
    /// Orders in memory.
    #[schema(minimum = 0, value_type = schema::Count)]
    live_orders: usize,
    /// Of the server.
    version: &'static str,
}

fn only_ok() -> ObjectBuilder {
    schema::one_of(["ok"], "Always ok.")
}

fn statuses() -> ObjectBuilder {
    schema::one_of(["ok", "unavailable", "draining"], "Whether the server can work, and what is in the way.")
}

fn writes() -> ObjectBuilder {
    let words = ["ok", DISK_FULL, READ_ONLY, LOCKED, DAMAGED, NO_WRITER, NO_ANSWER];
    schema::one_of(
        words,
        "Whether writes succeed: ok, or why the last one failed, as long as none has succeeded since.",
    )
}

/// Whether the process answers
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "operations",
    responses((status = 200, description = "It does.", body = Alive))
)]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok" })
}

/// Whether the server can work: the same as /readyz
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "operations",
    responses(
        (status = 200, description = "The store can be read and written, and the server is not stopping.", body = Health<'static>),
        (status = 503, description = "The store cannot be read or written, or the server is stopping.", body = Health<'static>),
    )
)]
pub async fn health(state: Data<AppState>) -> HttpResponse {
    ready(state).await
}

/// Whether the server can work
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses(
        (status = 200, description = "The store can be read and written, and the server is not stopping.", body = Health<'static>),
        (status = 503, description = "The store cannot be read or written, or the server is stopping.", body = Health<'static>),
    )
)]
pub async fn ready(state: Data<AppState>) -> HttpResponse {
    let store = state.store.ping().await;
    let draining = state.draining.load(Ordering::Relaxed);
    let status = if draining {
        "draining"
    } else if store.is_ok() {
        "ok"
    } else {
        "unavailable"
    };
    let body = Health {
        status,
        store: &state.store_name,
        store_answers: store.is_ok(),
        writes: store.as_ref().map_or_else(StoreError::told, |()| "ok"),
        position: state.feed.head().0,
        live_orders: state.orders.live(),
        version: env!("CARGO_PKG_VERSION"),
    };
    if status == "ok" { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// What the server counts, for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "operations",
    responses(
        (status = 200, description = "Metrics in the text format of Prometheus.", body = String, content_type = "text/plain"),
        Internal,
    )
)]
pub async fn metrics(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder
        .encode(&state.metrics.gather(), &mut text)
        .map_err(|error| Problem::new(super::error::ProblemKind::Internal, error.to_string()))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, encoder.format_type().to_owned())).body(text))
}
