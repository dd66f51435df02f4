//! What watches say: single events, and those that are there at the same time.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gantry_watch_cache::{Batch, CachedObject, Delivery, DeliveryKind};

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

impl WatchEvent {
    /// Of an object that is served as it is cached.
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self::cached(delivery.kind.into(), &delivery.object)
    }

    pub(crate) fn cached(event_type: WatchEventType, object: &CachedObject) -> Self {
        Self::from_frame_tail(event_type, object.frame_tail())
    }
}

impl From<DeliveryKind> for WatchEventType {
    fn from(kind: DeliveryKind) -> Self {
        match kind {
            DeliveryKind::Added => Self::Added,
            DeliveryKind::Modified => Self::Modified,
            DeliveryKind::Deleted => Self::Deleted,
        }
    }
}

/// Events that are there at the same time, in order; never none.
#[derive(Clone, Debug)]
pub enum WatchEvents {
    /// This watch's alone.
    Own(Vec<WatchEvent>),
    /// Changes as the cache has them. Watches that are equally far share them, and what is written of them.
    Shared(Arc<Batch>),
}

impl WatchEvents {
    pub fn into_events(self) -> Vec<WatchEvent> {
        match self {
            Self::Own(events) => events,
            Self::Shared(batch) => batch.deliveries.iter().map(WatchEvent::of).collect(),
        }
    }

    /// All of them as lines of JSON, where they were written together for all watches that get them.
    pub fn json_lines(&self) -> Option<Bytes> {
        match self {
            Self::Shared(batch) if batch.is_small() => Some(batch.json_lines().clone()),
            _ => None,
        }
    }

    /// All of them as protobuf, written together by the first watch that asks; `write` appends one.
    pub fn protobuf_frames(&self, mut write: impl FnMut(&WatchEvent, &mut BytesMut)) -> Option<Bytes> {
        let Self::Shared(batch) = self else { return None };
        let frames = |deliveries: &[Delivery]| {
            let mut frames = BytesMut::new();
            deliveries.iter().for_each(|delivery| write(&WatchEvent::of(delivery), &mut frames));
            frames.freeze()
        };
        batch.is_small().then(|| batch.protobuf_frames(frames).clone())
    }
}
