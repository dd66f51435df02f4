use std::{io, path::PathBuf};

use gantry_meta::Status;
use gantry_runtime::{SinkError, SourceError};
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

pub(crate) fn source_error(error: ClientError) -> SourceError {
    match error {
        ClientError::Refused(status) if status.code == 410 => SourceError::Expired,
        ClientError::Refused(status) if status.code == 429 || status.code >= 500 => {
            SourceError::Unavailable(status.to_string())
        }
        ClientError::Refused(status) => SourceError::Refused(status),
        ClientError::Unavailable(why) => SourceError::Unavailable(why),
    }
}

pub(crate) fn sink_error(error: ClientError) -> SinkError {
    match error {
        ClientError::Refused(status) => SinkError::Refused(status),
        ClientError::Unavailable(why) => SinkError::Unavailable(why),
    }
}
