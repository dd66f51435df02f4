//! The parts of Service and EndpointSlice that routing needs. Unknown fields are passed over.

use std::net::IpAddr;

use serde::Deserialize;

use crate::rule_ir::Protocol;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    pub name: String,
    pub namespace: String,
    pub labels: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    pub metadata: Meta,
    pub spec: ServiceSpec,
    pub status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    pub r#type: String,
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    pub external_name: String,
    pub allocate_load_balancer_node_ports: Option<bool>,
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<String>,
    pub ports: Vec<ServicePort>,
    pub session_affinity: String,
    pub session_affinity_config: SessionAffinityConfig,
    pub internal_traffic_policy: String,
    pub external_traffic_policy: String,
    pub health_check_node_port: u16,
    pub load_balancer_source_ranges: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionAffinityConfig {
    #[serde(rename = "clientIP")]
    pub client_ip: ClientIpConfig,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientIpConfig {
    pub timeout_seconds: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    #[serde(default)]
    pub name: String,
    #[serde(default = "tcp")]
    pub protocol: Protocol,
    pub port: u16,
    #[serde(default)]
    pub node_port: u16,
}

fn tcp() -> Protocol {
    Protocol::Tcp
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    pub load_balancer: LoadBalancerStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancerStatus {
    pub ingress: Vec<LoadBalancerIngress>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerIngress {
    pub ip: String,
    pub ip_mode: String,
}

/// The label on a slice that names its service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// The label on a service that somebody else routes.
pub const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    pub metadata: Meta,
    pub address_type: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub ports: Vec<EndpointPort>,
    #[serde(deserialize_with = "null_is_empty")]
    pub endpoints: Vec<Endpoint>,
}

impl EndpointSlice {
    /// Empty if the slice belongs to no service.
    pub fn service_name(&self) -> &str {
        self.metadata.labels.get(SERVICE_NAME_LABEL).map(String::as_str).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    pub name: Option<String>,
    pub protocol: Option<Protocol>,
    pub port: Option<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    #[serde(deserialize_with = "null_is_empty")]
    pub addresses: Vec<String>,
    pub conditions: EndpointConditions,
    pub node_name: Option<String>,
    pub hostname: Option<String>,
    pub hints: Option<EndpointHints>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointHints {
    #[serde(deserialize_with = "null_is_empty")]
    pub for_nodes: Vec<ForNode>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ForNode {
    pub name: String,
}

/// Unknown counts as ready, serving, not terminating.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    pub ready: Option<bool>,
    pub serving: Option<bool>,
    pub terminating: Option<bool>,
}

impl Endpoint {
    pub fn is_ready(&self) -> bool {
        self.conditions.ready.unwrap_or(true)
    }

    /// Shutting down, but still answering.
    pub fn is_leaving(&self) -> bool {
        let serving = self.conditions.serving.unwrap_or_else(|| self.is_ready());
        serving && self.conditions.terminating.unwrap_or(false)
    }

    /// The first address; the others, if any, mean the same endpoint.
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first()?.parse().ok()
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
