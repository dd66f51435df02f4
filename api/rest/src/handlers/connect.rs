//! log, exec, attach, portforward, proxy.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use gantry_meta::Status;
use gantry_registry::{ApiRequest, ApiResponse, Connect, RequestContext};

use super::body;
use crate::{
    metrics::Labels,
    proxy,
    respond::{self, Handshake, Socket},
    route::ResourceRoute,
    state::RestState,
};

pub(super) async fn handle(
    state: &RestState,
    ctx: &RequestContext,
    request: &HttpRequest,
    payload: web::Payload,
    found: ResourceRoute,
    labels: &Labels,
) -> Result<HttpResponse, Status> {
    let is_log = found.target.subresource == "log";
    let socket = if is_log { Handshake::of(request)? } else { None };
    let upgrade = proxy::wanted_upgrade(request).is_some() && socket.is_none();
    let connect =
        Connect { verb: found.verb, query: request.query_string().to_owned(), path: found.rest.clone(), upgrade };
    if matches!(found.target.subresource.as_str(), "exec" | "attach" | "portforward") && !upgrade {
        let refusal = Status::bad_request("you must specify an Upgrade header: WebSocket or SPDY/3.1");
        // What is wrong with the pod comes before what is wrong with the request.
        return match state.executor.execute(ctx, ApiRequest::Connect { target: found.target, connect }).await {
            Err(status) => Err(status),
            Ok(_) => Err(refusal),
        };
    }
    let refusals = if is_log { proxy::Refusals::AsStatus } else { proxy::Refusals::Pass };
    let rest = found.rest;
    match state.executor.execute(ctx, ApiRequest::Connect { target: found.target, connect }).await? {
        ApiResponse::Connect(to) => {
            let counted = state.metrics.long_running(labels);
            if let Some(handshake) = socket {
                let socket = Socket { handshake, payload };
                return proxy::forward_to_socket(&*state.dial, &to, request, socket, counted).await;
            }
            if upgrade {
                return proxy::forward_upgrade(&*state.dial, &to, request, payload, counted).await;
            }
            let path = request.uri().path();
            if !is_log && rest.is_empty() && matches!(*request.method(), Method::GET | Method::HEAD) {
                return Ok(with_slash(path, request.query_string()));
            }
            let bytes = body::read(request, payload).await?;
            let prefix = path.strip_suffix(&rest).unwrap_or(path);
            proxy::forward(&*state.dial, &to, (request, prefix), bytes, refusals, counted).await
        }
        ApiResponse::NoContent => Ok(HttpResponse::NoContent().finish()),
        ApiResponse::Status(status) => Ok(respond::status_in(&status, respond::Encoding::Json, false)),
        _ => Err(Status::internal("a connect verb was answered with an object")),
    }
}

/// Relative links of a page at the far end's root would lose the last part of a path that does not end with a slash.
fn with_slash(path: &str, query: &str) -> HttpResponse {
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    HttpResponse::MovedPermanently().insert_header(("location", format!("{path}/{query}"))).finish()
}
