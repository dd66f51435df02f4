//! The spans of requests.

use tracing::{Span, debug_span, field::Empty};

/// The span of one request, for a trace collector (`gantry_base::telemetry::REQUEST_SPANS`); disabled and without cost where
/// there is none. `operation` and `path`: `GET` and `/api/v1/pods`, or a verb and a resource. The door records
/// `http.response.status_code`.
pub fn request_span(operation: &str, path: &str) -> Span {
    debug_span!(
        target: "gantry::request",
        "request",
        otel.name = operation,
        otel.kind = "server",
        http.request.method = operation,
        url.path = path,
        http.response.status_code = Empty,
        audit.id = Empty,
    )
}
