//! Clients of an API server that implement `ObjectSource` and `ObjectSink`: [`RestClient`] speaks JSON over HTTPS to ours and
//! to any other Kubernetes API server.

mod config;
mod error;
mod kubeconfig;
mod rest;
mod transport;

pub use config::{ClientConfig, Identity, Token};
pub use error::{ClientError, ConfigError};
pub use rest::{RawRequest, RawResponse, RestClient};
