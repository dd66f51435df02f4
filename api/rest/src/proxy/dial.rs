//! How the far end of a connect verb is reached.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use gantry_registry::{ConnectTo, Scheme};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to speak HTTP/1.1 on.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

#[derive(Debug, Error)]
pub enum DialError {
    #[error("{host} is no host name or address")]
    Host { host: String },
    #[error("no answer within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens connections to nodes, pods and services. Tests stand in for the far end here.
#[async_trait]
pub trait Dial: Send + Sync {
    async fn dial(&self, to: &ConnectTo) -> Result<Box<dyn Wire>, DialError>;
}

/// How pods are reached. Their network need not be the one that this server is in.
#[async_trait]
pub trait PodNetwork: Send + Sync {
    /// `host` is a pod's address, or that of a node it shares the network of.
    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream>;
}

/// Pods are reached as everything else is.
pub struct OwnNetwork;

#[async_trait]
impl PodNetwork for OwnNetwork {
    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect((host, port)).await
    }
}

/// TCP, and TLS where asked for: to kubelets with this server's client certificate and the cluster's authority; to pods and
/// services without checking whose certificate it is, as it is theirs to choose.
pub struct NodeDialer {
    kubelet: TlsConnector,
    anyone: TlsConnector,
    pods: Arc<dyn PodNetwork>,
}

impl NodeDialer {
    /// `kubelet`: trusts the cluster's authority and shows this server's client certificate.
    pub fn new(kubelet: Arc<ClientConfig>, pods: Arc<dyn PodNetwork>) -> Self {
        Self { kubelet: TlsConnector::from(kubelet), anyone: TlsConnector::from(Arc::new(trusting())), pods }
    }

    async fn open(&self, to: &ConnectTo) -> Result<Box<dyn Wire>, DialError> {
        let network: &dyn PodNetwork = if to.kubelet { &OwnNetwork } else { &*self.pods };
        let tcp = network.connect(&to.host, to.port).await?;
        tcp.set_nodelay(true)?;
        if to.scheme == Scheme::Http {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(to.host.clone()).map_err(|_| DialError::Host { host: to.host.clone() })?;
        let connector = if to.kubelet { &self.kubelet } else { &self.anyone };
        Ok(Box::new(connector.connect(name, tcp).await?))
    }
}

#[async_trait]
impl Dial for NodeDialer {
    async fn dial(&self, to: &ConnectTo) -> Result<Box<dyn Wire>, DialError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.open(to)).await.map_err(|_| DialError::TimedOut)?
    }
}

fn trusting() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth()
}

/// Encryption without identity.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls_pki_types::CertificateDer<'_>,
        _intermediates: &[rustls_pki_types::CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &rustls_pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls_pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
