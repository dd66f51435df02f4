//! Why a volume could not be set up or taken down.

use std::{io, path::PathBuf};

use thiserror::Error;

#[derive(Debug, Error)]
pub enum VolumeError {
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The host path is not what its `type` asks for.
    #[error("hostPath type check failed: {0}")]
    HostPathType(String),
    /// A subPath that leaves its volume, or names something absent that may not be made.
    #[error("subPath {0:?} {1}")]
    SubPath(String, &'static str),
}

impl VolumeError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn errno(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(nix::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}
