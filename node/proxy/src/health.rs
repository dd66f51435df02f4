//! Health-check ports: 200 while the node has endpoints of its own for a service, 503 otherwise.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use gantry_plugin::rule_ir::HealthCheck;
use gantry_runtime::ObjectKey;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

/// One listener for each service that has a health-check port.
#[derive(Default)]
pub struct HealthChecks {
    services: BTreeMap<ObjectKey, Listening>,
}

struct Listening {
    port: u16,
    local_backends: Arc<AtomicU32>,
    _server: AbortOnDropHandle<()>,
}

impl HealthChecks {
    /// Opens, closes or updates the service's port. A port that is taken is logged; it is tried again with the next change.
    pub async fn update(&mut self, key: &ObjectKey, wanted: Option<HealthCheck>) {
        let Some(check) = wanted else {
            self.services.remove(key);
            return;
        };
        if let Some(listening) = self.services.get(key).filter(|listening| listening.port == check.port) {
            listening.local_backends.store(check.local_backends, Ordering::Relaxed);
            return;
        }
        self.services.remove(key);
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, check.port)).await {
            Ok(listener) => drop(self.services.insert(key.clone(), listen(key, listener, check))),
            Err(error) => warn!(service = %key, port = check.port, %error, "the health-check port cannot be opened"),
        }
    }
}

fn listen(key: &ObjectKey, listener: TcpListener, check: HealthCheck) -> Listening {
    let local_backends = Arc::new(AtomicU32::new(check.local_backends));
    let server = tokio::spawn(serve(key.clone(), listener, local_backends.clone()));
    Listening { port: check.port, local_backends, _server: AbortOnDropHandle::new(server) }
}

async fn serve(key: ObjectKey, listener: TcpListener, local_backends: Arc<AtomicU32>) {
    loop {
        let Ok((stream, _)) = listener.accept().await.inspect_err(|error| debug!(%error, "no connection accepted"))
        else {
            continue;
        };
        let (key, local_backends) = (key.clone(), local_backends.clone());
        let answer = service_fn(move |_| {
            let response = answer(&key, local_backends.load(Ordering::Relaxed));
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

/// The body and header that load balancers know from kube-proxy.
fn answer(key: &ObjectKey, local_backends: u32) -> Response<Full<Bytes>> {
    let status = if local_backends > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "service": {"namespace": &*key.namespace, "name": &*key.name},
        "localEndpoints": local_backends,
        "serviceProxyHealthy": true,
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", "application/json".parse().expect("a header value"));
    headers.insert("x-load-balancing-endpoint-weight", local_backends.into());
    response
}
