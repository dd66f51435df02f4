//! What the executor answers: bytes where the object is stored bytes, never a tree.

use bytes::Bytes;
use futures::stream::BoxStream;
use gantry_meta::{GroupVersionKind, GroupVersionResource, Status};

use crate::watch_event::WatchEvents;

/// The answer to a request that was carried out.
pub enum ApiResponse {
    Object(ObjectResponse),
    List(ListResponse),
    Watch(WatchResponse),
    /// A success that has no object to show: most deletions, evictions.
    Status(Status),
    /// Where the transport is to connect the client to.
    Connect(ConnectTo),
    /// 204: the log of a pod that has no node yet.
    NoContent,
}

/// One object.
#[derive(Clone, Debug)]
pub struct ObjectResponse {
    /// 200, 201 or 202.
    pub code: u16,
    /// The type of what `json` holds (a `Scale` for the subresource `scale`).
    pub kind: GroupVersionKind,
    /// The wire form, complete: `{"kind":...,"apiVersion":...,"metadata":{...},...}`.
    pub json: Bytes,
}

/// A page of a collection.
pub struct ListResponse {
    pub resource: GroupVersionResource,
    /// The items' type; the list's own kind has `List` appended.
    pub kind: GroupVersionKind,
    pub metadata: ListMetadata,
    pub items: Vec<ListItem>,
}

impl ListResponse {
    /// The items as whole objects, kind and apiVersion included: the cache's own bytes.
    pub fn objects(&self) -> impl Iterator<Item = Bytes> {
        self.items.iter().map(|item| item.json.clone())
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListMetadata {
    /// Empty for an answer that is no snapshot (deletecollection).
    pub resource_version: String,
    /// Empty on the last page.
    pub continue_token: String,
    pub remaining_item_count: Option<u64>,
}

/// One object of a list: a slice shared with the cache.
#[derive(Clone, Debug)]
pub struct ListItem {
    /// The whole object, as a GET answers it.
    pub json: Bytes,
    /// Where `"metadata":{` begins.
    pub(crate) metadata_at: usize,
}

impl ListItem {
    /// The JSON from `"metadata":{` on. Behind a `{` it is the item: items carry neither kind nor apiVersion.
    pub fn tail(&self) -> &[u8] {
        &self.json[self.metadata_at..]
    }
}

/// Changes of a collection, until the stream ends.
pub struct WatchResponse {
    pub resource: GroupVersionResource,
    pub kind: GroupVersionKind,
    pub events: BoxStream<'static, WatchEvents>,
}

/// The far end of a connect verb.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectTo {
    pub scheme: Scheme,
    /// Host name or address, and port.
    pub host: String,
    pub port: u16,
    /// Path and query as the far end expects them.
    pub path_and_query: String,
    /// Present the API server's client certificate (true for kubelets only).
    pub kubelet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    Http,
    Https,
}
