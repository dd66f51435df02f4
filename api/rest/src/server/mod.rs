//! The listener: TLS, HTTP/1.1 and HTTP/2, several workers.

mod coalesce;
mod stream;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, Protocol};
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{App, dev::AppConfig, rt::net::TcpStream, web};
use gantry_registry::Executor;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::stream::Connection;
use crate::{chain, config::RestConfig, documents::Documents, metrics::Metrics, state::RestState};

/// How long running requests may take once the server is asked to end.
const SHUTDOWN_SECONDS: u64 = 5;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that is silent for so long between requests is let go.
const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// Headers must have come by then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server.
pub struct RestHandle {
    addresses: Vec<SocketAddr>,
    ended: tokio::task::JoinHandle<io::Result<()>>,
}

impl RestHandle {
    /// What was bound, in the order of [`RestConfig::listen`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Resolves when the server has ended: after the shutdown token, or with the error that ended it.
    pub async fn ended(self) -> io::Result<()> {
        self.ended.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
    }
}

/// Binds and serves until `shutdown` is cancelled; then watches end, and running requests have five seconds.
///
/// Must be called within a Tokio runtime.
///
/// # Errors
/// If an address cannot be bound.
pub fn serve(config: RestConfig, executor: Executor, shutdown: CancellationToken) -> io::Result<RestHandle> {
    let listeners: Vec<TcpListener> = config.listen.iter().map(|address| bind(*address)).collect::<io::Result<_>>()?;
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    let acceptor = TlsAcceptor::from(config.tls.clone());
    let workers = config.workers.max(1);
    let state = web::Data::new(RestState {
        documents: Documents::new(executor.catalog(), &config),
        impersonator: gantry_auth::impersonation::Impersonator::default(),
        metrics: Metrics::register(config.metrics).map_err(io::Error::other)?,
        dial: config.dial,
        shutdown: shutdown.clone(),
        executor,
    });
    let mut builder = Server::build().workers(workers).disable_signals().shutdown_timeout(SHUTDOWN_SECONDS);
    for (at, listener) in listeners.into_iter().enumerate() {
        let (state, acceptor) = (state.clone(), acceptor.clone());
        builder = builder.listen(format!("rest-{at}"), listener, move || service(&state, &acceptor))?;
    }
    let server = builder.run();
    let handle = server.handle();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        handle.stop(true).await;
    });
    Ok(RestHandle { addresses, ended: tokio::spawn(server) })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// One listener's service: TLS, then HTTP. The handshake is done here and not by actix so that a connection's certificate is
/// judged once, and so that SPDY upgrades can be served (see [`stream`]).
fn service(
    state: &web::Data<RestState>,
    acceptor: &TlsAcceptor,
) -> impl actix_service::ServiceFactory<
    TcpStream,
    Config = (),
    Response = (),
    Error = actix_http::error::DispatchError,
    InitError = (),
> + use<> {
    let app = App::new().app_data(state.clone()).default_service(web::to(chain::entry));
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEADER_TIMEOUT)
        .secure()
        .on_connect_ext(|connection: &Connection, extensions| {
            extensions.insert(connection.peer());
        })
        .finish(map_config(app, |_| AppConfig::default()));
    let (state, acceptor) = (state.clone(), acceptor.clone());
    fn_service(move |tcp: TcpStream| accept(state.clone(), acceptor.clone(), tcp)).and_then(http)
}

type Accepted = (Connection, Protocol, Option<SocketAddr>);

async fn accept(
    state: web::Data<RestState>,
    acceptor: TlsAcceptor,
    tcp: TcpStream,
) -> Result<Accepted, actix_http::error::DispatchError> {
    let address = tcp.peer_addr().ok();
    // Answers are written whole: waiting for more to send only costs time.
    let _ = tcp.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await;
    let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long");
    let tls = handshake.map_err(timed_out).and_then(|done| done).map_err(actix_http::error::DispatchError::Io)?;
    let (_, session) = tls.get_ref();
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let peer = state.executor.authenticator().peer(session.peer_certificates(), jiff::Timestamp::now());
    Ok((Connection::new(tls, Arc::new(peer), protocol == Protocol::Http2), protocol, address))
}
