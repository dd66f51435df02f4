//! What the executor answers: bytes where the object is stored bytes, never a tree.

use bytes::Bytes;
use futures::stream::BoxStream;
use gantry_meta::{GroupVersionKind, GroupVersionResource, Status};

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
    pub events: BoxStream<'static, WatchEvent>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchEventType {
    Added,
    Modified,
    Deleted,
    Bookmark,
    /// `json` is a Status; nothing follows.
    Error,
}

impl WatchEventType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// One event; its bytes are shared by all watchers that get it.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    pub event_type: WatchEventType,
    frame_tail: Bytes,
}

const FRAME_END: &[u8] = b"}\n";

impl WatchEvent {
    /// `frame_tail` is an object's JSON (a Status's for `Error`) followed by `}` and a line feed.
    pub fn from_frame_tail(event_type: WatchEventType, frame_tail: Bytes) -> Self {
        debug_assert!(frame_tail.ends_with(FRAME_END), "a frame ends with a brace and a line feed");
        Self { event_type, frame_tail }
    }

    /// Copies `json` once to put the frame's end behind it.
    pub fn from_json(event_type: WatchEventType, json: &[u8]) -> Self {
        Self { event_type, frame_tail: [json, FRAME_END].concat().into() }
    }

    /// Behind `{"type":"ADDED","object":` it is the whole frame of a watch over HTTP.
    pub fn frame_tail(&self) -> &Bytes {
        &self.frame_tail
    }

    /// The object's wire form, complete.
    pub fn json(&self) -> Bytes {
        self.frame_tail.slice(..self.frame_tail.len() - FRAME_END.len())
    }
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
