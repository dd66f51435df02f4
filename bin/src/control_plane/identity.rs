//! Who the control plane is: its authority, its certificates, the key that signs tokens.

use std::{net::IpAddr, sync::Arc};

use anyhow::{Context, Result};
use gantry_auth::{
    kubeconfig::{Credentials, certificate_of, kubeconfig},
    pki::{CertificateAuthority, ClientCertificates, IssuedCertificate, RotatingCertificate, Validity, server_config},
    token::SigningKey,
};
use gantry_base::data_dir::write_atomically;
use jiff::Timestamp;
use rustls::ServerConfig;

use super::{API_SERVICE_ADDRESS, ControlPlaneConfig};

/// Serving certificates are made anew at each start, the administrator's when its time runs out.
const CERTIFICATE_DAYS: u16 = 365;
const RENEW_BEFORE_DAYS: u16 = 180;
const ADMINISTRATOR: &str = "kubernetes-admin";

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

    /// The administrator's file: the one that is there while it serves for long enough, else one with a fresh certificate.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_kubeconfig(&self, config: &ControlPlaneConfig) -> Result<()> {
        let path = config.dir.kubeconfig();
        let server = format!("https://{}", config.user_address());
        if std::fs::read_to_string(&path).is_ok_and(|text| self.serves_on(&text, &server)) {
            return Ok(());
        }
        let validity = Validity::days(Timestamp::now(), CERTIFICATE_DAYS);
        let certificate = self.authority.issue_operator(ADMINISTRATOR, Some("system:masters"), validity)?;
        let credentials = Credentials::ClientCertificate(&certificate);
        let text = kubeconfig("gantry", &server, self.authority.certificate_pem(), ADMINISTRATOR, &credentials);
        write_atomically(&path, text.as_bytes(), 0o600).with_context(|| format!("cannot write {}", path.display()))
    }

    fn serves_on(&self, kubeconfig: &str, server: &str) -> bool {
        let found = certificate_of(kubeconfig, server, self.authority.certificate_pem());
        let left = found.and_then(|certificate| certificate.validity().ok()).map(|(_, end)| end - Timestamp::now());
        left.is_some_and(|left| left.get_seconds() > i64::from(RENEW_BEFORE_DAYS) * 24 * 60 * 60)
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
