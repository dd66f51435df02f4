//! Certificate signing requests: which are approved without anybody, and what the signers of `kubernetes.io` sign.
//!
//! The rules are pure ([`rules`], [`approval`]); [`controller`] reads requests, applies the rules and writes the outcome.

mod approval;
mod certificate;
mod cleaning;
mod controller;
mod request;
mod rules;

pub use certificate::SignError;
pub use controller::{SigningController, SigningParts};
pub use request::{CertificateRequest, RequestError};
pub use rules::{Signer, SignerRefusal};

/// The service account (of `kube-system`) that approves and signs.
pub const ACCOUNT: &str = "certificate-controller";
/// The group of bootstrap tokens with which nodes join.
pub const GROUP_JOINING_NODES: &str = "system:bootstrappers:gantry:node";
/// The user of service proxies.
pub const USER_KUBE_PROXY: &str = "system:kube-proxy";
