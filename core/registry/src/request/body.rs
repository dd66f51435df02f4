//! What a write carries.

use bytes::Bytes;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaType {
    Json,
    Yaml,
    /// In the envelope of the reference, `k8s\0`.
    Protobuf,
}

/// An object as the client wrote it. Decoded by the executor, after authorisation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    pub media_type: MediaType,
    pub bytes: Bytes,
}

impl Body {
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self { media_type: MediaType::Json, bytes: bytes.into() }
    }

    pub fn yaml(bytes: impl Into<Bytes>) -> Self {
        Self { media_type: MediaType::Yaml, bytes: bytes.into() }
    }
}

/// A change relative to what is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(Bytes),
    /// RFC 7386.
    Merge(Bytes),
    /// By the field table's merge keys.
    Strategic(Bytes),
    /// Server-side apply, YAML or JSON; `options.field_manager` is required.
    Apply { body: Bytes, force: bool },
}
