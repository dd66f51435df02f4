//! Connections: TCP, then TLS with ALPN, for hyper's client.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{ClientConfig, ConfigError, Identity};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What one answer may be ahead of its reader, and what all of a connection may be together. A watch that nobody reads for a
/// while fills its own window; were the connection's no larger, every other call would wait for that reader.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 1 << 20;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;

/// The identity that the settings were made with (certificate and key), and the settings.
type Current = (Option<(String, String)>, Arc<rustls::ClientConfig>);

/// TLS settings; made anew when a certificate on disk has changed.
struct TlsSettings {
    roots: Arc<RootCertStore>,
    identity: Identity,
    current: Mutex<Current>,
    alpn: Vec<Vec<u8>>,
}

impl TlsSettings {
    fn new(config: &ClientConfig, alpn: &[&[u8]]) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&config.authority_pem, "the certificate authority")? {
            roots.add(certificate)?;
        }
        let (roots, identity) = (Arc::new(roots), config.identity.clone());
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let pem = identity.read()?;
        let made = Arc::new(tls_config(&roots, pem.as_ref(), &alpn)?);
        Ok(Self { roots, identity, current: Mutex::new((pem, made)), alpn })
    }

    fn current(&self) -> Arc<rustls::ClientConfig> {
        let mut current = self.current.lock();
        // A file caught in the middle of its rotation keeps the old identity for this connection.
        if let (Identity::Files { .. }, Ok(pem)) = (&self.identity, self.identity.read())
            && pem != current.0
            && let Ok(made) = tls_config(&self.roots, pem.as_ref(), &self.alpn)
        {
            *current = (pem, Arc::new(made));
        }
        current.1.clone()
    }
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(ConfigError::Pem(what))
}

fn tls_config(
    roots: &Arc<RootCertStore>,
    identity: Option<&(String, String)>,
    alpn: &[Vec<u8>],
) -> Result<rustls::ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots.clone());
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| ConfigError::Pem("the client key"))?;
            builder.with_client_auth_cert(certificates(certificate, "the client certificate")?, key)?
        }
    };
    config.alpn_protocols = alpn.to_vec();
    Ok(config)
}

/// Connects to the one server of a client.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Target>);

struct Target {
    address: String,
    name: ServerName<'static>,
    tls: TlsSettings,
}

impl Connector {
    pub(crate) fn new(config: &ClientConfig, alpn: &[&[u8]]) -> Result<Self, ConfigError> {
        let bad = |why: &str| ConfigError::Server(config.server.clone(), why.into());
        let uri: Uri = config.server.parse().map_err(|_| bad("is no URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(bad("must begin with https://"));
        }
        let host = uri.host().ok_or_else(|| bad("has no host"))?;
        let name = config.server_name.as_deref().unwrap_or_else(|| host.trim_matches(['[', ']']));
        let name = ServerName::try_from(name.to_owned()).map_err(|_| bad("has no host that a certificate can name"))?;
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(443));
        Ok(Self(Arc::new(Target { address, name, tls: TlsSettings::new(config, alpn)? })))
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let connecting = async {
            let stream = TcpStream::connect(&self.0.address).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(self.0.tls.current()).connect(self.0.name.clone(), stream).await
        };
        let timed = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        timed.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("connecting to {}", self.0.address)))
        })
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { Ok(Stream(TokioIo::new(connector.connect().await?))) })
    }
}

/// A TLS connection that tells hyper which protocol was agreed upon.
pub(crate) struct Stream(TokioIo<TlsStream<TcpStream>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let (_, session) = self.0.inner().get_ref();
        if session.alpn_protocol() == Some(b"h2") { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
