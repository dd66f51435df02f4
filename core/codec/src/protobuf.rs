//! Protobuf out: the wire JSON of an object becomes the message of its kind, in one pass and without a tree.
//!
//! Fields are written in the order of the JSON; what JSON leaves out as unset is left out here. A message's length is known
//! only behind it: one byte is kept free for it, and what follows is moved where it needs more.

use crate::wire::{self, MAGIC, envelope};
use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_kinds::{Field, SchemaAlternative, Shape, Type, catalog};
use gantry_meta::time;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// Field numbers of `metav1.WatchEvent`.
const EVENT_TYPE: u32 = 1;
const EVENT_OBJECT: u32 = 2;
/// Of the only field of `RawExtension`, `FieldsV1`, `JSON` and of lists that are messages of their own; and of a quantity's text.
const ONLY: u32 = 1;

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
    reader.deserialize_map(Enveloped { ty, out })?;
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
    let (event, raw) = (wire::open(EVENT_OBJECT, out), wire::open(ONLY, out));
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
struct Enveloped<'a, 'o> {
    ty: &'a Type,
    out: &'o mut Vec<u8>,
}

impl<'de> Visitor<'de> for Enveloped<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (mut kind, mut api_version) = (String::new(), String::new());
        // Kind and version come first in all that is stored; should they not, they follow the message, which is as good.
        let mut raw = None;
        while let Some(found) = members.next_key_seed(Name(self.ty))? {
            match found {
                Some(field) if field.tag.is_empty() && field.name == "kind" => kind = members.next_value()?,
                Some(field) if field.tag.is_empty() => api_version = members.next_value()?,
                found => {
                    if raw.is_none() {
                        put_type_meta(&mut kind, &mut api_version, self.out);
                        raw = Some(wire::open(envelope::RAW, self.out));
                    }
                    member(found, &mut members, self.out)?;
                }
            }
        }
        raw.into_iter().for_each(|raw| wire::close(raw, self.out));
        put_type_meta(&mut kind, &mut api_version, self.out);
        Ok(())
    }
}

/// Takes what is known of kind and version; nothing is written for nothing: readers merge what comes twice, and an empty
/// text would take away what stood before.
fn put_type_meta(kind: &mut String, api_version: &mut String, out: &mut Vec<u8>) {
    let known = [(envelope::API_VERSION, std::mem::take(api_version)), (envelope::KIND, std::mem::take(kind))];
    if known.iter().all(|(_, text)| text.is_empty()) {
        return;
    }
    let start = wire::open(envelope::TYPE_META, out);
    for (number, text) in known.iter().filter(|(_, text)| !text.is_empty()) {
        wire::put_bytes(*number, text.as_bytes(), out);
    }
    wire::close(start, out);
}

/// Writes a field inside the messages that its tag names from the outside in; one the type does not know is passed over.
fn member<'de, A: MapAccess<'de>>(found: Option<&Field>, members: &mut A, out: &mut Vec<u8>) -> Result<(), A::Error> {
    let Some((field, (number, outer))) = found.and_then(|f| Some((f, f.tag.split_last()?))) else {
        return members.next_value::<IgnoredAny>().map(drop);
    };
    let starts: Vec<usize> = outer.iter().map(|outer| wire::open((*outer).into(), out)).collect();
    members.next_value_seed(Keyed { number: (*number).into(), shape: &field.shape, proto: &field.proto, out })?;
    starts.into_iter().rev().for_each(|start| wire::close(start, out));
    Ok(())
}

fn all_members<'de, A: MapAccess<'de>>(ty: &Type, members: &mut A, out: &mut Vec<u8>) -> Result<(), A::Error> {
    while let Some(found) = members.next_key_seed(Name(ty))? {
        member(found, members, out)?;
    }
    Ok(())
}

/// Writes one JSON value as a field of that number; `null` as none.
struct Keyed<'a, 'o> {
    number: u32,
    shape: &'a Shape,
    /// The field's protobuf type, which tells the kinds of free JSON apart.
    proto: &'a str,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Keyed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !matches!(self.shape, Shape::Raw | Shape::RawObject) {
            return deserializer.deserialize_any(self);
        }
        let json = <&RawValue>::deserialize(deserializer)?;
        let start = wire::open(self.number, self.out);
        if wire::holds_json(self.proto) {
            wire::put_bytes(ONLY, json.get().as_bytes(), self.out);
        }
        wire::close(start, self.out);
        Ok(())
    }
}

impl Keyed<'_, '_> {
    fn wrong<E: Error>(&self, found: &str) -> E {
        E::custom(format_args!("expected {}, found {found}", self.shape.expected()))
    }

    fn put_time<E: Error>(self, text: &str) -> Result<(), E> {
        let at = time::parse_time(text).ok_or_else(|| self.wrong(text))?;
        let start = wire::open(self.number, self.out);
        wire::put_varint(1, at.as_second().cast_unsigned(), self.out);
        wire::put_varint(2, i64::from(at.subsec_nanosecond()).cast_unsigned(), self.out);
        wire::close(start, self.out);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Keyed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.shape {
            Shape::Bool => wire::put_varint(self.number, value.into(), self.out),
            Shape::SchemaOr(_, SchemaAlternative::Bool) => {
                let start = wire::open(self.number, self.out);
                wire::put_varint(1, value.into(), self.out);
                wire::close(start, self.out);
            }
            _ => return Err(self.wrong("boolean")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        match self.shape {
            // Negative numbers take ten bytes, whatever their type.
            Shape::Int32 | Shape::Int64 => wire::put_varint(self.number, value.cast_unsigned(), self.out),
            Shape::Double => wire::put_double(self.number, value as f64, self.out),
            Shape::IntOrString => {
                let start = wire::open(self.number, self.out);
                wire::put_varint(1, 0, self.out);
                wire::put_varint(2, value.cast_unsigned(), self.out);
                wire::close(start, self.out);
            }
            _ => return Err(self.wrong("number")),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if !matches!(self.shape, Shape::Double) {
            return Err(self.wrong("a number with a fraction"));
        }
        wire::put_double(self.number, value, self.out);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.shape {
            Shape::String => wire::put_bytes(self.number, text.as_bytes(), self.out),
            Shape::Bytes => {
                let bytes = BASE64_STANDARD.decode(text).map_err(|_| self.wrong("string"))?;
                wire::put_bytes(self.number, &bytes, self.out);
            }
            Shape::Quantity | Shape::ResourceQuantity => {
                let start = wire::open(self.number, self.out);
                wire::put_bytes(ONLY, text.as_bytes(), self.out);
                wire::close(start, self.out);
            }
            Shape::IntOrString => {
                let start = wire::open(self.number, self.out);
                wire::put_varint(1, 1, self.out);
                wire::put_bytes(3, text.as_bytes(), self.out);
                wire::close(start, self.out);
            }
            Shape::Time | Shape::MicroTime => return self.put_time(text),
            _ => return Err(self.wrong("string")),
        }
        Ok(())
    }

    /// Every item is a field of its own. The alternatives to a schema are inside a message.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Keyed { number, shape, proto, out } = self;
        match shape {
            Shape::List(item) if wire::is_list_message(proto) => {
                let start = wire::open(number, out);
                while items.next_element_seed(Keyed { number: ONLY, shape: item, proto: "", out })?.is_some() {}
                wire::close(start, out);
            }
            Shape::List(item) => while items.next_element_seed(Keyed { number, shape: item, proto, out })?.is_some() {},
            Shape::SchemaOr(_, SchemaAlternative::StringArray) => {
                let start = wire::open(number, out);
                while items.next_element_seed(Keyed { number: 2, shape: &Shape::String, proto, out })?.is_some() {}
                wire::close(start, out);
            }
            Shape::SchemaOr(ty, SchemaAlternative::Array) => {
                let start = wire::open(number, out);
                while items.next_element_seed(Message { number: 2, ty, out })?.is_some() {}
                wire::close(start, out);
            }
            _ => return Err(Keyed { number, shape, proto, out }.wrong("array")),
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Keyed { number, shape, proto, out } = self;
        match shape {
            Shape::Struct(ty) => Message { number, ty, out }.visit_map(members),
            Shape::Map(value) => entries(number, value, &mut members, out),
            Shape::SchemaOr(ty, alternative) => {
                let start = wire::open(number, out);
                let is_bool = *alternative == SchemaAlternative::Bool;
                if is_bool {
                    wire::put_varint(1, 1, out);
                }
                Message { number: if is_bool { 2 } else { 1 }, ty, out }.visit_map(members)?;
                wire::close(start, out);
                Ok(())
            }
            _ => Err(Keyed { number, shape, proto, out }.wrong("object")),
        }
    }
}

/// Each entry is a message of key and value; a list as a value is a message again.
fn entries<'de, A: MapAccess<'de>>(
    number: u32,
    value: &Shape,
    members: &mut A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    while let Some(key) = members.next_key::<String>()? {
        let entry = wire::open(number, out);
        wire::put_bytes(1, key.as_bytes(), out);
        if let Shape::List(_) = value {
            let list = wire::open(2, out);
            members.next_value_seed(Keyed { number: ONLY, shape: value, proto: "", out })?;
            wire::close(list, out);
        } else {
            members.next_value_seed(Keyed { number: 2, shape: value, proto: "", out })?;
        }
        wire::close(entry, out);
    }
    Ok(())
}

/// A struct as a field of that number.
struct Message<'a, 'o> {
    number: u32,
    ty: &'a Type,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Message<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let start = wire::open(self.number, self.out);
        all_members(self.ty, &mut members, self.out)?;
        wire::close(start, self.out);
        Ok(())
    }
}

/// Looks a member up without copying its name.
struct Name<'a>(&'a Type);

impl<'a, 'de> DeserializeSeed<'de> for Name<'a> {
    type Value = Option<&'a Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Option<&'a Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.field(name))
    }
}
