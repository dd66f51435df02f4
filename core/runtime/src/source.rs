//! Reading: get, list, watch.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use gantry_meta::{GroupVersionResource, Status};
use serde::Deserialize;
use thiserror::Error;

/// An object as it came over the wire: JSON with `metadata.resourceVersion`. Decode it only where its content is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub json: Bytes,
}

/// The part of an object that says which one it is.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
}

impl Observed {
    /// Reads just enough to tell which object it is; the rest stays bytes. A Status reads as an object without a name.
    ///
    /// # Errors
    /// If it is not JSON, or its metadata not an object's.
    pub fn read(json: Bytes) -> Result<Self, serde_json::Error> {
        let Head { metadata: Metadata { namespace, name, uid, resource_version } } = serde_json::from_slice(&json)?;
        Ok(Self { namespace, name, uid, resource_version, json })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListOptions {
    /// Empty: all namespaces.
    pub namespace: String,
    pub label_selector: String,
    pub field_selector: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub resource_version: String,
    pub items: Vec<Observed>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchEvent {
    Added(Observed),
    Modified(Observed),
    Deleted(Observed),
    /// All changes up to this resourceVersion have been delivered.
    Bookmark(String),
}

#[derive(Debug, Error)]
pub enum SourceError {
    /// History is gone: list again.
    #[error("the resourceVersion is too old")]
    Expired,
    #[error(transparent)]
    Refused(Box<Status>),
    /// Try again, with back-off.
    #[error("the API is unavailable: {0}")]
    Unavailable(String),
}

pub type WatchStream = BoxStream<'static, Result<WatchEvent, SourceError>>;

#[async_trait]
pub trait ObjectSource: Send + Sync + 'static {
    /// `Ok(None)`: no such object.
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Observed>, SourceError>;

    async fn list(&self, resource: &GroupVersionResource, options: &ListOptions) -> Result<Listed, SourceError>;

    /// Follows changes after `resource_version`. Ends with an error, or with `None` when the server ends it (watch again
    /// from the last resourceVersion seen).
    async fn watch(
        &self,
        resource: &GroupVersionResource,
        options: &ListOptions,
        resource_version: &str,
    ) -> Result<WatchStream, SourceError>;
}
