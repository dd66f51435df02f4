//! Writing: every change of the cluster that a component makes.

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use gantry_meta::{GroupVersionResource, Status};
use thiserror::Error;

use crate::Observed;

/// What a write is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteTarget {
    pub resource: GroupVersionResource,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// May be empty for a create with `generateName`.
    pub name: String,
    /// `status`, `binding`, `token`, ...; empty for the object itself.
    pub subresource: String,
}

impl WriteTarget {
    pub fn new(resource: &GroupVersionResource, namespace: &str, name: &str) -> Self {
        Self { resource: resource.clone(), namespace: namespace.into(), name: name.into(), subresource: String::new() }
    }

    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = subresource.into();
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    Json(Bytes),
    Merge(Bytes),
    Strategic(Bytes),
    /// Server-side apply.
    Apply {
        body: Bytes,
        field_manager: String,
        force: bool,
    },
}

impl Patch {
    /// The document itself.
    pub fn body(&self) -> &Bytes {
        let (Self::Json(body) | Self::Merge(body) | Self::Strategic(body) | Self::Apply { body, .. }) = self;
        body
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub propagation: Option<Propagation>,
}

#[derive(Clone, Debug, Error)]
pub enum SinkError {
    /// The server answered with a failure; `status.reason` tells which (Conflict, NotFound, AlreadyExists, ...).
    #[error(transparent)]
    Refused(Box<Status>),
    /// Nothing is known of the outcome. Read before trying again.
    #[error("the API is unavailable: {0}")]
    Unavailable(String),
}

#[async_trait]
pub trait ObjectSink: Send + Sync + 'static {
    /// Creates an object, or posts to a subresource (`binding`, `eviction`, `token`). Returns what the server answered.
    async fn create(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError>;

    /// Replaces; `metadata.resourceVersion` in the body is the precondition.
    async fn update(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError>;

    async fn patch(&self, target: &WriteTarget, patch: Patch) -> Result<Observed, SinkError>;

    /// Many patches at once, each judged by itself: one result for each, in order. They may be carried out in any order.
    async fn patch_all(&self, patches: Vec<(WriteTarget, Patch)>) -> Vec<Result<Observed, SinkError>> {
        join_all(patches.into_iter().map(|(target, patch)| async move { self.patch(&target, patch).await })).await
    }

    async fn delete(&self, target: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError>;
}
