//! A node's network from nothing to ready for pods, and back.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use gantry_netfilter::Cidr;
use tracing::{debug, info};

use crate::cni::{self, CniConfig, CniError, CniOutcome};
use crate::command::{CommandError, ip};
use crate::kernel::{self, SettingError};

/// What a node needs to know of its place in the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeNetworkConfig {
    /// The node's InternalIP.
    pub address: Ipv4Addr,
    /// The node's `spec.podCIDR`.
    pub pod_cidr: Cidr,
    /// Where the container runtime looks for CNI configurations.
    pub cni_conf_dir: PathBuf,
    /// A folder of the node's own for what the plugins remember.
    pub cni_state_dir: PathBuf,
    /// Where cluster DNS answers; the address is put on `lo`.
    pub cluster_dns: Option<Ipv4Addr>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// Where the container runtime finds the CNI plugins.
    pub cni_plugin_dir: PathBuf,
    pub cni: CniOutcome,
    pub mtu: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum NodeNetworkError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Cni(#[from] CniError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Makes the node ready for pods. To be called at start, and again when the node's podCIDR changes; what is right already
/// stays.
pub async fn prepare_node(config: &NodeNetworkConfig) -> Result<Prepared, NodeNetworkError> {
    let bridge_is_filtered = kernel::configure()?;
    if let Some(address) = config.cluster_dns {
        ip("link set lo up").await?;
        ip(&format!("address replace {address}/32 dev lo")).await?;
    }
    let mtu = kernel::mtu_of(config.address);
    let cni = CniConfig {
        conf_dir: config.cni_conf_dir.clone(),
        state_dir: config.cni_state_dir.clone(),
        pod_cidr: config.pod_cidr,
        mtu,
        bridge_is_filtered,
    };
    let cni_plugin_dir = cni::plugin_dir()?;
    let outcome = cni.install()?;
    info!(pod_cidr = %config.pod_cidr, mtu, bridge_is_filtered, ?outcome, "the node's network is ready for pods");
    Ok(Prepared { cni_plugin_dir, cni: outcome, mtu })
}

/// Takes back what [`prepare_node`] and the pods' bridge left, once no pod runs any more. Kernel settings stay: others may
/// rely on them by now. What is already gone is no error. The arguments are those of [`NodeNetworkConfig`].
pub async fn clean_up(cni_conf_dir: &Path, cluster_dns: Option<Ipv4Addr>) -> Result<(), NodeNetworkError> {
    cni::uninstall(cni_conf_dir)?;
    let links = [format!("link del {}", cni::BRIDGE)];
    let address = cluster_dns.map(|address| format!("address del {address}/32 dev lo"));
    for command in links.into_iter().chain(address) {
        if let Err(error) = ip(&command).await {
            debug!(%error, "nothing to take back");
        }
    }
    Ok(())
}
