//! Requests without an upgrade: logs, and HTTP to pods, services and nodes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use bytes::Bytes;
use futures::StreamExt as _;
use gantry_meta::Status;
use gantry_registry::ConnectTo;
use http_body_util::{BodyDataStream, Full};
use hyper_util::rt::TokioIo;

use super::{Dial, onward, passes, refusal, unreachable};
use crate::metrics::Counted;

/// What becomes of an answer that is a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusals {
    /// It is the far end's own business.
    Pass,
    /// It becomes a Status: the client asked us, and knows nothing of the far end.
    AsStatus,
}

/// Sends the request on and streams the answer back.
pub(crate) async fn forward(
    dial: &dyn Dial,
    to: &ConnectTo,
    request: &HttpRequest,
    body: Bytes,
    refusals: Refusals,
    counted: Counted,
) -> Result<HttpResponse, Status> {
    let wire = dial.dial(to).await.map_err(|error| unreachable(to, &error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(|error| unreachable(to, &error))?;
    // Ends with the answer's last byte, or when the answer is dropped.
    actix_web::rt::spawn(connection);
    let onward = onward_request(to, request, body)?;
    let answer = sender.send_request(onward).await.map_err(|error| unreachable(to, &error))?;
    if refusals == Refusals::AsStatus && !answer.status().is_success() {
        return Err(refusal(answer, "").await);
    }
    let code = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(code);
    for (name, value) in answer.headers() {
        if passes(name.as_str())
            && let Ok(value) = header::HeaderValue::from_bytes(value.as_bytes())
        {
            response.append_header((name.as_str(), value));
        }
    }
    let stream = BodyDataStream::new(answer.into_body());
    // The sender lives with the stream: dropping it would end the connection.
    let stream = stream.map(move |chunk| {
        let _alive = (&sender, &counted);
        chunk
    });
    Ok(response.streaming(stream))
}

fn onward_request(to: &ConnectTo, request: &HttpRequest, body: Bytes) -> Result<hyper::Request<Full<Bytes>>, Status> {
    let mut onward_request = hyper::Request::builder()
        .method(request.method().as_str())
        .uri(&to.path_and_query)
        .header("host", format!("{}:{}", to.host, to.port));
    for (name, value) in onward(request.headers()) {
        onward_request = onward_request.header(name, &*value);
    }
    let bad = |error| Status::bad_request(format!("the request cannot be passed on: {error}"));
    onward_request.body(Full::new(body)).map_err(bad)
}
