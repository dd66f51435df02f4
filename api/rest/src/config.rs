//! How the REST door is opened.

use std::{net::SocketAddr, sync::Arc};

use rustls::ServerConfig;

use crate::proxy::Dial;

/// How the REST door is opened.
pub struct RestConfig {
    /// Port 0 takes any that is free; see [`RestHandle::addresses`].
    pub listen: Vec<SocketAddr>,
    /// With `h2` and `http/1.1` as ALPN protocols, and asking for client certificates.
    pub tls: Arc<ServerConfig>,
    /// Threads that serve requests.
    pub workers: usize,
    /// `HOST:PORT` by which clients reach this server; said in discovery.
    pub advertised: String,
    /// `/openid/v1/jwks`: see `gantry_auth::token::jwks_document`.
    pub jwks: serde_json::Value,
    /// `/.well-known/openid-configuration`: see `gantry_auth::token::openid_configuration`.
    pub openid_configuration: serde_json::Value,
    /// How nodes, pods and services are reached for connect verbs.
    pub dial: Arc<dyn Dial>,
    /// What `/metrics` shows; the door's own metrics are added to it.
    pub metrics: prometheus::Registry,
}
