//! Whether the server lives, whether it can work, and what it counts.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, http::header::CONTENT_TYPE, web::Data};
use ordo_actors::log::store::StoreError;
use prometheus::{Encoder, TextEncoder};
use serde_json::json;

use super::{error::Problem, state::AppState};

/// `GET /livez`: the process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// `GET /readyz` and `GET /health`: the store can be read and written, and the server is not stopping. 503 otherwise, with
/// the reason.
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
    let body = json!({
        "status": status,
        "store": state.store_name,
        "store_answers": store.is_ok(),
        "writes": store.as_ref().map_or_else(StoreError::told, |()| "ok"),
        "position": state.feed.head().0,
        "live_orders": state.orders.live(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    if status == "ok" { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// `GET /metrics`
pub async fn metrics(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder
        .encode(&state.metrics.gather(), &mut text)
        .map_err(|error| Problem::new(super::error::ProblemKind::Internal, error.to_string()))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, encoder.format_type().to_owned())).body(text))
}
