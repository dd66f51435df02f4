//! What a node daemon is told about itself and its cluster.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Configuration of one node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub name: String,
    /// The address under which the API server and other nodes reach this node.
    pub ip: IpAddr,
    /// Pods' folders, container logs and the daemon's own state.
    pub data_dir: PathBuf,
    /// containerd's socket.
    pub runtime_socket: PathBuf,
    /// A folder of image archives to import; `None`: none.
    pub image_folder: Option<PathBuf>,
    pub kubelet_port: u16,
    pub cluster_dns: Vec<IpAddr>,
    pub cluster_domain: String,
    /// What pods with `dnsPolicy: Default` inherit, and what the search list is extended with.
    pub resolv_conf: PathBuf,
    /// The cgroup that holds all pods of this node, an absolute cgroup path.
    pub cgroup_root: String,
    pub labels: BTreeMap<String, String>,
    pub max_pods: u32,
    /// The size at which a container's log is rotated, in bytes, and how many rotated files are kept.
    pub log_max_bytes: u64,
    pub log_max_files: usize,
}

impl NodeConfig {
    /// Kubernetes' defaults for a node of this name.
    pub fn new(name: &str, ip: IpAddr, data_dir: &Path, runtime_socket: &Path) -> Self {
        Self {
            name: name.into(),
            ip,
            data_dir: data_dir.into(),
            runtime_socket: runtime_socket.into(),
            image_folder: None,
            kubelet_port: 10250,
            cluster_dns: vec![IpAddr::from([10, 96, 0, 10])],
            cluster_domain: "cluster.local".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            cgroup_root: Self::cgroup_root_of(name),
            labels: BTreeMap::new(),
            max_pods: 110,
            log_max_bytes: 10 << 20,
            log_max_files: 5,
        }
    }

    /// The cgroup that holds all pods of the node of this name: `/gantry-NAME`.
    pub fn cgroup_root_of(name: &str) -> String {
        format!("/gantry-{name}")
    }
}
