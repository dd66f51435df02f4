use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a key or certificate could not be made, kept or read.
#[derive(Debug, Error)]
pub enum PkiError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("RSA key: {0}")]
    Rsa(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{0} holds no usable PEM")]
    Pem(String),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("token key: {0}")]
    TokenKey(#[from] jsonwebtoken::errors::Error),
}
