//! Volumes of pods as files, links and mounts below a pod's folder. What they contain is decided by the caller
//! ([`payload`] builds it from API objects); this crate writes it, changes it atomically while containers read it, and
//! takes everything down again. All calls block: run them off the reactor.

pub mod atomic_writer;
pub mod error;
pub mod folders;
pub mod host_path;
pub mod mounts;
pub mod ownership;
pub mod payload;
pub mod sub_path;

pub use error::VolumeError;
pub use folders::{NodeFolders, PodFolders};
pub use payload::{File, Payload, PayloadError};
