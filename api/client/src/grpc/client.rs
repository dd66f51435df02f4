//! The channel and its stubs.

use std::{sync::Arc, time::Duration};

use gantry_meta::GroupVersionResource;
use gantry_proto::v1::{Target, nodes_client::NodesClient, resources_client::ResourcesClient};
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::watch_hub::WatchHub;
use crate::{
    ClientConfig, ConfigError, Token,
    transport::{CONNECTION_WINDOW_BYTES, Connector, STREAM_WINDOW_BYTES},
};

const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Room for a chunk of large objects; single objects are limited to 3 MiB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

pub(super) type Stub = InterceptedService<Channel, BearerToken>;

/// A client of our gRPC door: an `ObjectSource` and an `ObjectSink`. Cloning shares the one connection, and all watches share one
/// stream on it.
#[derive(Clone)]
pub struct GrpcClient {
    channel: Stub,
    timeout: Duration,
    watches: Arc<WatchHub>,
}

impl GrpcClient {
    /// `config.server` is the gRPC door. Connects at the first call, and again whenever the connection is lost.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let connector = Connector::new(&config, &[b"h2"])?;
        let bad = |error: tonic::transport::Error| ConfigError::Server(config.server.clone(), error.to_string());
        let origin: http::Uri =
            config.server.parse().map_err(|_| ConfigError::Server(config.server.clone(), "is no URL".into()))?;
        // Our connector brings TLS along, which tonic does not know: it refuses to connect to https by itself.
        let endpoint = Endpoint::from_shared(config.server.replacen("https://", "http://", 1))
            .and_then(|endpoint| endpoint.user_agent(config.user_agent.clone()))
            .map_err(bad)?
            .origin(origin)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let channel = endpoint.connect_with_connector_lazy(connector);
        let channel = InterceptedService::new(channel, BearerToken(config.token.clone()));
        Ok(Self { watches: Arc::new(WatchHub::new(stub(channel.clone()))), timeout: config.timeout, channel })
    }

    /// Whether a server of ours answers and serves.
    pub async fn is_serving(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    pub(super) fn resources(&self) -> ResourcesClient<Stub> {
        stub(self.channel.clone())
    }

    pub(super) fn nodes(&self) -> NodesClient<Stub> {
        NodesClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(super) fn watches(&self) -> &Arc<WatchHub> {
        &self.watches
    }

    /// A request with the configured deadline.
    pub(super) fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }
}

fn stub(channel: Stub) -> ResourcesClient<Stub> {
    ResourcesClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

pub(super) fn target(resource: &GroupVersionResource, namespace: &str, name: &str, subresource: &str) -> Target {
    Target {
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        resource: resource.resource.to_string(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
    }
}

/// Sends the token that is current at each call.
#[derive(Clone)]
pub(super) struct BearerToken(Token);

impl Interceptor for BearerToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = self.0.current()
            && let Ok(mut value) = MetadataValue::try_from(format!("Bearer {token}"))
        {
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}
