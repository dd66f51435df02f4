//! The server: all services on one TLS listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gantry_proto::v1::{FILE_DESCRIPTOR_SET, nodes_server::NodesServer, resources_server::ResourcesServer};
use gantry_registry::Executor;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::{service::interceptor::InterceptedService, transport::Server};

use crate::{
    door::{Asked, Door},
    incoming,
    nodes::NodesService,
    refusal::refusal,
    resources::ResourcesService,
};

/// As REST: objects up to 3 MiB, and some room for what stands around them. A report holds many.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const KEEP_ALIVE: Duration = Duration::from_secs(20);

#[derive(Debug, Error)]
pub enum ServeError {
    #[error("the reflection service cannot be made: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("gRPC: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// The gRPC door, ready to serve.
pub struct GrpcServer {
    executor: Executor,
    tls: Arc<rustls::ServerConfig>,
}

impl GrpcServer {
    /// `tls`: as for REST; the connection is HTTP/2 whatever else it offers.
    pub fn new(executor: Executor, mut tls: rustls::ServerConfig) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Self { executor, tls: Arc::new(tls) }
    }

    /// Serves until `stop`; then running calls may finish and watches are ended.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), ServeError> {
        let address: Option<SocketAddr> = listener.local_addr().ok();
        tracing::info!(?address, "gRPC is served");
        let door = Door::new(self.executor.clone(), stop.clone());
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<ResourcesServer<ResourcesService>>().await;
        reporter.set_serving::<NodesServer<NodesService>>().await;
        let resources = ResourcesServer::new(ResourcesService { door: door.clone() });
        let nodes = NodesServer::new(NodesService { door: door.clone() });
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .build_v1()?;
        // Everything but health is for those who are known.
        let reflection = InterceptedService::new(reflection, move |call: tonic::Request<()>| {
            let known = door.known(call.metadata(), call.extensions(), Asked::Method(REFLECTION));
            known.map(|()| call).map_err(|status| *refusal(*status))
        });
        let connections = incoming::accept(
            listener,
            TlsAcceptor::from(self.tls),
            self.executor.authenticator().clone(),
            stop.clone(),
        );
        Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            .http2_adaptive_window(Some(true))
            .add_service(health)
            .add_service(reflection)
            .add_service(resources.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(nodes.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .serve_with_incoming_shutdown(connections, async move { stop.cancelled().await })
            .await?;
        Ok(())
    }
}
