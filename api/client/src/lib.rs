//! Clients of an API server that implement `ObjectSource` and `ObjectSink`: [`RestClient`] speaks JSON over HTTPS to ours and
//! to any other Kubernetes API server, [`GrpcClient`] speaks `gantry.v1` to ours. [`connect`] chooses.

mod config;
mod connect;
mod decode;
mod delete_options;
mod error;
mod grpc;
mod kubeconfig;
mod rest;
mod transport;

pub use config::{ClientConfig, Identity, Token, TokenFile};
pub use connect::{Connection, connect};
pub use error::{ClientError, ConfigError};
pub use grpc::GrpcClient;
pub use rest::{RawRequest, RawResponse, RestClient};
