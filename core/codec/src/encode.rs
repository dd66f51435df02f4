//! Objects to bytes, in the one order that storage, lists and watches rely on.
//!
//! An object is written `{"kind":K,"apiVersion":V,"metadata":{...},...}`, the rest in name order. What is stored has no
//! `resourceVersion`: it is known only at commit, and spliced in at an offset that is the same for all objects of a kind.

use gantry_kinds::Resource;
use gantry_meta::{Object, Value};
use serde::Serialize;

const FIRST: [&str; 3] = ["kind", "apiVersion", "metadata"];
const METADATA: &str = "\"metadata\":{";

/// The wire form of an object, `resourceVersion` included if it has one.
pub fn encode(object: &Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write_object(object, &mut out, &[]);
    out
}

/// The stored form: without `metadata.resourceVersion`. The object must be of the resource's kind and have `metadata`, which
/// decoding and [`crate::canonical::canonicalise`] see to.
pub fn encode_stored(object: &Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write_object(object, &mut out, &["resourceVersion"]);
    out
}

fn write_object(object: &Object, out: &mut Vec<u8>, hidden_metadata: &[&str]) {
    out.push(b'{');
    let first = FIRST.iter().filter_map(|name| object.get_key_value(*name));
    let rest = object.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    for (at, (name, value)) in first.chain(rest).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_json(name, out);
        out.push(b':');
        match value {
            Value::Object(members) if name == "metadata" => write_members(members, out, hidden_metadata),
            value => write_json(value, out),
        }
    }
    out.push(b'}');
}

fn write_members(members: &Object, out: &mut Vec<u8>, hidden: &[&str]) {
    out.push(b'{');
    for (at, (name, value)) in members.iter().filter(|(n, _)| !hidden.contains(&n.as_str())).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_json(name, out);
        out.push(b':');
        write_json(value, out);
    }
    out.push(b'}');
}

fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("names and JSON trees always serialise, and a Vec takes everything");
}

/// JSON for people: indented by two spaces, as `?pretty` asks; names stay in their order. `json` is what this crate wrote: without
/// spaces between its parts.
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut rest) = (0, json);
    while let Some((byte, tail)) = rest.split_first() {
        let (before, after) = (out.last().copied(), tail.first().copied());
        let (opens, is_empty) = (matches!(byte, b'{' | b'['), matches!(after, Some(b'}' | b']')));
        rest = tail;
        match byte {
            b'"' => {
                let length = string_length(tail);
                out.extend_from_slice(&json[json.len() - tail.len() - 1..][..=length]);
                rest = &tail[length..];
                continue;
            }
            b'}' | b']' if !matches!(before, Some(b'{' | b'[')) => {
                depth -= 1;
                new_line(depth, &mut out);
            }
            _ => {}
        }
        out.push(*byte);
        match byte {
            b':' => out.push(b' '),
            b',' => new_line(depth, &mut out),
            _ if opens && !is_empty => {
                depth += 1;
                new_line(depth, &mut out);
            }
            _ => {}
        }
    }
    out
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

/// From behind the quote that begins a text to behind the one that ends it.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(next) = memchr::memchr2(b'"', b'\\', &text[at.min(text.len())..]) {
        if text[at + next] == b'"' {
            return at + next + 1;
        }
        at += next + 2;
    }
    text.len()
}

/// Where the stored form of a kind is cut: constant for all its objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Splice {
    /// Of `"metadata":{`: items of lists begin here, after a `{`.
    metadata_at: usize,
    /// Right after the `{` of metadata, where `resourceVersion` goes.
    version_at: usize,
}

impl Splice {
    pub fn of(resource: &Resource) -> Self {
        let kind = r#"{"kind":"","apiVersion":"","#.len() + resource.kind.len() + resource.api_version.len();
        Self { metadata_at: kind, version_at: kind + METADATA.len() }
    }

    /// Byte offset of `"metadata":{`: what follows is a list's item, behind a `{`.
    pub fn metadata_at(&self) -> usize {
        self.metadata_at
    }

    /// Byte offset in the stored form at which [`version_member`] is inserted.
    pub fn version_at(&self) -> usize {
        self.version_at
    }

    /// Writes a whole object.
    pub fn write_object(&self, stored: &[u8], revision: u64, out: &mut Vec<u8>) {
        let (head, tail) = stored.split_at(self.version_at);
        out.extend_from_slice(head);
        write_version(revision, tail, out);
    }

    /// Writes an object as lists carry it: without `kind` and `apiVersion`.
    pub fn write_item(&self, stored: &[u8], revision: u64, out: &mut Vec<u8>) {
        let (head, tail) = stored.split_at(self.version_at);
        out.push(b'{');
        out.extend_from_slice(&head[self.metadata_at..]);
        write_version(revision, tail, out);
    }

    /// Writes the metadata alone, as `PartialObjectMetadata` of that `apiVersion`, cut from the stored form without decoding it.
    pub fn write_partial(&self, stored: &[u8], revision: u64, api_version: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":"#);
        write_json(api_version, out);
        out.push(b',');
        out.extend_from_slice(METADATA.as_bytes());
        write_version(revision, &stored[self.version_at..self.metadata_end(stored)], out);
        out.push(b'}');
    }

    /// The offset right after the `}` of metadata.
    fn metadata_end(&self, stored: &[u8]) -> usize {
        let (mut depth, mut in_text, mut at) = (1_usize, false, self.version_at);
        while depth > 0 {
            match stored[at] {
                b'\\' if in_text => at += 1,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => depth += 1,
                b'}' | b']' if !in_text => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        at
    }
}

fn write_version(revision: u64, tail: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#""resourceVersion":""#);
    out.extend_from_slice(itoa::Buffer::new().format(revision).as_bytes());
    out.push(b'"');
    if !tail.starts_with(b"}") {
        out.push(b',');
    }
    out.extend_from_slice(tail);
}

/// `metadata` of a list. Empty and absent members are not written.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListMeta {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    pub continue_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_item_count: Option<u64>,
}

/// `{"kind":...,"items":[`: items follow, separated by commas, then `]}`.
pub fn write_list_head(kind: &str, api_version: &str, meta: &ListMeta, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"kind":"#);
    write_json(kind, out);
    out.extend_from_slice(br#","apiVersion":"#);
    write_json(api_version, out);
    out.extend_from_slice(br#","metadata":"#);
    write_json(meta, out);
    out.extend_from_slice(br#","items":["#);
}

/// One frame of a watch: `{"type":T,"object":...}` and a line feed. `object` writes the object.
pub fn write_watch_frame(event: &str, object: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"#);
    write_json(event, out);
    out.extend_from_slice(br#","object":"#);
    object(out);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_kinds::catalog;
    use serde_json::json;

    fn stored(value: Value) -> Vec<u8> {
        let Value::Object(object) = value else { panic!("an object") };
        encode_stored(&object)
    }

    fn config_maps() -> Splice {
        Splice::of(catalog().resource("", "v1", "configmaps").unwrap())
    }

    #[test]
    fn people_get_indented_json_in_the_same_order() {
        let json = br#"{"kind":"X","a":[1,{"b":"c: {\"[,\\"}],"e":{},"f":[]}"#;
        let expected = "{\n  \"kind\": \"X\",\n  \"a\": [\n    1,\n    {\n      \"b\": \"c: {\\\"[,\\\\\"\n    }\n  ],\n  \
                        \"e\": {},\n  \"f\": []\n}";
        assert_eq!(String::from_utf8(pretty(json)).unwrap(), expected);
        assert_eq!(pretty(b"[]"), b"[]");
    }

    #[test]
    fn kind_comes_first_and_the_revision_is_spliced_in() {
        let bytes = stored(json!({"data": {"k": "v"}, "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "resourceVersion": "7"}}));
        assert_eq!(bytes, br#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}}"#);
        let mut out = Vec::new();
        config_maps().write_object(&bytes, 42, &mut out);
        let wire =
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"a"},"data":{"k":"v"}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), wire);
    }

    #[test]
    fn a_list_item_is_the_same_slice_without_kind() {
        let bytes = stored(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}));
        let mut out = Vec::new();
        config_maps().write_item(&bytes, 1, &mut out);
        assert_eq!(out, br#"{"metadata":{"resourceVersion":"1"}}"#);
    }

    #[test]
    fn metadata_is_cut_out_wherever_it_ends() {
        let bytes = stored(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
            "metadata": {"name": "a}\"]", "finalizers": ["x"], "labels": {"l": "\\"}}}));
        let mut out = Vec::new();
        config_maps().write_partial(&bytes, 9, "meta.k8s.io/v1", &mut out);
        let expected = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": "9", "name": "a}\"]", "finalizers": ["x"], "labels": {"l": "\\"}}});
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    }

    #[test]
    fn a_list_head_leaves_out_what_is_empty() {
        let mut out = Vec::new();
        let meta = ListMeta { resource_version: "5".into(), remaining_item_count: Some(3), ..Default::default() };
        write_list_head("PodList", "v1", &meta, &mut out);
        let head = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5","remainingItemCount":3},"items":["#;
        assert_eq!(String::from_utf8(out).unwrap(), head);
    }
}
