//! Several nodes on one machine: a network namespace for each, joined by a bridge.
//!
//! ```text
//!   host                      switch namespace            node namespaces
//!   gtr-HASH  .1  ── veth ──  up0 ┐
//!                                 ├ br0 ┬ n1  ── veth ──  eth0 .11   gantry-HASH-1
//!                                 ┘     └ n2  ── veth ──  eth0 .12   gantry-HASH-2
//! ```
//! The bridge has a namespace of its own because frames across a bridge of the host would pass the host's packet filter,
//! where Docker and firewalls drop what they do not know. HASH comes from the data folder, so instances stand side by
//! side. Names, subnet and addresses stay the same from one start to the next unless somebody else took the subnet.

use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::{debug, info};

use crate::command::{CommandError, ip};

/// Where `ip netns` keeps its names.
const NETNS_DIR: &str = "/run/netns";
/// Held while a subnet is chosen, so that two instances that start together do not choose the same.
const LOCK_FILE: &str = "/run/gantry-networks.lock";
/// Subnets are `172.29.N.0/24`.
const SUBNET_PREFIX: [u8; 2] = [172, 29];
/// The first node's address ends with this number plus one.
const FIRST_NODE: u8 = 10;
/// Nodes that one subnet and the naming have room for.
pub const NODES_MAX: u8 = 200;

#[derive(Debug, thiserror::Error)]
pub enum NodeNetworksError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("the machine's addresses and routes cannot be read")]
    Unreadable(#[from] serde_json::Error),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("every subnet of 172.29.0.0/16 is in use on this machine")]
    NoFreeSubnet,
    #[error("{0} nodes are too many: at most {NODES_MAX}")]
    TooManyNodes(usize),
}

/// One node's network namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeNamespace {
    /// The node's name and the namespace's: `ip netns exec NAME ...`.
    pub name: String,
    /// `/run/netns/NAME`
    pub path: PathBuf,
    /// The node's InternalIP, on `eth0`.
    pub address: Ipv4Addr,
    /// The host's address on the same subnet: here the nodes reach the API.
    pub gateway: Ipv4Addr,
}

/// The namespaces of one instance.
#[derive(Clone, Debug)]
pub struct NodeNetworks {
    hash: String,
    subnet_hint: u8,
}

impl NodeNetworks {
    /// For the instance with this data folder, which should exist: its canonical path is what counts.
    pub fn new(data_dir: &Path) -> Self {
        let path = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        let digest = Sha256::digest(path.as_os_str().as_bytes());
        Self { hash: hex::encode(&digest[..3]), subnet_hint: digest[3] }
    }

    /// The interface of the host that carries the gateway address.
    pub fn host_interface(&self) -> String {
        format!("gtr-{}", self.hash)
    }

    /// Makes what is missing of `count` namespaces, and returns all of them. What is there stays untouched, with all that
    /// runs in it.
    ///
    /// # Errors
    /// No root, no `ip`, no free subnet. What was made until then is left for the next try or [`Self::destroy`].
    pub async fn create(&self, count: usize) -> Result<Vec<NodeNamespace>, NodeNetworksError> {
        let count =
            u8::try_from(count).ok().filter(|n| *n <= NODES_MAX).ok_or(NodeNetworksError::TooManyNodes(count))?;
        let gateway = self.switch_create().await?;
        let mut nodes = Vec::new();
        for number in 1..=count {
            nodes.push(self.node_create(number, gateway).await?);
        }
        info!(nodes = count, %gateway, interface = self.host_interface(), "node networks are up");
        Ok(nodes)
    }

    /// Removes all of the instance's namespaces and links. Processes that still run in them lose their network. What is
    /// already gone is no error.
    pub async fn destroy(&self) -> Result<(), NodeNetworksError> {
        let host = self.host_interface();
        if Path::new("/sys/class/net").join(&host).exists() {
            ip(&format!("link del {host}")).await?;
        }
        for name in self.namespaces()? {
            // Links first: a namespace lives on as long as a process is in it.
            for link in ["eth0", "br0"] {
                if let Err(error) = ip(&format!("-n {name} link del {link}")).await {
                    debug!(%error, "no such link to remove");
                }
            }
            ip(&format!("netns del {name}")).await?;
        }
        Ok(())
    }

    /// Whether a node of this name has a namespace of this instance, rather than being the machine itself.
    pub fn is_node(&self, name: &str) -> bool {
        name.starts_with(&self.prefix())
    }

    fn prefix(&self) -> String {
        format!("gantry-{}-", self.hash)
    }

    fn switch(&self) -> String {
        self.prefix() + "switch"
    }

    fn namespaces(&self) -> Result<Vec<String>, NodeNetworksError> {
        let entries = match std::fs::read_dir(NETNS_DIR) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(NodeNetworksError::File { path: NETNS_DIR.into(), source }),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| name.starts_with(&self.prefix())).collect())
    }

    /// The bridge's namespace and the host's way into it; the host's address there.
    async fn switch_create(&self) -> Result<Ipv4Addr, NodeNetworksError> {
        let (host, switch) = (self.host_interface(), self.switch());
        let _held = lock().await?;
        let addresses: Vec<Link> = serde_json::from_str(&ip("-j -4 address show").await?)?;
        let known = addresses.iter().find(|link| link.ifname == host).and_then(Link::first_address);
        if let (Some(gateway), true) = (known, is_mounted(&switch)) {
            return Ok(gateway);
        }
        // Half of it is of no use: begin anew.
        self.destroy().await?;
        let gateway = self.free_gateway(&addresses).await?;
        ip(&format!("netns add {switch}")).await?;
        ip(&format!("-n {switch} link set lo up")).await?;
        ip(&format!("-n {switch} link add br0 type bridge")).await?;
        ip(&format!("-n {switch} link set br0 up")).await?;
        ip(&format!("link add {host} type veth peer name up0 netns {switch}")).await?;
        ip(&format!("-n {switch} link set up0 master br0 up")).await?;
        ip(&format!("address add {gateway}/24 dev {host}")).await?;
        ip(&format!("link set {host} up")).await?;
        Ok(gateway)
    }

    /// The host's address in a subnet that nothing on this machine uses; first tried is the one the data folder hashes to.
    async fn free_gateway(&self, addresses: &[Link]) -> Result<Ipv4Addr, NodeNetworksError> {
        let routes: Vec<Route> = serde_json::from_str(&ip("-j -4 route show table all").await?)?;
        let [a, b] = SUBNET_PREFIX;
        let taken = |third: u8| {
            let subnet = format!("{a}.{b}.{third}.");
            let wide = format!("{a}.{b}.0.0/16");
            routes.iter().any(|route| route.dst.starts_with(&subnet) || route.dst == wide)
                || addresses.iter().flat_map(|link| &link.addr_info).any(|address| address.local.starts_with(&subnet))
        };
        let candidates = (0..=u8::MAX).map(|step| self.subnet_hint.wrapping_add(step));
        let third = candidates.into_iter().find(|third| !taken(*third)).ok_or(NodeNetworksError::NoFreeSubnet)?;
        Ok(Ipv4Addr::new(a, b, third, 1))
    }

    async fn node_create(&self, number: u8, gateway: Ipv4Addr) -> Result<NodeNamespace, NodeNetworksError> {
        let name = format!("{}{number}", self.prefix());
        let [a, b, c, _] = gateway.octets();
        let address = Ipv4Addr::new(a, b, c, FIRST_NODE + number);
        let node = NodeNamespace { path: Path::new(NETNS_DIR).join(&name), name, address, gateway };
        if !node.is_complete().await {
            self.node_remove(&node).await?;
            self.node_wire(&node, number).await?;
        }
        Ok(node)
    }

    async fn node_remove(&self, node: &NodeNamespace) -> Result<(), NodeNetworksError> {
        if node.path.exists() {
            ip(&format!("netns del {}", node.name)).await?;
        }
        Ok(())
    }

    async fn node_wire(&self, node: &NodeNamespace, number: u8) -> Result<(), NodeNetworksError> {
        let (switch, name) = (self.switch(), &node.name);
        ip(&format!("netns add {name}")).await?;
        ip(&format!("-n {name} link set lo up")).await?;
        ip(&format!("-n {name} link add eth0 type veth peer name n{number} netns {switch}")).await?;
        ip(&format!("-n {switch} link set n{number} master br0 up")).await?;
        ip(&format!("-n {name} link set eth0 up")).await?;
        ip(&format!("-n {name} address add {}/24 dev eth0", node.address)).await?;
        ip(&format!("-n {name} route add default via {}", node.gateway)).await?;
        Ok(())
    }
}

impl NodeNamespace {
    /// All of it stands: the default route is made last.
    async fn is_complete(&self) -> bool {
        let route = ip(&format!("-n {} -4 route show default", self.name)).await;
        is_mounted(&self.name) && route.is_ok_and(|route| route.contains(&format!("via {} ", self.gateway)))
    }
}

/// The name leads to a namespace, and is not the empty file that a crashed `ip netns add` leaves.
fn is_mounted(name: &str) -> bool {
    std::fs::File::open(Path::new(NETNS_DIR).join(name))
        .is_ok_and(|file| nix::sys::statfs::fstatfs(&file).is_ok_and(|fs| fs.filesystem_type().0 == libc_nsfs()))
}

/// `NSFS_MAGIC` of linux/magic.h.
fn libc_nsfs() -> nix::libc::c_long {
    0x6e73_6673
}

/// Waits on a thread of its own: the holder may be a task of this very thread.
async fn lock() -> Result<nix::fcntl::Flock<std::fs::File>, NodeNetworksError> {
    let failed = |source| NodeNetworksError::File { path: LOCK_FILE.into(), source };
    let file = std::fs::File::create(LOCK_FILE).map_err(failed)?;
    let wait = || nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).map_err(|(_, errno)| errno.into());
    tokio::task::spawn_blocking(wait).await.map_err(std::io::Error::other).and_then(|held| held).map_err(failed)
}

/// One element of `ip -j address`.
#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    local: String,
}

impl Link {
    fn first_address(&self) -> Option<Ipv4Addr> {
        self.addr_info.first()?.local.parse().ok()
    }
}

/// One element of `ip -j route`.
#[derive(Deserialize)]
struct Route {
    #[serde(default)]
    dst: String,
}
