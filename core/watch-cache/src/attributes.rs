//! What selectors and indexes read of an object, parsed once per version and only when asked.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// Values of a kind's selectable fields. Implemented above the cache, where kinds are known.
pub trait AttributeExtractor: Send + Sync + 'static {
    /// Fields that get an index: watches and lists of [`crate::Scope::Indexed`] touch only matching objects. Each costs one
    /// call of [`Self::fields`] per change.
    fn indexed_fields(&self) -> &[&'static str] {
        &[]
    }

    /// `(path, value)` of all selectable fields but `metadata.name` and `metadata.namespace`, such as
    /// `("spec.nodeName", "node-1")`. A field left out reads as empty. `wire` is the object's JSON.
    fn fields(&self, wire: &[u8]) -> Vec<(Box<str>, Box<str>)>;
}

/// For kinds that are selected by name and namespace only.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoFields;

impl AttributeExtractor for NoFields {
    fn fields(&self, _wire: &[u8]) -> Vec<(Box<str>, Box<str>)> {
        Vec::new()
    }
}

/// `metadata.labels`, sorted by key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of text or null")
    }

    fn visit_unit<E>(self) -> Result<Labels, E> {
        Ok(Labels::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry::<Box<str>, Box<str>>()? {
            pairs.push(pair);
        }
        pairs.sort_unstable();
        Ok(Labels(pairs.into()))
    }
}

/// The part of `metadata` that the cache reads.
#[derive(Default, Debug)]
pub(crate) struct Metadata {
    pub uid: Box<str>,
    pub labels: Labels,
}

impl Metadata {
    /// `from_metadata` begins at the `{` of `metadata` and may go on after its end. What is not JSON reads as empty: the
    /// decoder at the door keeps such out of storage.
    pub fn parse(from_metadata: &[u8]) -> Self {
        let mut json = serde_json::Deserializer::from_slice(from_metadata);
        json.deserialize_map(MetadataVisitor).unwrap_or_default()
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("object metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::default();
        while let Some(member) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*member {
                "uid" => metadata.uid = map.next_value()?,
                "labels" => metadata.labels = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    #[test]
    fn metadata_is_read_without_what_follows_it() {
        let json = br#"{"resourceVersion":"7","name":"a","labels":{"b":"2","a":"1"},"annotations":{"labels":"{"},"uid":"u"},"spec":"#;
        let metadata = Metadata::parse(json);
        assert_eq!(&*metadata.uid, "u");
        assert_eq!(metadata.labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(metadata.labels.get("b"), Some("2"));
    }

    #[test]
    fn null_labels_are_no_labels() {
        assert!(Metadata::parse(br#"{"labels":null}"#).labels.is_empty());
    }
}
