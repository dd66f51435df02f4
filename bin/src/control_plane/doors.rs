//! The doors: where requests come in.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use async_trait::async_trait;
use gantry_auth::{
    pki::client_config,
    token::{jwks_document, openid_configuration},
};
use gantry_base::Shutdown;
use gantry_grpc::GrpcServer;
use gantry_network::connect_within;
use gantry_registry::Executor;
use gantry_rest::{NodeDialer, OwnNetwork, PodNetwork, RestConfig, serve};
use prometheus::Registry;
use tokio::net::{TcpListener, TcpStream};

use super::{ControlPlaneConfig, ISSUER, identity::Identity};

/// REST on every address that the configuration names.
///
/// # Errors
/// If an address cannot be bound.
pub fn open_rest(
    config: &ControlPlaneConfig,
    identity: &Identity,
    executor: &Executor,
    metrics: Registry,
    shutdown: &Shutdown,
) -> Result<()> {
    let kubelets = client_config(identity.authority.certificate_pem(), Some(&identity.kubelet_client))?;
    let advertised = config.user_address().to_string();
    let rest = RestConfig {
        listen: config.listen.clone(),
        tls: Arc::new(identity.tls.clone()),
        workers: std::thread::available_parallelism().map_or(2, usize::from),
        jwks: jwks_document([&*identity.signing_key]),
        openid_configuration: openid_configuration(ISSUER, &keys_url(config)),
        advertised,
        dial: Arc::new(NodeDialer::new(Arc::new(kubelets), pod_network(config))),
        metrics,
    };
    let handle = serve(rest, executor.clone(), shutdown.token()).context("the API cannot be served")?;
    shutdown.spawn(async move {
        if let Err(error) = handle.ended().await {
            tracing::error!(%error, "the API server ended");
        }
    });
    Ok(())
}

/// Where the keys of tokens are: pods read it too, so an address that they reach, which the one users are told need not be.
fn keys_url(config: &ControlPlaneConfig) -> String {
    format!("https://{}/openid/v1/jwks", SocketAddr::new(config.advertise, config.port()))
}

fn pod_network(config: &ControlPlaneConfig) -> Arc<dyn PodNetwork> {
    match &config.pods_within {
        Some(namespace) => Arc::new(Within(namespace.clone())),
        None => Arc::new(OwnNetwork),
    }
}

/// Pods of nodes that have namespaces of their own are reached from the namespace of a node: it alone has routes to all.
struct Within(PathBuf);

#[async_trait]
impl PodNetwork for Within {
    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let ip = host.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        connect_within(&self.0, SocketAddr::new(ip, port)).await
    }
}

/// gRPC on every address that the configuration names; returns the port of the first.
///
/// # Errors
/// If an address cannot be bound.
pub async fn open_grpc(
    config: &ControlPlaneConfig,
    identity: &Identity,
    executor: &Executor,
    shutdown: &Shutdown,
) -> Result<u16> {
    let mut port = 0;
    for asked in &config.grpc_listen {
        // All addresses share one port, whichever the first one got.
        let address = SocketAddr::new(asked.ip(), if asked.port() == 0 { port } else { asked.port() });
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot serve gRPC on {address}"))?;
        port = if port == 0 { listener.local_addr()?.port() } else { port };
        let server = GrpcServer::new(executor.clone(), identity.tls.clone());
        let stop = shutdown.token();
        shutdown.spawn(async move {
            if let Err(error) = server.serve(listener, stop).await {
                tracing::error!(%error, "the gRPC server ended");
            }
        });
    }
    Ok(port)
}
