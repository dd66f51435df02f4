//! The kubelet API: what the API server asks a node for (logs, exec, attach, port-forward) and what monitors read.

pub mod logs;
pub mod proxy;
pub mod remote_command;
pub mod routes;
pub mod spdy;
pub mod stats;
pub mod stream_query;
pub mod tunnel;
pub mod upgrade;

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use gantry_base::Shutdown;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{context::NodeContext, pods::Pods};

/// Who may use the kubelet API.
#[async_trait]
pub trait KubeletAuthorizer: Send + Sync {
    /// `client_certificate` is the DER form of the verified certificate, if the client has one. `verb` and `subresource`
    /// are those of the `nodes` resource, as upstream maps paths (`proxy`, `log`, `stats`, `metrics`, ...).
    async fn allows(
        &self,
        client_certificate: Option<&[u8]>,
        bearer_token: Option<&str>,
        verb: &str,
        subresource: &str,
    ) -> bool;
}

/// How the kubelet API is served.
#[derive(Clone)]
pub struct KubeletServing {
    pub listen: SocketAddr,
    /// With a verifier for client certificates.
    pub tls: Arc<ServerConfig>,
    pub authorizer: Arc<dyn KubeletAuthorizer>,
}

/// What the handlers work on.
#[derive(Clone)]
pub struct KubeletState {
    pub node: Arc<NodeContext>,
    pub pods: Arc<Pods>,
    pub authorizer: Arc<dyn KubeletAuthorizer>,
}

/// The certificate that a connection's client has shown.
#[derive(Clone, Default)]
pub struct ClientCertificate(pub Option<Arc<[u8]>>);

/// Starts to serve; returns once the port is bound.
pub async fn serve(
    serving: KubeletServing,
    node: Arc<NodeContext>,
    pods: Arc<Pods>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let listener = TcpListener::bind(serving.listen).await?;
    let acceptor = TlsAcceptor::from(serving.tls);
    let router = routes::router(KubeletState { node, pods, authorizer: serving.authorizer });
    let stop = shutdown.token();
    shutdown.spawn(async move {
        let accept = async {
            loop {
                match listener.accept().await {
                    Ok((socket, _)) => {
                        tokio::spawn(connection(acceptor.clone(), socket, router.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the kubelet API could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(accept).await;
    });
    Ok(())
}

async fn connection(acceptor: TlsAcceptor, socket: TcpStream, router: axum::Router) {
    let stream = match acceptor.accept(socket).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a TLS handshake with the kubelet API failed"),
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(<[_]>::first).map(|c| Arc::from(c.as_ref()));
    let service = router.layer(axum::Extension(ClientCertificate(certificate)));
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the kubelet API ended");
    }
}
