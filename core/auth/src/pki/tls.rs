//! rustls configurations for the doors and for those who call them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{ClientCertificates, IssuedCertificate, PkiError, authority::certificates};

/// A serving certificate that can be replaced while connections are served; new connections get the newest.
#[derive(Debug)]
pub struct RotatingCertificate(ArcSwap<CertifiedKey>);

impl RotatingCertificate {
    pub fn new(certificate: &IssuedCertificate) -> Result<Arc<Self>, PkiError> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(certified(certificate)?))))
    }

    pub fn replace(&self, certificate: &IssuedCertificate) -> Result<(), PkiError> {
        self.0.store(Arc::new(certified(certificate)?));
        Ok(())
    }
}

impl ResolvesServerCert for RotatingCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certified(certificate: &IssuedCertificate) -> Result<CertifiedKey, PkiError> {
    let provider = rustls::crypto::ring::default_provider();
    Ok(CertifiedKey::from_der(certificate.chain()?, certificate.key()?, &provider)?)
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. With `clients`, a client certificate is asked for but not demanded; who it names is
/// for [`ClientCertificates::identify`] to say.
pub fn server_config(
    certificate: Arc<RotatingCertificate>,
    clients: Option<&ClientCertificates>,
) -> Result<ServerConfig, PkiError> {
    let builder = ServerConfig::builder_with_provider(server_provider()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients.handshake_verifier()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    Ok(config)
}

/// AES with 128 bits before 256, whatever the client puts first, as Go's servers choose: a third less work for each byte sent,
/// and out of reach for anybody either way.
fn server_provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    let is_short = |name: &str| name.contains("AES_128");
    provider.cipher_suites.sort_by_key(|suite| !suite.suite().as_str().is_some_and(is_short));
    Arc::new(provider)
}

/// Trusts the authorities of `authority_pem` alone; shows `identity` where the server asks. Sets no ALPN.
pub fn client_config(authority_pem: &str, identity: Option<&IssuedCertificate>) -> Result<ClientConfig, PkiError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority_pem)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    Ok(match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain()?, identity.key()?)?,
        None => builder.with_no_client_auth(),
    })
}

#[cfg(test)]
mod tests {
    use super::server_provider;

    #[test]
    fn the_shorter_key_of_each_cipher_comes_first() {
        let names: Vec<&str> = server_provider().cipher_suites.iter().filter_map(|s| s.suite().as_str()).collect();
        let longer = names.iter().position(|name| !name.contains("AES_128")).unwrap();
        assert!(longer > 0 && names[longer..].iter().all(|name| !name.contains("AES_128")), "{names:?}");
    }
}
