//! Requests exactly as a case states them: every header is its own, one connection each.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A running server, as its administrator and as nobody.
#[derive(Clone)]
pub struct Server {
    address: String,
    name: ServerName<'static>,
    administrator: Arc<ClientConfig>,
    nobody: Arc<ClientConfig>,
}

impl Server {
    /// Reads the kubeconfig that `gantry up` wrote.
    ///
    /// # Errors
    /// A file that is not of its form.
    pub fn from_kubeconfig(path: &Path) -> Result<Self> {
        let config: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let text = |pointer: &str| {
            let found = config.pointer(pointer).and_then(Value::as_str);
            found.with_context(|| format!("{} has no {pointer}", path.display()))
        };
        let pem = |pointer: &str| anyhow::Ok(STANDARD.decode(text(pointer)?)?);
        let uri: Uri = text("/clusters/0/cluster/server")?.parse()?;
        let host = uri.host().context("the server has no host")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem("/clusters/0/cluster/certificate-authority-data")?) {
            roots.add(certificate?)?;
        }
        let builder = || ClientConfig::builder().with_root_certificates(roots.clone());
        let certificate = pem("/users/0/user/client-certificate-data")?;
        let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&pem("/users/0/user/client-key-data")?)?;
        Ok(Self {
            address: format!("{host}:{}", uri.port_u16().unwrap_or(443)),
            name: ServerName::try_from(host.to_owned())?,
            administrator: Arc::new(builder().with_client_auth_cert(chain, key)?),
            nobody: Arc::new(builder().with_no_client_auth()),
        })
    }

    /// Sends a request; the answer's body is still to be read.
    ///
    /// # Errors
    /// No connection, or an answer that is not HTTP.
    pub async fn send(&self, request: Request<Full<Bytes>>, anonymous: bool) -> Result<Response<Incoming>> {
        let tls = if anonymous { &self.nobody } else { &self.administrator };
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(tls.clone()).connect(self.name.clone(), stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the answer's body; its failure is seen there.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }

    /// Host and port, for the `Host` header.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// The whole body.
pub(super) async fn body(response: Response<Incoming>) -> Result<Bytes> {
    Ok(response.into_body().collect().await?.to_bytes())
}

/// Lines of a stream until there are so many, it ends, or time is up.
pub(super) async fn events(response: Response<Incoming>, wanted: usize, limit: Duration) -> Result<Vec<Value>> {
    let mut lines = Lines { events: Vec::new(), rest: Vec::new(), wanted };
    // What came until then is the answer: that nothing more comes may be what is recorded.
    let _ = tokio::time::timeout(limit, lines.read(response.into_body())).await;
    lines.parsed()
}

struct Lines {
    events: Vec<Vec<u8>>,
    rest: Vec<u8>,
    wanted: usize,
}

impl Lines {
    async fn read(&mut self, mut body: Incoming) -> Result<()> {
        while self.events.len() < self.wanted {
            let Some(frame) = body.frame().await else { return Ok(()) };
            let Ok(data) = frame?.into_data() else { continue };
            self.rest.extend_from_slice(&data);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if !line.trim_ascii().is_empty() {
                    self.events.push(line);
                }
            }
        }
        Ok(())
    }

    fn parsed(self) -> Result<Vec<Value>> {
        let parse = |line: &Vec<u8>| match serde_json::from_slice(line) {
            Ok(event) => Ok(event),
            Err(error) => bail!("an event that is no JSON ({error}): {}", String::from_utf8_lossy(line)),
        };
        self.events.iter().map(parse).collect()
    }
}
