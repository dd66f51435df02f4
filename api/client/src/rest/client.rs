//! One HTTP client for one server.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

use crate::{
    ClientConfig, ClientError, ConfigError, decode,
    transport::{CONNECTION_WINDOW_BYTES, Connector, STREAM_WINDOW_BYTES},
};

/// How long an HTTP/2 connection may be silent before it is asked whether it lives, and then to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A request of any kind, for what the two traits do not offer (logs, health, discovery).
#[derive(Clone, Debug)]
pub struct RawRequest {
    pub method: Method,
    /// Path and query, already encoded: `/api/v1/...?x=y`.
    pub path: String,
    pub content_type: Option<&'static str>,
    pub accept: &'static str,
    pub body: Bytes,
}

impl RawRequest {
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            content_type: None,
            accept: "application/json",
            body: Bytes::new(),
        }
    }

    pub(super) fn with_body(method: Method, path: String, content_type: &'static str, body: Bytes) -> Self {
        Self { method, content_type: Some(content_type), body, ..Self::get(path) }
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct RawResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A client of one API server: an `ObjectSource` and an `ObjectSink`. Cloning shares the connections. HTTP/2 where the server
/// offers it, so that watches and calls share one connection.
#[derive(Clone)]
pub struct RestClient {
    http: Client<Connector, Full<Bytes>>,
    config: Arc<ClientConfig>,
}

impl RestClient {
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let connector = Connector::new(&config, &[b"h2", b"http/1.1"])?;
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(90))
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .build(connector);
        Ok(Self { http, config: Arc::new(config) })
    }

    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Sends a request and reads the whole answer, within the configured time.
    pub async fn raw(&self, request: RawRequest) -> Result<RawResponse, ClientError> {
        let exchange = async {
            let response = self.send(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| unavailable(&error))?.to_bytes();
            Ok(RawResponse { status: head.status, headers: head.headers, body })
        };
        let timed = tokio::time::timeout(self.config.timeout, exchange).await;
        timed.unwrap_or_else(|_| Err(ClientError::Unavailable(format!("no answer within {:?}", self.config.timeout))))
    }

    /// Like [`raw`](Self::raw); an answer that is no success is `Refused`.
    pub async fn call(&self, request: RawRequest) -> Result<Bytes, ClientError> {
        let response = self.raw(request).await?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        Err(ClientError::Refused(decode::failure(response.status.as_u16(), &response.body)))
    }

    /// Sends a request and streams the answer's body; only the head must come within the configured time.
    pub async fn stream(
        &self,
        request: RawRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        let timed = tokio::time::timeout(self.config.timeout, self.send(request)).await;
        let response = timed.unwrap_or_else(|_| Err(ClientError::Unavailable("no answer in time".into())))?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let whole = body.collect().await.map_err(|error| unavailable(&error))?.to_bytes();
            return Err(ClientError::Refused(decode::failure(status.as_u16(), &whole)));
        }
        let frames = stream::poll_fn(move |cx| hyper::body::Body::poll_frame(std::pin::Pin::new(&mut body), cx));
        Ok(frames.filter_map(|frame| async move {
            match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(unavailable(&error))),
            }
        }))
    }

    async fn send(&self, request: RawRequest) -> Result<Response<Incoming>, ClientError> {
        let uri: Uri = format!("{}{}", self.config.server, request.path)
            .parse()
            .map_err(|_| ClientError::Unavailable(format!("{:?} is no path", request.path)))?;
        let mut http = Request::new(Full::new(request.body));
        (*http.method_mut(), *http.uri_mut()) = (request.method, uri);
        let headers = http.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(request.accept));
        if let Some(content_type) = request.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Ok(user_agent) = HeaderValue::from_str(&self.config.user_agent) {
            headers.insert(header::USER_AGENT, user_agent);
        }
        if let Some(token) = self.config.token.current()
            && let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        self.http.request(http).await.map_err(|error| unavailable(&error))
    }
}

/// The whole chain of causes: hyper's outermost text says little.
fn unavailable(error: &dyn std::error::Error) -> ClientError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    ClientError::Unavailable(text)
}
