//! What a service type wants done with packets, as plain data: the result of `plan`.
//!
//! The node compiles it into its packet filter. Nothing here names iptables, a chain or a mark, so the same plan works
//! with any filter, can be printed and compared, and can do no harm beyond the service it is for.
//!
//! A service's [`Rule`]s are tried in order; the first that matches a packet decides. What no rule matches is left alone.
//!
//! ```
//! use gantry_plugin::rule_ir::*;
//! let rules = ServiceRules {
//!     namespace: "default".into(),
//!     name: "web".into(),
//!     pools: vec![Pool {
//!         port: "http".into(),
//!         protocol: Protocol::Tcp,
//!         scope: Scope::Cluster,
//!         affinity: None,
//!         backends: vec![Backend { address: "10.244.1.5".parse().unwrap(), port: 8080, weight: 1 }],
//!     }],
//!     rules: vec![Rule {
//!         port: "http".into(),
//!         protocol: Protocol::Tcp,
//!         to: Destination::Address { address: "10.96.0.7".parse().unwrap(), port: 80 },
//!         from: Source::Anyone,
//!         action: Action::Forward { pool: 0, masquerade: Masquerade::Strangers },
//!         note: "cluster IP".into(),
//!     }],
//!     health_check: None,
//! };
//! let text = serde_json::to_string(&RuleIr { services: vec![rules.clone()] }).unwrap();
//! assert_eq!(serde_json::from_str::<RuleIr>(&text).unwrap().services, [rules]);
//! ```

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The rules of the services that `plan` was asked for. A service that is not named gets none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleIr {
    pub services: Vec<ServiceRules>,
}

/// Everything that one node does for one service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRules {
    pub namespace: String,
    pub name: String,
    /// Where packets may go; rules name a pool by its index.
    pub pools: Vec<Pool>,
    pub rules: Vec<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

/// Backends that share the connections sent to them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// The service port's name, possibly empty. Port, protocol and scope name what the node keeps for the pool.
    pub port: String,
    pub protocol: Protocol,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<ClientIpAffinity>,
    /// Not empty for a pool that a rule forwards to.
    pub backends: Vec<Backend>,
}

/// Whose backends a pool holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Any node's.
    Cluster,
    /// Only those on this node.
    Node,
}

/// One client's connections go to one backend as long as the last one is no older than this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientIpAffinity {
    pub timeout_seconds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Backend {
    pub address: IpAddr,
    pub port: u16,
    /// Share of the connections, relative to the pool's other backends; at least 1.
    pub weight: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The service port's name, possibly empty; for people who read the node's tables.
    pub port: String,
    pub protocol: Protocol,
    pub to: Destination,
    pub from: Source,
    pub action: Action,
    /// What the rule is for, in a few words.
    pub note: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// Where a packet was sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Destination {
    Address {
        address: IpAddr,
        port: u16,
    },
    /// This port on any address of the node.
    NodePort {
        port: u16,
    },
}

/// Where a packet comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Source {
    Anyone,
    /// Pods of the cluster.
    Pods,
    /// This node itself.
    Node,
    /// These address blocks (`10.0.0.0/8`).
    Blocks {
        blocks: Vec<String>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Action {
    /// To a backend of the pool.
    Forward { pool: usize, masquerade: Masquerade },
    /// Answered at once with a refusal.
    Reject,
    /// Swallowed.
    Drop,
}

/// Whose source address is replaced by the node's, so that the answer comes back this way. A pod that reaches itself
/// through a service is masqueraded by the node in any case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Masquerade {
    Nobody,
    /// Everybody's who is no pod of the cluster.
    Strangers,
    Everybody,
}

/// A port on which the node tells load balancers whether it has backends of its own: 200 or 503.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    pub port: u16,
    pub local_backends: u32,
}
