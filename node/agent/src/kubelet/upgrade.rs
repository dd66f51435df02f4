//! Connections that change their protocol: ours with the client, and the one to the runtime's streaming server.

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub const SPDY: &str = "SPDY/3.1";
pub const STREAM_PROTOCOL: &str = "x-stream-protocol-version";

#[derive(Debug, Error)]
pub enum UpgradeError {
    #[error("the runtime's streaming server cannot be reached: {0}")]
    Unreachable(String),
    /// The streaming server answered with something else than a change of protocol.
    #[error("{message}")]
    Refused { code: StatusCode, message: String },
}

impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::Unreachable(_) => StatusCode::BAD_GATEWAY,
            Self::Refused { code, .. } => *code,
        };
        (code, self.to_string()).into_response()
    }
}

/// An upgraded connection to the streaming server, and the headers of its answer.
pub struct Upstream {
    pub connection: TokioIo<Upgraded>,
    pub headers: HeaderMap,
}

/// Asks the streaming server at `url` for SPDY with these stream protocols.
pub async fn connect(url: &str, protocols: &[HeaderValue]) -> Result<Upstream, UpgradeError> {
    let unreachable = |error: &dyn std::fmt::Display| UpgradeError::Unreachable(format!("{url}: {error}"));
    let uri: Uri = url.parse().map_err(|e| unreachable(&e))?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let socket = TcpStream::connect(&authority).await.map_err(|e| unreachable(&e))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
    let (mut sender, connection) = handshake.map_err(|e| unreachable(&e))?;
    tokio::spawn(connection.with_upgrades());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = http::Request::builder().method(Method::POST).uri(path);
    request =
        request.header(header::HOST, &authority).header(header::CONNECTION, "Upgrade").header(header::UPGRADE, SPDY);
    for protocol in protocols {
        request = request.header(STREAM_PROTOCOL, protocol);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| unreachable(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| unreachable(&e))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let code = answer.status();
        let body = answer.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        return Err(UpgradeError::Refused { code, message: String::from_utf8_lossy(&body).into_owned() });
    }
    let headers = answer.headers().clone();
    let upgraded = hyper::upgrade::on(answer).await.map_err(|e| unreachable(&e))?;
    Ok(Upstream { connection: TokioIo::new(upgraded), headers })
}

/// What the client asks for.
pub enum Wanted {
    Spdy {
        protocols: Vec<HeaderValue>,
    },
    /// Subprotocols in the client's order.
    WebSocket {
        key: HeaderValue,
        protocols: Vec<String>,
    },
}

/// `None`: the request asks for no upgrade that is known here.
pub fn wanted(headers: &HeaderMap) -> Option<Wanted> {
    let upgrade = headers.get(header::UPGRADE)?.to_str().ok()?;
    if upgrade.eq_ignore_ascii_case("websocket") {
        let key = headers.get(header::SEC_WEBSOCKET_KEY)?.clone();
        let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
        let protocols = lists.flat_map(|list| list.split(',')).map(|p| p.trim().to_owned()).collect();
        return Some(Wanted::WebSocket { key, protocols });
    }
    let protocols = headers.get_all(STREAM_PROTOCOL).iter().cloned().collect();
    upgrade.eq_ignore_ascii_case(SPDY).then_some(Wanted::Spdy { protocols })
}

/// Passes an SPDY connection through, byte for byte.
pub async fn pass_through(url: &str, request: Request, protocols: &[HeaderValue]) -> Result<Response, UpgradeError> {
    let upstream = connect(url, protocols).await?;
    let mut answer = switching(SPDY);
    if let Some(protocol) = upstream.headers.get(STREAM_PROTOCOL) {
        answer.headers_mut().insert(STREAM_PROTOCOL, protocol.clone());
    }
    let client = on_upgrade(request);
    let mut far = upstream.connection;
    tokio::spawn(async move {
        let Some(client) = client.await else { return };
        let mut client = TokioIo::new(client);
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut far).await {
            tracing::debug!(%error, "a stream ended");
        }
        // Without TLS' own good-bye the far end takes what it was sent for cut off. A client that is gone needs none.
        let _ = client.shutdown().await;
    });
    Ok(answer)
}

/// The client's connection once our answer has been sent.
pub async fn on_upgrade(mut request: Request) -> Option<Upgraded> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>()?;
    drop(request);
    upgrade.await.inspect_err(|error| tracing::debug!(%error, "the client did not upgrade")).ok()
}

fn switching(protocol: &'static str) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(protocol));
    answer
}

/// The answer that accepts a WebSocket with one of its subprotocols.
pub fn accept_websocket(key: &HeaderValue, protocol: &'static str) -> Response {
    let mut answer = switching("websocket");
    let accept = derive_accept_key(key.as_bytes());
    if let Ok(accept) = HeaderValue::try_from(accept) {
        answer.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    answer
}
