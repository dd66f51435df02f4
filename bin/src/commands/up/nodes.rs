//! The nodes of an instance: what each is called, where it lives, and the files its daemon starts from.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    path::Path,
};

use anyhow::{Context, Result};
use gantry_auth::{
    kubeconfig::{Credentials, kubeconfig},
    pki::{CertificateAuthority, IssuedCertificate, Validity},
};
use gantry_base::{DataDir, data_dir::write_atomically};
use gantry_network::{NodeNamespace, NodeNetworks};
use jiff::Timestamp;
use serde_json::json;

use super::{namespaces, node_process::NodeProcess};
use crate::node::machine_name;

/// Node certificates are made anew at each start.
const CERTIFICATE_DAYS: u16 = 365;

/// Where a node runs.
#[derive(Clone, Debug)]
pub struct NodePlace {
    pub name: String,
    pub address: IpAddr,
    /// `None`: on the machine itself.
    pub namespace: Option<NodeNamespace>,
}

impl NodePlace {
    /// The machine itself, under its host name.
    ///
    /// # Errors
    /// If the machine has no host name or no address.
    pub fn this_machine() -> Result<Self> {
        Ok(Self { name: machine_name()?, address: machine_address()?, namespace: None })
    }

    /// Where this node reaches the API.
    pub fn api_address(&self) -> IpAddr {
        self.namespace.as_ref().map_or(self.address, |n| n.gateway.into())
    }

    /// `count` nodes in namespaces of their own.
    ///
    /// # Errors
    /// If the namespaces cannot be made.
    pub async fn in_namespaces(dir: &DataDir, count: u8) -> Result<Vec<Self>> {
        let made = NodeNetworks::new(dir.path()).create(usize::from(count)).await?;
        let place = |n: NodeNamespace| Self { name: n.name.clone(), address: n.address.into(), namespace: Some(n) };
        Ok(made.into_iter().map(place).collect())
    }
}

/// The address that others reach this machine at: the one that packets to elsewhere leave from.
///
/// # Errors
/// If there is no such address.
pub fn machine_address() -> Result<IpAddr> {
    // Connecting a datagram socket sends nothing; it makes the kernel choose a source address. 192.0.2.0/24 is documentation's.
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let chosen = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    Ok(chosen.context("this machine has no route to anywhere: name an address with --listen")?.ip())
}

/// What all nodes of an instance are told.
pub struct Fleet<'a> {
    pub dir: &'a DataDir,
    pub authority: &'a CertificateAuthority,
    pub api_port: u16,
    pub grpc_port: u16,
    pub plugin_dir: &'a Path,
}

impl Fleet<'_> {
    /// Writes the node's files and says how to start its daemon.
    ///
    /// # Errors
    /// If a certificate cannot be made or a file not be written.
    pub fn prepare(&self, place: &NodePlace) -> Result<NodeProcess> {
        let folder = self.dir.node(&place.name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let api = place.api_address();
        namespaces::ensure(place, &folder)?;
        self.write_credentials(place, &folder, api)?;
        let config = folder.join("node.yaml");
        write_atomically(&config, self.config(place, &folder, api).to_string().as_bytes(), 0o644)?;
        Ok(NodeProcess {
            name: place.name.clone(),
            command: command(place, &config, &folder)?,
            log: self.dir.logs().join(format!("{}.log", place.name)),
        })
    }

    fn write_credentials(&self, place: &NodePlace, folder: &Path, api: IpAddr) -> Result<()> {
        let validity = Validity::days(Timestamp::now(), CERTIFICATE_DAYS);
        let certificate = self.authority.issue_node(&place.name, &[place.address, [127, 0, 0, 1].into()], validity)?;
        certificate.save(folder, "kubelet")?;
        let user = format!("system:node:{}", place.name);
        self.write_kubeconfig(&folder.join("kubeconfig"), &user, &certificate, api)?;
        let user = "system:kube-proxy";
        let certificate = self.authority.issue_client(user, None, validity)?;
        self.write_kubeconfig(&folder.join("proxy.kubeconfig"), user, &certificate, api)
    }

    fn write_kubeconfig(&self, path: &Path, user: &str, certificate: &IssuedCertificate, api: IpAddr) -> Result<()> {
        let server = format!("https://{}", SocketAddr::new(api, self.api_port));
        let credentials = Credentials::ClientCertificate(certificate);
        let text = kubeconfig("gantry", &server, self.authority.certificate_pem(), user, &credentials);
        write_atomically(path, text.as_bytes(), 0o600).with_context(|| format!("cannot write {}", path.display()))
    }

    fn config(&self, place: &NodePlace, folder: &Path, api: IpAddr) -> serde_json::Value {
        json!({
            "data-dir": folder,
            "node-name": place.name,
            "node-ip": place.address,
            "kubeconfig": folder.join("kubeconfig"),
            "proxy-kubeconfig": folder.join("proxy.kubeconfig"),
            "grpc-server": SocketAddr::new(api, self.grpc_port).to_string(),
            "images": self.dir.images(),
            "kubelet-certificate": folder.join("kubelet.crt"),
            "kubelet-key": folder.join("kubelet.key"),
            "plugin-dir": self.plugin_dir,
        })
    }
}

/// The daemon, inside the namespaces that [`namespaces::ensure`] keeps for it.
fn command(place: &NodePlace, config: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut words = namespaces::enter(place, folder);
    words.push(std::env::current_exe()?.to_string_lossy().into_owned());
    words.extend(["node".into(), "--config".into(), config.to_string_lossy().into_owned()]);
    Ok(words)
}
