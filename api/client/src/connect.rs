//! gRPC where the server is ours, REST where it is not.

use std::{sync::Arc, time::Duration};

use gantry_runtime::{ObjectSink, ObjectSource};
use tracing::info;

use crate::{ClientConfig, ConfigError, GrpcClient, RestClient};

/// A gRPC server that does not answer by then counts as absent.
const PROBE: Duration = Duration::from_secs(3);

/// The way to a server.
#[derive(Clone)]
pub struct Connection {
    pub source: Arc<dyn ObjectSource>,
    pub sink: Arc<dyn ObjectSink>,
    /// For what the traits do not offer: logs, health, discovery.
    pub rest: RestClient,
    /// Where the server speaks `gantry.v1`.
    pub grpc: Option<GrpcClient>,
}

/// Makes the clients of a server. `grpc_server`: `https://HOST:PORT` of its gRPC door, if it may have one; where nothing of ours
/// answers there, everything goes over REST.
pub async fn connect(config: ClientConfig, grpc_server: Option<&str>) -> Result<Connection, ConfigError> {
    let rest = RestClient::new(config.clone())?;
    let grpc = match grpc_server {
        Some(server) => probe(config, server).await?,
        None => None,
    };
    Ok(match grpc {
        Some(grpc) => {
            let both = Arc::new(grpc.clone());
            Connection { source: both.clone(), sink: both, rest, grpc: Some(grpc) }
        }
        None => {
            let both = Arc::new(rest.clone());
            Connection { source: both.clone(), sink: both, rest, grpc: None }
        }
    })
}

async fn probe(mut config: ClientConfig, server: &str) -> Result<Option<GrpcClient>, ConfigError> {
    server.clone_into(&mut config.server);
    let grpc = GrpcClient::new(config)?;
    let serving = tokio::time::timeout(PROBE, grpc.is_serving()).await.unwrap_or(false);
    if !serving {
        info!(server, "no gRPC there, using REST");
    }
    Ok(serving.then_some(grpc))
}
