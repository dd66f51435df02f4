use gantry_runtime::{SinkError, SourceError};
use thiserror::Error;

/// Why a pass over the bootstrap objects did not get through. The next pass tries again.
#[derive(Debug, Error)]
pub enum BootstrapError {
    #[error("{resource} cannot be read: {source}")]
    List { resource: String, source: SourceError },
    /// `failed` objects in all; the first stands here.
    #[error("{failed} bootstrap objects could not be written, first {object}: {source}")]
    Write { failed: usize, object: String, source: SinkError },
}
