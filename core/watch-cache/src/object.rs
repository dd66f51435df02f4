//! One version of an object, as bytes ready for the wire.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gantry_storage::{Key, Revision};

use crate::{Labels, ResourceConfig, attributes::Metadata, frame};

const METADATA: &[u8] = b"\"metadata\":{";
/// What follows the object in a watch frame, kept behind it in the same allocation.
const FRAME_END: &[u8] = b"}\n";

type Fields = Box<[(Box<str>, Box<str>)]>;

/// One version of an object. LIST, GET and all watchers share the same allocation.
pub struct CachedObject {
    key: Key,
    revision: Revision,
    create_revision: Revision,
    /// The JSON with `metadata.resourceVersion`, followed by [`FRAME_END`].
    frame: Bytes,
    /// Offset of `"metadata":{` in `frame`.
    metadata_at: u32,
    config: Arc<ResourceConfig>,
    metadata: OnceLock<Box<Metadata>>,
    fields: OnceLock<Fields>,
    proto: OnceLock<Bytes>,
}

impl CachedObject {
    /// Splices `revision` into a stored value.
    pub(crate) fn new(
        config: &Arc<ResourceConfig>,
        key: Key,
        revision: Revision,
        create_revision: Revision,
        value: &[u8],
    ) -> Self {
        let splice_at = splice_offset(config, value);
        Self::spliced(config, key, revision, create_revision, &value[..splice_at], &value[splice_at..])
    }

    /// This state under another revision: what leaves a selector is sent so.
    pub(crate) fn at_revision(&self, revision: Revision) -> Self {
        let (head, tail) = self.without_revision();
        Self::spliced(&self.config, self.key.clone(), revision, self.create_revision, head, tail)
    }

    /// The value as it was stored.
    pub fn stored(&self) -> Bytes {
        let (head, tail) = self.without_revision();
        [head, tail].concat().into()
    }

    fn without_revision(&self) -> (&[u8], &[u8]) {
        let (head, tail) = self.wire_slice().split_at(self.metadata_at as usize + METADATA.len());
        let member = format!(r#""resourceVersion":"{}""#, self.revision);
        let tail = tail.strip_prefix(member.as_bytes()).expect("the constructor put the member right here");
        (head, tail.strip_prefix(b",").unwrap_or(tail))
    }

    fn spliced(
        config: &Arc<ResourceConfig>,
        key: Key,
        revision: Revision,
        create_revision: Revision,
        head: &[u8],
        tail: &[u8],
    ) -> Self {
        const MEMBER: &[u8] = b"\"resourceVersion\":\"";
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(revision.0).as_bytes();
        let quote: &[u8] = if tail.starts_with(b"}") { b"\"" } else { b"\"," };
        Self {
            key,
            revision,
            create_revision,
            frame: frame::joined(&[head, MEMBER, digits, quote, tail, FRAME_END]),
            metadata_at: (head.len().saturating_sub(METADATA.len())) as u32,
            config: config.clone(),
            metadata: OnceLock::new(),
            fields: OnceLock::new(),
            proto: OnceLock::new(),
        }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The object's `resourceVersion`.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn create_revision(&self) -> Revision {
        self.create_revision
    }

    fn wire_slice(&self) -> &[u8] {
        &self.frame[..self.frame.len() - FRAME_END.len()]
    }

    /// The JSON with kind, apiVersion and resourceVersion: the answer to a GET.
    pub fn wire(&self) -> Bytes {
        self.frame.slice(..self.frame.len() - FRAME_END.len())
    }

    /// Where `"metadata":{` begins in [`Self::wire`]. From there on, behind a `{`, it is the list item: items carry neither
    /// kind nor apiVersion.
    pub fn metadata_at(&self) -> usize {
        self.metadata_at as usize
    }

    /// The JSON and the `}\n` that ends a watch frame: behind `{"type":"ADDED","object":` it is the whole frame.
    pub fn frame_tail(&self) -> Bytes {
        self.frame.clone()
    }

    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(crate) fn frame_len(&self) -> usize {
        self.frame.len()
    }

    /// Bytes of JSON.
    pub fn wire_len(&self) -> usize {
        self.frame.len() - FRAME_END.len()
    }

    fn metadata(&self) -> &Metadata {
        self.metadata.get_or_init(|| {
            let from = self.metadata_at as usize + METADATA.len() - 1;
            Box::new(Metadata::parse(&self.frame[from..]))
        })
    }

    pub fn labels(&self) -> &Labels {
        &self.metadata().labels
    }

    pub fn uid(&self) -> &str {
        &self.metadata().uid
    }

    /// The value of a selectable field; `None` where the object has none.
    pub fn field(&self, path: &str) -> Option<&str> {
        match path {
            "metadata.name" => Some(self.key.name()),
            "metadata.namespace" => Some(self.key.namespace()),
            _ => self.extracted(path),
        }
    }

    fn extracted(&self, path: &str) -> Option<&str> {
        let fields = self.fields.get_or_init(|| self.config.attributes.fields(self.wire_slice()).into());
        fields.iter().find(|(p, _)| **p == *path).map(|(_, v)| &**v)
    }

    /// The protobuf form, made once by `transcode` and kept.
    pub fn proto(&self, transcode: impl FnOnce(&[u8]) -> Bytes) -> &Bytes {
        self.proto.get_or_init(|| transcode(self.wire_slice()))
    }
}

impl std::fmt::Debug for CachedObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.key, self.revision)
    }
}

/// Where `resourceVersion` goes: after the configured prefix, or, for a value stored under another version of its kind,
/// after its first `"metadata":{`, which stands behind kind and apiVersion in every canonical value.
fn splice_offset(config: &ResourceConfig, value: &[u8]) -> usize {
    if value.starts_with(&config.wire_prefix) {
        return config.wire_prefix.len();
    }
    value.windows(METADATA.len()).position(|w| w == METADATA).map_or(0, |at| at + METADATA.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gantry_storage::{Key, Revision};

    use super::CachedObject;
    use crate::ResourceConfig;

    fn object(value: &str) -> CachedObject {
        let config = Arc::new(ResourceConfig::new("", "configmaps", "v1", "ConfigMap"));
        let key = Key::new("", "configmaps", "default", "a");
        CachedObject::new(&config, key, Revision(12), Revision(3), value.as_bytes())
    }

    const VALUE: &str = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","uid":"u"},"data":{"k":"v"}}"#;

    #[test]
    fn the_revision_is_spliced_in_and_the_slices_share_it() {
        let object = object(VALUE);
        let expected = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"12","name":"a","uid":"u"},"data":{"k":"v"}}"#;
        assert_eq!(object.wire(), expected);
        assert_eq!(object.frame_tail(), [expected, "}\n"].concat());
        assert_eq!(
            object.wire().slice(object.metadata_at()..),
            r#""metadata":{"resourceVersion":"12","name":"a","uid":"u"},"data":{"k":"v"}}"#
        );
        assert_eq!(object.uid(), "u");
    }

    #[test]
    fn a_state_sent_under_another_revision_differs_in_nothing_else() {
        let moved = object(VALUE).at_revision(Revision(400));
        assert_eq!(moved.wire(), String::from_utf8_lossy(&object(VALUE).wire()).replace("\"12\"", "\"400\""));
    }

    #[test]
    fn empty_metadata_and_other_stored_versions_stay_valid_json() {
        for value in [
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}"#,
            r#"{"kind":"ConfigMap","apiVersion":"v1beta1","metadata":{"name":"a"}}"#,
        ] {
            let moved = object(value).at_revision(Revision(9));
            let json: serde_json::Value = serde_json::from_slice(&moved.wire()).unwrap();
            assert_eq!(json["metadata"]["resourceVersion"], "9");
        }
    }
}
