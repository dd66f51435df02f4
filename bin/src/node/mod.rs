//! The node daemon, wired: containerd, pods, pod network, services, DNS, kubelet API.

mod authorizer;
pub mod join;
pub mod lock;
pub mod network;
mod planner;
pub mod runtime;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use gantry_agent::{KubeletServing, NodeConfig, NodeParts};
use gantry_auth::pki::{ClientCertificates, IssuedCertificate, RotatingCertificate, server_config};
use gantry_base::Shutdown;
use gantry_client::{ClientConfig, GrpcClient, RestClient};
use gantry_network::{RouteConfig, run_routes};
use gantry_plugin_host::PluginHost;
use gantry_proxy::{ProxyConfig, chains::Networks};
use gantry_runtime::{ObjectSink, ObjectSource};

use crate::plugin_folder::{Family, libraries};
use authorizer::DelegatedAuthorizer;
use network::NodeNetwork;
use planner::PluginPlanner;

const CLUSTER_CIDR: &str = "10.244.0.0/16";
const SERVICE_CIDR: &str = "10.96.0.0/16";
const CLUSTER_DNS: [u8; 4] = [10, 96, 0, 10];
const CLUSTER_DOMAIN: &str = "cluster.local";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What a node is told.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    pub name: String,
    pub ip: IpAddr,
    pub data_dir: PathBuf,
    pub kubeconfig: PathBuf,
    /// Of the service proxy and DNS; `None`: the node's own.
    pub proxy_kubeconfig: Option<PathBuf>,
    /// `HOST:PORT`; `None`: the node speaks REST.
    pub grpc_server: Option<String>,
    /// `None`: a containerd of our own.
    pub containerd_socket: Option<PathBuf>,
    pub images: Option<PathBuf>,
    pub kubelet_port: u16,
    /// Certificate and key of the kubelet API; `None`: the cluster is asked for one.
    pub kubelet_files: Option<(PathBuf, PathBuf)>,
    pub plugin_dir: PathBuf,
}

/// What a node is called that is not told: the machine's name, in lower case as objects' names are.
///
/// # Errors
/// If the machine has none.
pub fn machine_name() -> Result<String> {
    Ok(nix::unistd::gethostname()?.to_string_lossy().to_lowercase())
}

/// Runs until shutdown.
///
/// # Errors
/// If a part cannot be started.
pub async fn run(settings: NodeSettings, shutdown: &Shutdown) -> Result<()> {
    let client = ClientConfig::from_kubeconfig(&settings.kubeconfig, None)?.user_agent("gantry-node");
    let (source, sink) = cluster(&settings, &client)?;
    let socket = runtime::ensure(&settings, shutdown).await?;
    let proxied = match &settings.proxy_kubeconfig {
        Some(file) => cluster(&settings, &ClientConfig::from_kubeconfig(file, None)?.user_agent("gantry-proxy"))?.0,
        None => source.clone(),
    };
    let network = Arc::new(NodeNetwork::new(&settings, proxied.clone(), shutdown)?);
    services(&settings, &proxied, shutdown).await?;

    let mut config = NodeConfig::new(&settings.name, settings.ip, &settings.data_dir, &socket);
    config.image_folder = settings.images.clone();
    config.kubelet_port = settings.kubelet_port;
    let kubelet = kubelet(&settings, &client, &(source.clone(), sink.clone()), shutdown)?;
    let parts = NodeParts { source, sink, network, kubelet: Some(kubelet) };
    gantry_agent::run(config, parts, shutdown.clone()).await.context("the node daemon ended")
}

/// gRPC where the server offers it, REST to any other.
fn cluster(settings: &NodeSettings, client: &ClientConfig) -> Result<(Arc<dyn ObjectSource>, Arc<dyn ObjectSink>)> {
    if let Some(server) = &settings.grpc_server {
        let config = ClientConfig { server: format!("https://{server}"), ..client.clone() };
        let client = Arc::new(GrpcClient::new(config)?);
        return Ok((client.clone(), client));
    }
    let client = Arc::new(RestClient::new(client.clone())?);
    Ok((client.clone(), client))
}

/// Service addresses and ports of the cluster, answered on this node.
async fn services(settings: &NodeSettings, source: &Arc<dyn ObjectSource>, shutdown: &Shutdown) -> Result<()> {
    let host = Arc::new(PluginHost::new(&settings.data_dir.join("plugins"))?);
    for library in libraries(&settings.plugin_dir, Family::Service)? {
        host.load_all(&library).with_context(|| format!("plugin {}", library.display()))?;
    }
    let planner = PluginPlanner::of(&host).await.context("the service types cannot be asked")?;
    let networks = Networks { pods: Some(CLUSTER_CIDR.parse().context("the pods' range")?) };
    let config = ProxyConfig { node: settings.name.clone(), networks };
    let firewall = network::firewall();
    let stop = shutdown.token();
    shutdown.spawn(gantry_proxy::run(config, source.clone(), Arc::new(planner), firewall, stop.clone()));
    shutdown.spawn(run_routes(RouteConfig { node: settings.name.clone() }, source.clone(), stop));
    Ok(())
}

/// The kubelet API, with the certificate named or one that the cluster signs.
fn kubelet(
    settings: &NodeSettings,
    client: &ClientConfig,
    cluster: &(Arc<dyn ObjectSource>, Arc<dyn ObjectSink>),
    shutdown: &Shutdown,
) -> Result<KubeletServing> {
    let certificate = match &settings.kubelet_files {
        Some((certificate, key)) => RotatingCertificate::new(&read_certificate(certificate, key)?)?,
        None => {
            let certificate = RotatingCertificate::new(&IssuedCertificate::self_signed(&settings.name)?)?;
            let (name, stop) = (settings.name.clone(), shutdown.token());
            shutdown.spawn(join::serve(certificate.clone(), name, settings.ip, cluster.clone(), stop));
            certificate
        }
    };
    let clients = ClientCertificates::new(&client.authority_pem)?;
    let tls = server_config(certificate, Some(&clients))?;
    Ok(KubeletServing {
        listen: SocketAddr::new(settings.ip, settings.kubelet_port),
        tls: Arc::new(tls),
        authorizer: Arc::new(DelegatedAuthorizer::new(clients, settings.name.clone(), cluster.1.clone())),
    })
}

fn read_certificate(certificate: &Path, key: &Path) -> Result<IssuedCertificate> {
    let read = |file: &Path| std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    Ok(IssuedCertificate { certificate_pem: read(certificate)?, key_pem: read(key)? })
}
