//! The cluster's own certificate authority, the certificates that it issues, and TLS configurations made of them.

mod authority;
mod client_verifier;
mod error;
mod files;
mod key_pair;
mod request;
mod subject;
mod tls;

pub use authority::{CertificateAuthority, IssuedCertificate, Validity};
pub use client_verifier::{CertificateUser, ClientCertificates};
pub use error::PkiError;
pub(crate) use files::read_if_there;
pub use files::{write_private, write_public};
pub use key_pair::{KeyPairError, check_key_pair};
pub use request::NewRequest;
pub(crate) use subject::SubjectNames;
pub use tls::{RotatingCertificate, client_config, server_config};
