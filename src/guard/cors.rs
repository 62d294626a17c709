//! What an allowed page may send and read (CORS).

use actix_cors::Cors;
use actix_web::{
    http::{
        Method,
        header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER},
    },
    middleware::Condition,
};

use super::origin::Origins;

/// How long a browser may remember what it was told, in seconds: an hour.
const MAX_AGE_SECONDS: usize = 3600;

const SENT: [HeaderName; 8] = [
    ACCEPT,
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("x-request-id"),
];

const READ: [HeaderName; 8] = [
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("x-position"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-total-count"),
];

/// Lets pages of these origins, and no others, send what a command and a read need, and see the answers. Credentials that a
/// browser adds by itself are never asked for. Without origins nothing is said to anybody.
#[must_use]
pub fn cors(origins: &Origins) -> Condition<Cors> {
    let known = origins.clone();
    let cors = Cors::default()
        .allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| known.name(origin)))
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
        .allowed_headers(SENT)
        .expose_headers(READ)
        .max_age(MAX_AGE_SECONDS);
    Condition::new(!origins.0.is_empty(), cors)
}
