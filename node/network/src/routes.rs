//! Routes to the other nodes' pods, by way of their InternalIP on a subnet that we share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures::TryStreamExt;
use gantry_meta::GroupVersionResource;
use gantry_netfilter::Cidr;
use gantry_runtime::{Backoff, Cache, ListOptions, ObjectSource, inform};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};
use rtnetlink::{Handle, RouteMessageBuilder};
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Who made a route, as the kernel remembers it: routes of ours are found again after a restart, and nobody else's touched.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(71);

/// Whose routes they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteConfig {
    /// This node's name.
    pub node: String,
}

/// The part of a Node that routing needs.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct Node {
    spec: NodeSpec,
    status: NodeStatus,
}

#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct NodeSpec {
    #[serde(rename = "podCIDR")]
    pod_cidr: String,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct NodeStatus {
    addresses: Vec<NodeAddress>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(default)]
struct NodeAddress {
    r#type: String,
    address: String,
}

impl Node {
    fn gateway(&self) -> Option<Ipv4Addr> {
        self.status.addresses.iter().filter(|a| a.r#type == "InternalIP").find_map(|a| a.address.parse().ok())
    }

    fn blocks(&self) -> impl Iterator<Item = Cidr> {
        let all = self.spec.pod_cidrs.iter().chain([&self.spec.pod_cidr]);
        all.filter_map(|block| block.parse().ok()).filter(Cidr::is_ipv4)
    }
}

/// Destination block to gateway.
type Routes = BTreeMap<(IpAddr, u8), Ipv4Addr>;

/// Keeps the routes until `stop`; they stay in the kernel then. Failures are logged and tried again.
pub async fn run_routes(config: RouteConfig, source: Arc<dyn ObjectSource>, stop: CancellationToken) {
    let resource = GroupVersionResource::new("", "v1", "nodes");
    let nodes = inform(source, resource, ListOptions::default(), Cache::<Node>::new(), stop.clone());
    stop.run_until_cancelled(follow(config, nodes)).await;
}

async fn follow(config: RouteConfig, nodes: Arc<Cache<Node>>) {
    nodes.wait_synced().await;
    let mut events = nodes.subscribe();
    let mut backoff = Backoff::default();
    let mut written = None;
    loop {
        let wanted = wanted(&config, &nodes);
        let mut retry = None;
        if written.as_ref() != Some(&wanted) {
            match write(&wanted).await {
                Ok(()) => {
                    backoff.reset();
                    written = Some(wanted);
                }
                Err(error) => {
                    warn!(%error, "routes to other nodes' pods cannot be written (nodes must share a subnet)");
                    written = None;
                    retry = Some(Instant::now() + backoff.next_delay());
                }
            }
        }
        let due = async {
            match retry {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv() => if event.is_none() { return },
            () = due => {}
        }
        // A Node changes every few seconds, mostly in parts that do not matter here.
        while events.try_recv().is_ok() {}
    }
}

fn wanted(config: &RouteConfig, nodes: &Cache<Node>) -> Routes {
    let mut routes = Routes::new();
    for node in nodes.list().iter().filter(|node| *node.key.name != *config.node) {
        let Some(gateway) = node.gateway() else { continue };
        routes.extend(node.blocks().map(|block| ((block.address(), block.prefix()), gateway)));
    }
    routes
}

/// Makes our routes in the kernel be these. One that cannot be written does not keep the others from it.
async fn write(wanted: &Routes) -> Result<(), RouteError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(RouteError::Socket)?;
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let there = ours(&handle).await?;
    let mut outcome = Ok(());
    for (block, message) in &there {
        if !wanted.contains_key(block) {
            outcome = outcome.and(handle.route().del(message.clone()).execute().await.map_err(RouteError::from));
        }
    }
    for (&(address, prefix), &gateway) in wanted {
        let IpAddr::V4(address) = address else { continue };
        if there.get(&(address.into(), prefix)).and_then(gateway_of) == Some(gateway) {
            continue;
        }
        let route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(address, prefix).gateway(gateway);
        let added = handle.route().add(route.protocol(PROTOCOL).build()).replace().execute().await;
        info!(block = %format_args!("{address}/{prefix}"), %gateway, ok = added.is_ok(), "route to another node's pods");
        outcome = outcome.and(added.map_err(RouteError::from));
    }
    drop(connection);
    outcome
}

#[derive(Debug, thiserror::Error)]
enum RouteError {
    #[error("no netlink socket: {0}")]
    Socket(std::io::Error),
    #[error(transparent)]
    Netlink(#[from] rtnetlink::Error),
}

async fn ours(handle: &Handle) -> Result<BTreeMap<(IpAddr, u8), RouteMessage>, RouteError> {
    let all: Vec<_> =
        handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute().try_collect().await?;
    let ours = all.into_iter().filter(|route| route.header.protocol == PROTOCOL);
    Ok(ours.filter_map(|route| Some((destination_of(&route)?, route))).collect())
}

fn destination_of(route: &RouteMessage) -> Option<(IpAddr, u8)> {
    let prefix = route.header.destination_prefix_length;
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(((*address).into(), prefix)),
        _ => None,
    })
}

fn gateway_of(route: &RouteMessage) -> Option<Ipv4Addr> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    })
}
