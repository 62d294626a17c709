//! Requests as Prometheus sees them.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus::{HistogramOpts, HistogramVec, Registry};

/// Requests by route, method and status class.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: HistogramVec,
}

impl HttpMetrics {
    /// Makes the metrics and shows them in a registry.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let buckets = prometheus::exponential_buckets(0.0001, 2.0, 18)?;
        let requests = HistogramVec::new(
            HistogramOpts::new("ordo_http_request_seconds", "Time to answer a request.").buckets(buckets),
            &["method", "route", "status"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self { requests })
    }

    /// Counts one request. A path without a route counts as `none`: clients do not choose labels.
    pub fn observe(&self, method: &Method, route: Option<&str>, status: StatusCode, elapsed: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        let labels = [method, route.unwrap_or("none"), status.as_str()];
        self.requests.with_label_values(&labels).observe(elapsed.as_secs_f64());
    }
}
