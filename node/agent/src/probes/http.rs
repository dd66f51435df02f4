//! HTTP(S) requests of probes and hooks: one connection each, certificates unchecked, as kubelet does.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::target::HttpTarget;

/// More of a body is not read.
const MAX_BODY_BYTES: usize = 10 << 10;

#[derive(Debug, Error)]
pub enum HttpFailure {
    #[error("Get {url:?}: {why}")]
    Connection { url: String, why: String },
    #[error("Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
    Timeout { url: String },
    #[error("HTTP probe failed with statuscode: {0}")]
    Status(u16),
}

/// Sends a GET. Returns the answer's status code.
pub async fn get(target: &HttpTarget, timeout: Duration) -> Result<StatusCode, HttpFailure> {
    let scheme = if target.is_https { "https" } else { "http" };
    let url = format!("{scheme}://{}:{}{}", target.host, target.port, target.path);
    match tokio::time::timeout(timeout, exchange(target)).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(why)) => Err(HttpFailure::Connection { url, why }),
        Err(_) => Err(HttpFailure::Timeout { url }),
    }
}

/// What a probe counts as good: 200 to 399.
pub fn is_success(status: StatusCode) -> Result<(), HttpFailure> {
    if (200..400).contains(&status.as_u16()) { Ok(()) } else { Err(HttpFailure::Status(status.as_u16())) }
}

async fn exchange(target: &HttpTarget) -> Result<StatusCode, String> {
    let host = target.host.trim_matches(['[', ']']);
    let socket = TcpStream::connect((host, target.port)).await;
    let socket = socket.map_err(|error| format!("dial tcp {host}:{}: {error}", target.port))?;
    if !target.is_https {
        return request_over(socket, target).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    let stream = TlsConnector::from(unverified_tls()?).connect(name, socket).await.map_err(|e| e.to_string())?;
    request_over(stream, target).await
}

async fn request_over<S>(stream: S, target: &HttpTarget) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request(target)?).await.map_err(|e| e.to_string());
    if let Ok(answer) = answer {
        let status = answer.status();
        // The body is read so that the server sees a whole exchange; what it says does not matter.
        let _ = Limited::new(answer.into_body(), MAX_BODY_BYTES).collect().await;
        driver.abort();
        return Ok(status);
    }
    driver.abort();
    answer.map(|a| a.status())
}

fn request(target: &HttpTarget) -> Result<Request<Empty<Bytes>>, String> {
    let mut request = Request::get(&target.path).body(Empty::new()).map_err(|e| e.to_string())?;
    let headers = request.headers_mut();
    for (name, value) in &target.headers {
        let name = HeaderName::try_from(name).map_err(|e| e.to_string())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|e| e.to_string())?);
    }
    let own_host = HeaderValue::try_from(format!("{}:{}", target.host, target.port)).map_err(|e| e.to_string())?;
    headers.entry(header::HOST).or_insert(own_host);
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("kube-probe/1.36"));
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    Ok(request)
}

fn unverified_tls() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)));
    Ok(Arc::new(config.with_no_client_auth()))
}

/// A probe asks whether a pod answers, not who it is: any certificate will do.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
