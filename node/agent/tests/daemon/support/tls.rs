//! Certificates for the kubelet API's tests: an authority, a server and a client.

use std::{net::Ipv4Addr, sync::Arc};

use async_trait::async_trait;
use gantry_agent::{KubeletAuthorizer, KubeletServing};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

pub const PORT: u16 = 10250;

/// Lets clients with a certificate do everything but read metrics.
struct Authorizer;

#[async_trait]
impl KubeletAuthorizer for Authorizer {
    async fn allows(&self, certificate: Option<&[u8]>, _: Option<&str>, _: &str, subresource: &str) -> bool {
        certificate.is_some() && subresource != "metrics"
    }
}

/// Both ends of the kubelet API.
pub struct Pki {
    pub serving: KubeletServing,
    with_certificate: Arc<ClientConfig>,
    without: Arc<ClientConfig>,
}

fn issue(authority: &CertifiedIssuer<'_, KeyPair>, usage: ExtendedKeyUsagePurpose) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).expect("parameters");
    params.extended_key_usages = vec![usage];
    (params.signed_by(&key, authority).expect("signed"), key)
}

fn identity((certificate, key): (Certificate, KeyPair)) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

impl Pki {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let verifier = verifier.allow_unauthenticated().build().expect("a verifier");
        let (chain, key) = identity(issue(&authority, ExtendedKeyUsagePurpose::ServerAuth));
        let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let server = server.expect("versions").with_client_cert_verifier(verifier).with_single_cert(chain, key);
        let client = || {
            let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
            builder.expect("versions").with_root_certificates(roots.clone())
        };
        let (chain, key) = identity(issue(&authority, ExtendedKeyUsagePurpose::ClientAuth));
        let with_certificate = client().with_client_auth_cert(chain, key).expect("a client");
        Self {
            serving: KubeletServing {
                listen: (Ipv4Addr::LOCALHOST, PORT).into(),
                tls: Arc::new(server.expect("a server")),
                authorizer: Arc::new(Authorizer),
            },
            with_certificate: Arc::new(with_certificate),
            without: Arc::new(client().with_no_client_auth()),
        }
    }

    pub async fn connect(&self, with_certificate: bool) -> TlsStream<TcpStream> {
        let config = if with_certificate { self.with_certificate.clone() } else { self.without.clone() };
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await.expect("connected");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        TlsConnector::from(config).connect(name, socket).await.expect("a handshake")
    }
}
