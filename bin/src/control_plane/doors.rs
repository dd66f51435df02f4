//! The doors: where requests come in.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use gantry_auth::{
    pki::client_config,
    token::{jwks_document, openid_configuration},
};
use gantry_base::Shutdown;
use gantry_grpc::GrpcServer;
use gantry_registry::Executor;
use gantry_rest::{NodeDialer, RestConfig, serve};
use prometheus::Registry;
use tokio::net::TcpListener;

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
        openid_configuration: openid_configuration(ISSUER, &format!("https://{advertised}/openid/v1/jwks")),
        advertised,
        dial: Arc::new(NodeDialer::new(Arc::new(kubelets))),
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
