//! Requests without an upgrade: logs, and HTTP to pods, services and nodes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, future::ready, stream::once};
use gantry_meta::Status;
use gantry_registry::ConnectTo;
use http_body_util::{BodyDataStream, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::Message;

use super::{
    Dial,
    links::{LinkRewriter, through_proxy},
    onward, passes, refusal, unreachable,
};
use crate::{
    metrics::Counted,
    respond::{Socket, open_socket},
};

/// What becomes of an answer that is a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusals {
    /// It is the far end's own business.
    Pass,
    /// It becomes a Status: the client asked us, and knows nothing of the far end.
    AsStatus,
}

/// What a client is answered that asked for a log over WebSocket: bytes as messages of bytes, or in base64 as text.
const BASE64_PROTOCOL: &str = "base64.binary.k8s.io";

/// Sends the request on as a plain one and passes the answer's body back as messages.
pub(crate) async fn forward_to_socket(
    dial: &dyn Dial,
    to: &ConnectTo,
    request: &HttpRequest,
    socket: Socket,
    counted: Counted,
) -> Result<HttpResponse, Status> {
    let (answer, sender) = exchange(dial, to, request, Bytes::new(), Refusals::AsStatus).await?;
    let in_base64 = socket.handshake.protocol() == Some(BASE64_PROTOCOL);
    let pieces = BodyDataStream::new(answer.into_body()).take_while(|piece| ready(piece.is_ok()));
    let messages = pieces.filter_map(|piece| ready(piece.ok())).map(move |piece| {
        let _alive = &sender;
        if in_base64 { Message::text(STANDARD.encode(piece)) } else { Message::binary(piece) }
    });
    Ok(open_socket(socket, messages.boxed(), counted))
}

/// Sends the request on and streams the answer back. `prefix`: the path that stands in front of the far end's own paths.
pub(crate) async fn forward(
    dial: &dyn Dial,
    to: &ConnectTo,
    (request, prefix): (&HttpRequest, &str),
    body: Bytes,
    refusals: Refusals,
    counted: Counted,
) -> Result<HttpResponse, Status> {
    let (answer, sender) = exchange(dial, to, request, body, refusals).await?;
    let code = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(code);
    let rewrites = refusals == Refusals::Pass && is_plain_page(answer.headers());
    for (name, value) in answer.headers() {
        if !passes(name.as_str()) || (rewrites && name == "content-length") {
            continue;
        }
        let moved = value.to_str().ok().filter(|_| name == "location").and_then(|link| through_proxy(link, prefix));
        let value = moved.map_or_else(|| value.as_bytes().to_vec(), String::into_bytes);
        if let Ok(value) = header::HeaderValue::from_bytes(&value) {
            response.append_header((name.as_str(), value));
        }
    }
    let stream = BodyDataStream::new(answer.into_body()).map(move |chunk| {
        let _alive = (&sender, &counted);
        chunk
    });
    Ok(if rewrites { response.streaming(rewritten(stream, prefix)) } else { response.streaming(stream) })
}

/// A page that can be read as it is.
fn is_plain_page(headers: &hyper::HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html") && !headers.contains_key("content-encoding")
}

fn rewritten<S, E>(page: S, prefix: &str) -> impl Stream<Item = Result<Bytes, E>> + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let mut rewriter = LinkRewriter::new(prefix);
    page.map(Some).chain(once(ready(None))).map(move |piece| match piece {
        Some(piece) => piece.map(|piece| rewriter.push(&piece)),
        None => Ok(rewriter.finish()),
    })
}

/// The far end's answer, and what must live as long as its body is read: dropping it would end the connection.
async fn exchange(
    dial: &dyn Dial,
    to: &ConnectTo,
    request: &HttpRequest,
    body: Bytes,
    refusals: Refusals,
) -> Result<(hyper::Response<Incoming>, SendRequest<Full<Bytes>>), Status> {
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
    Ok((answer, sender))
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
