//! Problems (RFC 9457) of the stand-in: the one file of it that knows status codes.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
};
use serde_json::json;

use super::ledger_file::LedgerError;
use crate::{fulfilment::call::Call, guard::rules::Refusal};

/// What is wrong, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The call makes no sense, or its key stands for another call: whoever wrote it is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The partner says no, for good unless it was an undo.
    #[error("{reason}")]
    Refused {
        /// Which call.
        call: Box<Call>,
        /// Why.
        reason: String,
    },
    /// Nothing has been done: come again.
    #[error("{0}")]
    TurnedAway(&'static str),
    /// It is not for us, or not from one of us.
    #[error("{}", .0.detail())]
    Foreign(Refusal),
    /// The body is not called JSON.
    #[error("send JSON with Content-Type: application/json")]
    NotJson,
    /// Nobody knows.
    #[error("{0}")]
    Lost(String),
    /// Nothing is known of it.
    #[error("{0}")]
    NotFound(&'static str),
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Busy => Self::TurnedAway("more calls are waiting than are taken"),
            other => Self::Lost(other.to_string()),
        }
    }
}

impl Problem {
    const fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid(_) | Self::Foreign(Refusal::NoHost) => {
                (StatusCode::BAD_REQUEST, "invalid-request", "This is no call")
            }
            Self::Foreign(Refusal::ForeignHost) => (
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected-request",
                "This server is not the one that was asked for",
            ),
            Self::Foreign(Refusal::ForeignPage) => (StatusCode::FORBIDDEN, "forbidden", "This is not allowed"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is not JSON"),
            Self::Refused { .. } => (StatusCode::CONFLICT, "refused", "Refused"),
            Self::TurnedAway(_) => (StatusCode::SERVICE_UNAVAILABLE, "turned-away", "Come again later"),
            Self::Lost(_) => (StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", "The outcome is not known"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "unheard-of", "Nothing is known of it"),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, kind, title) = self.kind();
        let mut body = json!({"type": format!("/problems/{kind}"), "title": title, "status": status.as_u16(),
                              "detail": self.to_string()});
        if let Self::Refused { call, .. } = self {
            body["key"] = json!(call.key.0);
            body["order_id"] = json!(call.order_id);
        }
        let mut response = HttpResponse::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "1"));
        }
        response.insert_header((CONTENT_TYPE, "application/problem+json")).body(body.to_string())
    }
}
