//! Protobuf out: the wire JSON of an object becomes the message of its kind, byte for byte as the reference writes it, in one
//! pass and without a tree.
//!
//! A message's length is known only behind it: one byte is kept free for it, and what follows is moved where it needs more.

mod message;
mod value;

use crate::wire::{self, MAGIC, envelope};
use gantry_kinds::{Type, catalog};
use message::{Message, Name, Sink};
use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, Visitor},
};
use std::fmt;

/// Field numbers of `metav1.WatchEvent`.
const EVENT_TYPE: u32 = 1;
const EVENT_OBJECT: u32 = 2;

/// True for a type with a protobuf form: all built-in kinds that are stored.
pub fn has_protobuf(ty: &Type) -> bool {
    !ty.by_tag.is_empty()
}

/// Appends an object's protobuf form, envelope included, to `out`. `json` is its wire form: an object, a list with items, a
/// Status. Members that the type does not know are left out.
///
/// # Errors
/// If `json` is not of that type: it is not what this crate writes.
pub fn write_protobuf(ty: &Type, json: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    out.extend_from_slice(MAGIC);
    let mut reader = serde_json::Deserializer::from_slice(json);
    reader.deserialize_map(Enveloped { ty, sink: &mut Sink::new(out) })?;
    reader.end()
}

/// One frame of a watch: its length in four bytes, the most significant first, and the event. `object`: as
/// [`write_protobuf`] for the kind of the JSON.
///
/// # Errors
/// As [`write_protobuf`].
pub fn write_protobuf_frame(event: &str, ty: &Type, json: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    const LENGTH: usize = size_of::<u32>();
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    wire::put_bytes(EVENT_TYPE, event.as_bytes(), out);
    let (event, raw) = (wire::open(EVENT_OBJECT, out), wire::open(wire::ONLY, out));
    write_protobuf(ty, json, out)?;
    wire::close(raw, out);
    wire::close(event, out);
    let length = u32::try_from(out.len() - start - LENGTH).map_err(|_| Error::custom("an event of over 4 GiB"))?;
    out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// As [`write_protobuf`], by the kind that the JSON names (`PartialObjectMetadata` and discovery documents too); `None` if that
/// is no built-in kind.
pub fn to_protobuf(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    write_protobuf(type_in(json)?, json, &mut out).ok()?;
    Some(out)
}

/// As [`write_protobuf_frame`], by the kind that the JSON names, as [`to_protobuf`].
pub fn to_protobuf_frame(event: &str, json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    write_protobuf_frame(event, type_in(json)?, json, &mut out).ok()?;
    Some(out)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta<'j> {
    kind: &'j str,
    /// Discovery of the core group goes without.
    #[serde(default = "core_version")]
    api_version: &'j str,
}

const fn core_version() -> &'static str {
    "v1"
}

fn type_in(json: &[u8]) -> Option<&'static Type> {
    let meta = leading_type_meta(json).or_else(|| serde_json::from_slice(json).ok())?;
    let (group, version) = meta.api_version.split_once('/').unwrap_or(("", meta.api_version));
    match (group, meta.kind) {
        ("meta.k8s.io", kind) => metadata_alone(kind),
        (group, kind) => catalog().type_of_kind(group, version, kind),
    }
}

/// A view that shows metadata and nothing else. Metadata is field 1 of every kind and every list, and items are field 2 of
/// every list: any kind's message serves, as members that the JSON does not have are not written.
fn metadata_alone(kind: &str) -> Option<&'static Type> {
    match kind {
        "PartialObjectMetadata" => catalog().type_of_kind("", "v1", "ConfigMap"),
        "PartialObjectMetadataList" => catalog().type_of_kind("", "v1", "ConfigMapList"),
        _ => None,
    }
}

/// What is stored begins with kind and version, so the rest need not be read.
fn leading_type_meta(json: &[u8]) -> Option<TypeMeta<'_>> {
    let (kind, rest) = json.strip_prefix(br#"{"kind":""#).and_then(text_before_quote)?;
    let (api_version, _) = rest.strip_prefix(br#","apiVersion":""#).and_then(text_before_quote)?;
    Some(TypeMeta { kind, api_version })
}

fn text_before_quote(json: &[u8]) -> Option<(&str, &[u8])> {
    let at = memchr::memchr(b'"', json)?;
    Some((std::str::from_utf8(&json[..at]).ok()?, &json[at + 1..]))
}

/// The object of a body: kind and version go into the envelope, the rest into the message in it.
struct Enveloped<'a, 'o, 's> {
    ty: &'a Type,
    sink: &'o mut Sink<'s>,
}

impl<'de> Visitor<'de> for Enveloped<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { ty, sink } = self;
        let start = sink.out.len();
        let mut named = Named::default();
        let mut message = None;
        while let Some(found) = members.next_key_seed(Name(ty))? {
            match found {
                Some(field) if field.tag.is_empty() && field.name == "kind" => named.kind = members.next_value()?,
                Some(field) if field.tag.is_empty() => named.api_version = members.next_value()?,
                found => {
                    if message.is_none() {
                        message = Some(named.begin(ty, sink));
                    }
                    if let Some((_, message)) = &mut message {
                        message.member(found, &mut members, sink)?;
                    }
                }
            }
        }
        let (raw, message) = message.unwrap_or_else(|| named.begin(ty, sink));
        message.finish(sink);
        wire::close(raw, sink.out);
        named.end(start, sink.out);
        Ok(())
    }
}

/// What an envelope says besides the message.
#[derive(Default)]
struct Named {
    kind: String,
    api_version: String,
    written: bool,
}

impl Named {
    /// Kind and version, where they are known already: they come first in all that is stored. Then the field of the message.
    fn begin<'a>(&mut self, ty: &'a Type, sink: &mut Sink<'_>) -> (usize, Message<'a>) {
        self.written = !self.kind.is_empty() && !self.api_version.is_empty();
        if self.written {
            self.put(sink.out);
        }
        let raw = wire::open(envelope::RAW, sink.out);
        (raw, Message::new(ty, sink))
    }

    /// Kind and version, where they are known only now, and what is always empty.
    fn end(self, start: usize, out: &mut Vec<u8>) {
        if !self.written {
            let mut head = Vec::new();
            self.put(&mut head);
            out.splice(start..start, head);
        }
        wire::put_bytes(envelope::CONTENT_ENCODING, b"", out);
        wire::put_bytes(envelope::CONTENT_TYPE, b"", out);
    }

    fn put(&self, out: &mut Vec<u8>) {
        let start = wire::open(envelope::TYPE_META, out);
        wire::put_bytes(envelope::API_VERSION, self.api_version.as_bytes(), out);
        wire::put_bytes(envelope::KIND, self.kind.as_bytes(), out);
        wire::close(start, out);
    }
}
