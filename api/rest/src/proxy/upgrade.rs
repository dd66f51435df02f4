//! Requests that become streams: exec, attach, port-forward, and upgrades through a proxy.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use bytes::Bytes;
use futures::StreamExt as _;
use gantry_meta::Status;
use gantry_registry::ConnectTo;
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio_util::io::ReaderStream;

use super::{Dial, HOP_BY_HOP, onward, refusal, unreachable};
use crate::{
    headers::{UPGRADE_HEADER, header},
    metrics::Counted,
};

/// What is read at once from the far end.
const CHUNK_BYTES: usize = 32 << 10;

/// The protocol that the client wants to change to, if it does.
pub(crate) fn wanted_upgrade(request: &HttpRequest) -> Option<&str> {
    let connection = header(request.headers(), "connection")?;
    connection.split(',').find(|word| word.trim().eq_ignore_ascii_case("upgrade"))?;
    header(request.headers(), UPGRADE_HEADER).or_else(|| header(request.headers(), "upgrade"))
}

/// Asks the far end for the same upgrade, then copies bytes both ways until either side ends.
pub(crate) async fn forward_upgrade(
    dial: &dyn Dial,
    to: &ConnectTo,
    request: &HttpRequest,
    payload: web::Payload,
    counted: Counted,
) -> Result<HttpResponse, Status> {
    let protocol = wanted_upgrade(request).unwrap_or_default().to_owned();
    let wire = dial.dial(to).await.map_err(|error| unreachable(to, &error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(|error| unreachable(to, &error))?;
    actix_web::rt::spawn(connection.with_upgrades());
    let onward = upgrade_request(to, request, &protocol)?;
    let answer = sender.send_request(onward).await.map_err(|error| unreachable(to, &error))?;
    if answer.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(answer, "unable to upgrade connection: ").await);
    }
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade(protocol);
    for (name, value) in answer.headers() {
        if !HOP_BY_HOP.contains(&name.as_str())
            && let Ok(value) = actix_web::http::header::HeaderValue::from_bytes(value.as_bytes())
        {
            response.append_header((name.as_str(), value));
        }
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(|error| unreachable(to, &error))?;
    let (from_far, to_far) = tokio::io::split(TokioIo::new(upgraded));
    actix_web::rt::spawn(pump(payload, to_far));
    let stream = ReaderStream::with_capacity(from_far, CHUNK_BYTES).take_while(move |chunk| {
        let _alive = (&sender, &counted);
        // An upgraded stream says itself where it ends. Passed on, an error would end the client's connection at once, and
        // what was read before it and is not yet sent would be lost.
        if let Err(error) = chunk {
            tracing::debug!(%error, "the far end broke an upgraded connection off");
        }
        std::future::ready(chunk.is_ok())
    });
    Ok(response.streaming(stream))
}

fn upgrade_request(
    to: &ConnectTo,
    request: &HttpRequest,
    protocol: &str,
) -> Result<hyper::Request<Empty<Bytes>>, Status> {
    let mut upgrade = hyper::Request::builder()
        .method(request.method().as_str())
        .uri(&to.path_and_query)
        .header("host", format!("{}:{}", to.host, to.port))
        .header("connection", "Upgrade")
        .header("upgrade", protocol);
    for (name, value) in onward(request.headers()) {
        upgrade = upgrade.header(name, &*value);
    }
    let bad = |error| Status::bad_request(format!("the request cannot be passed on: {error}"));
    upgrade.body(Empty::new()).map_err(bad)
}

/// Copies what the client sends. When it has no more to say the far end is told so.
async fn pump(mut payload: web::Payload, mut far: WriteHalf<TokioIo<Upgraded>>) {
    while let Some(Ok(chunk)) = payload.next().await {
        if far.write_all(&chunk).await.is_err() || far.flush().await.is_err() {
            return;
        }
    }
    // The far end may be gone already, which is all the same now.
    let _ = far.shutdown().await;
}
