use std::{io, path::PathBuf};

use gantry_meta::Status;
use thiserror::Error;

/// Why a client cannot be made.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("kubeconfig: {0}")]
    Kubeconfig(String),
    #[error("server address {0:?}: {1}")]
    Server(String, String),
    #[error("{0} holds no usable PEM")]
    Pem(&'static str),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a request brought no answer that could be used.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The server answered with a failure.
    #[error(transparent)]
    Refused(Box<Status>),
    /// No answer: connection, TLS or time. Nothing is known of the outcome of a write.
    #[error("{0}")]
    Unavailable(String),
}
