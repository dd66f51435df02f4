//! The container runtime as the node daemon sees it: CRI v1 over a unix socket ([`RuntimeClient`], [`ImageClient`]), its
//! events ([`events`]), a containerd instance of our own ([`Containerd`]), and images that need no registry
//! ([`oci_archive`] writes them, [`import`] loads them, [`pause`] is the one we bring along).

pub mod containerd;
pub mod error;
pub mod events;
pub mod folder_watch;
pub mod image_folder;
pub mod images;
pub mod import;
pub mod oci_archive;
pub mod pause;
pub mod runtime;

pub use containerd::{Containerd, ContainerdConfig};
pub use error::CriError;
pub use events::{RuntimeEvent, RuntimeEvents};
pub use images::ImageClient;
pub use k8s_cri::v1 as api;
pub use runtime::RuntimeClient;
