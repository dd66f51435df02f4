//! The pod network of a node, and DNS on it, once the node has its range.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use gantry_agent::PodNetwork;
use gantry_base::Shutdown;
use gantry_dns::{DnsConfig, Upstreams};
use gantry_netfilter::{Cidr, FirewallDriver, iptables::IptablesDriver, iptables::Programs};
use gantry_network::{NodeNetworkConfig, clean_up, prepare_node};
use gantry_runtime::ObjectSource;

use super::{CLUSTER_CIDR, CLUSTER_DNS, CLUSTER_DOMAIN, NodeSettings, RESOLV_CONF, SERVICE_CIDR, runtime};

/// The packet filter of the namespace that the daemon runs in.
pub fn firewall() -> Box<dyn FirewallDriver> {
    Box::new(IptablesDriver::new(Programs::default(), gantry_proxy::chains::ownership()))
}

/// Takes back what a node leaves in the namespace that it ran in: service rules, the pods' bridge, cluster DNS's address.
///
/// # Errors
/// If the packet filter or the CNI configuration cannot be changed.
pub async fn take_back(data_dir: &Path) -> Result<()> {
    firewall().clear().await.context("the service rules")?;
    let cni_conf_dir = runtime::containerd_config(data_dir).cni_conf_dir;
    clean_up(&cni_conf_dir, Some(CLUSTER_DNS.into())).await.context("the pods' network")
}

pub struct NodeNetwork {
    address: Ipv4Addr,
    settings: NodeSettings,
    source: Arc<dyn ObjectSource>,
    shutdown: Shutdown,
    dns_runs: AtomicBool,
}

impl NodeNetwork {
    /// # Errors
    /// For a node without IPv4.
    pub fn new(settings: &NodeSettings, source: Arc<dyn ObjectSource>, shutdown: &Shutdown) -> Result<Self> {
        let IpAddr::V4(address) = settings.ip else { bail!("node addresses of IPv6 are not supported") };
        let (settings, shutdown) = (settings.clone(), shutdown.clone());
        Ok(Self { address, settings, source, shutdown, dns_runs: AtomicBool::new(false) })
    }

    /// Answers on the cluster DNS address, which is on the node by now.
    async fn serve_dns(&self) -> Result<(), String> {
        if self.dns_runs.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let block = |text: &str| text.parse::<Cidr>().map_err(|_| format!("{text} is no range"));
        let config = DnsConfig {
            listen: SocketAddr::from((CLUSTER_DNS, 53)),
            domain: CLUSTER_DOMAIN.into(),
            own_blocks: vec![block(CLUSTER_CIDR)?, block(SERVICE_CIDR)?],
            upstreams: Upstreams::ResolvConf(RESOLV_CONF.into()),
        };
        let (source, stop) = (self.source.clone(), self.shutdown.token());
        let bound = gantry_dns::Dns::bind(config).await;
        let dns = bound.inspect_err(|_| self.dns_runs.store(false, Ordering::Relaxed)).map_err(|e| e.to_string())?;
        self.shutdown.spawn(dns.serve(source, stop));
        Ok(())
    }
}

#[async_trait]
impl PodNetwork for NodeNetwork {
    async fn prepare(&self, pod_cidrs: &[String]) -> Result<(), String> {
        let pods = pod_cidrs.iter().find_map(|cidr| cidr.parse::<Cidr>().ok());
        let config = NodeNetworkConfig {
            address: self.address,
            pod_cidr: pods.ok_or("the node has no IPv4 pod range yet")?,
            cni_conf_dir: runtime::cni_conf_dir(&self.settings),
            cni_state_dir: self.settings.data_dir.join("cni-state"),
            cluster_dns: Some(Ipv4Addr::from(CLUSTER_DNS)),
        };
        prepare_node(&config).await.map_err(|e| format!("{:#}", anyhow::Error::from(e)))?;
        self.serve_dns().await
    }
}
