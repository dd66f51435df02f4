//! Admission: what changes or refuses a write after it is authorised and before it is stored.
//!
//! The chain runs twice. Mutating plugins run first, in order, on the decoded and defaulted object; then the registry
//! validates; then validating plugins see what would be stored. Refusals of a plugin are 403 with the object's name unless
//! it says otherwise, and come without causes.

mod attributes;
mod chain;
mod cluster_view;
mod plugins;
mod tree;

pub use attributes::{Attributes, Operation};
pub use chain::{Chain, CreationPlugin, MutatingPlugin, ValidatingPlugin};
pub use cluster_view::ClusterView;
pub use plugins::{
    CertificateApproval, CertificateRequester, CertificateSigning, CertificateSubjectRestriction, DefaultClass,
    DefaultTolerationSeconds, LimitRanger, NamespaceLifecycle, NodeRestriction, PersistentVolumeClaimResize,
    PluginDeclaration, PodTopologyLabels, Priority, RuntimeClass, ServiceAccount, StorageObjectInUseProtection,
    TaintNodesByCondition,
};
