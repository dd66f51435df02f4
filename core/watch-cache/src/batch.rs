//! Events as watches hand them on, and what is written of them once for all watches that get the same.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use gantry_storage::Revision;

use crate::{Delivery, DeliveryKind};

/// More than this is not kept written together: a slow client would hold it beside the objects themselves.
const WRITTEN_MAX_BYTES: usize = 256 << 10;

/// Events in revision order. Watches of the same scope that are equally far share one, and what is written of it.
#[derive(Debug)]
pub struct Batch {
    pub deliveries: Vec<Delivery>,
    /// The revision of the last event looked at.
    pub revision: Revision,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Batch {
    pub(crate) fn new(deliveries: Vec<Delivery>, revision: Revision) -> Self {
        Self { deliveries, revision, json: OnceLock::new(), protobuf: OnceLock::new() }
    }

    /// True if it is so small that [`Self::json_lines`] and [`Self::protobuf_frames`] may be asked for.
    pub fn is_small(&self) -> bool {
        self.json_len() <= WRITTEN_MAX_BYTES
    }

    fn json_len(&self) -> usize {
        self.deliveries.iter().map(|delivery| delivery.kind.line_head().len() + delivery.object.frame_len()).sum()
    }

    /// The events as a watch over HTTP carries them: a line of JSON each. Written once.
    pub fn json_lines(&self) -> &Bytes {
        self.json.get_or_init(|| {
            let mut lines = BytesMut::with_capacity(self.json_len());
            for Delivery { kind, object } in &self.deliveries {
                lines.extend_from_slice(kind.line_head());
                lines.extend_from_slice(object.frame());
            }
            lines.freeze()
        })
    }

    /// The events as protobuf, made once by `write`.
    pub fn protobuf_frames(&self, write: impl FnOnce(&[Delivery]) -> Bytes) -> &Bytes {
        self.protobuf.get_or_init(|| write(&self.deliveries))
    }
}

impl DeliveryKind {
    /// How a line of JSON begins; the object follows with its [`crate::CachedObject::frame_tail`].
    fn line_head(self) -> &'static [u8] {
        match self {
            Self::Added => br#"{"type":"ADDED","object":"#,
            Self::Modified => br#"{"type":"MODIFIED","object":"#,
            Self::Deleted => br#"{"type":"DELETED","object":"#,
        }
    }
}
