//! Who the control plane is: its authority, its certificates, the key that signs tokens.

use std::{net::IpAddr, sync::Arc};

use anyhow::{Context, Result};
use gantry_auth::{
    kubeconfig::{Credentials, kubeconfig},
    pki::{CertificateAuthority, ClientCertificates, IssuedCertificate, RotatingCertificate, Validity, server_config},
    token::SigningKey,
};
use gantry_base::data_dir::write_atomically;
use jiff::Timestamp;
use rustls::ServerConfig;

use super::{API_SERVICE_ADDRESS, ControlPlaneConfig};

/// Serving and client certificates are made anew at each start.
const CERTIFICATE_DAYS: u16 = 365;

const SERVICE_NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

pub struct Identity {
    pub authority: Arc<CertificateAuthority>,
    pub signing_key: Arc<SigningKey>,
    /// What the API server shows to kubelets.
    pub kubelet_client: IssuedCertificate,
    pub tls: ServerConfig,
}

impl Identity {
    /// # Errors
    /// If the folder of keys cannot be read or written.
    pub fn load_or_create(config: &ControlPlaneConfig) -> Result<Self> {
        let (pki, now) = (config.dir.pki(), Timestamp::now());
        let validity = Validity::days(now, CERTIFICATE_DAYS);
        let authority = CertificateAuthority::load_or_create(&pki, now)
            .with_context(|| format!("the certificate authority in {}", pki.display()))?;
        let serving = authority.issue_server("kube-apiserver", &names(config), &addresses(config), validity)?;
        let clients = ClientCertificates::new(authority.certificate_pem())?;
        Ok(Self {
            signing_key: Arc::new(SigningKey::load_or_create(&pki)?),
            kubelet_client: authority.issue_client(
                "kube-apiserver-kubelet-client",
                Some("system:masters"),
                validity,
            )?,
            tls: server_config(RotatingCertificate::new(&serving)?, Some(&clients))?,
            authority: Arc::new(authority),
        })
    }

    /// The administrator's file, made anew with a fresh certificate.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_kubeconfig(&self, config: &ControlPlaneConfig) -> Result<()> {
        let validity = Validity::days(Timestamp::now(), CERTIFICATE_DAYS);
        let user = "kubernetes-admin";
        let certificate = self.authority.issue_operator(user, Some("system:masters"), validity)?;
        let server = format!("https://{}", config.user_address());
        let credentials = Credentials::ClientCertificate(&certificate);
        let text = kubeconfig("gantry", &server, self.authority.certificate_pem(), user, &credentials);
        let path = config.dir.kubeconfig();
        write_atomically(&path, text.as_bytes(), 0o600).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn names(config: &ControlPlaneConfig) -> Vec<String> {
    SERVICE_NAMES.iter().map(|n| (*n).to_owned()).chain(config.names.iter().cloned()).collect()
}

fn addresses(config: &ControlPlaneConfig) -> Vec<IpAddr> {
    let listened = config.listen.iter().map(std::net::SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    let service = API_SERVICE_ADDRESS.parse().ok();
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let mut all: Vec<IpAddr> = listened.chain([config.advertise, loopback]).chain(service).collect();
    all.sort();
    all.dedup();
    all
}
