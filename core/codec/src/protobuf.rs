//! Protobuf in: a body in the envelope of the reference (`k8s\0`) becomes the tree that its JSON form would be.
//!
//! Every field knows its tags and its shape, so one walk over the bytes by the field table suffices. Zeros that the wire
//! carries for fields that are not set are dropped afterwards, by the same rules as for JSON. Answers are not written in
//! protobuf yet: clients that send it take JSON too.

mod wire;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gantry_kinds::{Field, Shape, Type};
use gantry_meta::{Object, Value, time};
use jiff::Timestamp;

use self::wire::{Entry, Payload, entries};
use crate::DecodeError;

/// What a body in protobuf begins with.
pub const MAGIC: &[u8] = b"k8s\0";
const DEPTH_MAX: usize = 200;

/// Reads a body: the envelope's kind and version, and the object inside it.
pub(crate) fn decode(ty: &Type, body: &[u8]) -> Result<Object, DecodeError> {
    let inner = body.strip_prefix(MAGIC).ok_or_else(|| syntax("it does not begin with the protobuf envelope"))?;
    let (mut raw, mut envelope) = (&inner[..0], &inner[..0]);
    for entry in entries(inner)? {
        match (entry.tag, entry.payload) {
            (1, Payload::Bytes(bytes)) => envelope = bytes,
            (2, Payload::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = Object::new();
    members(ty, &[], raw, &mut object, 0)?;
    for entry in entries(envelope)? {
        let name = if entry.tag == 1 { "apiVersion" } else { "kind" };
        if let (1 | 2, Payload::Bytes(bytes)) = (entry.tag, entry.payload)
            && !bytes.is_empty()
        {
            object.insert(name.into(), text(bytes)?);
        }
    }
    Ok(object)
}

fn syntax(why: impl Into<String>) -> DecodeError {
    DecodeError::Syntax(why.into())
}

fn wrong(field: &Field) -> DecodeError {
    DecodeError::Type(format!("{} is not encoded as {}", field.name, field.shape.expected()))
}

fn text(bytes: &[u8]) -> Result<Value, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| syntax("a text is not UTF-8"))?;
    Ok(Value::String(text.to_owned()))
}

/// Fills `out` with the fields of a message. `prefix`: the tags of the messages that embed it and are no struct of their own.
fn members(ty: &Type, prefix: &[u16], bytes: &[u8], out: &mut Object, depth: usize) -> Result<(), DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::TooDeep(DEPTH_MAX));
    }
    for Entry { tag, payload } in entries(bytes)? {
        let path = [prefix, &[tag]].concat();
        if let Some(field) = ty.fields.iter().find(|field| *field.tag == *path) {
            member(field, payload, out, depth)?;
        } else if let Payload::Bytes(inner) = payload
            && ty.fields.iter().any(|field| field.tag.len() > path.len() && field.tag.starts_with(&path))
        {
            members(ty, &path, inner, out, depth + 1)?;
        }
    }
    Ok(())
}

fn member(field: &Field, payload: Payload<'_>, out: &mut Object, depth: usize) -> Result<(), DecodeError> {
    let name = &*field.name;
    match &field.shape {
        Shape::List(item) => {
            let list = out.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let Some(list) = list.as_array_mut() else { return Err(wrong(field)) };
            match (&**item, payload) {
                // Numbers may be packed into one entry.
                (Shape::Int32 | Shape::Int64 | Shape::Bool, Payload::Bytes(packed)) => {
                    for number in wire::packed(packed)? {
                        list.push(value(field, item, Payload::Varint(number), depth)?.unwrap_or(Value::Null));
                    }
                }
                (item, payload) => list.extend(value(field, item, payload, depth)?),
            }
        }
        Shape::Map(inner) => {
            let Payload::Bytes(pair) = payload else { return Err(wrong(field)) };
            let map = out.entry(name).or_insert_with(|| Value::Object(Object::new()));
            let Some(map) = map.as_object_mut() else { return Err(wrong(field)) };
            let (key, value) = map_entry(field, inner, pair, depth)?;
            map.insert(key, value);
        }
        shape => {
            if let Some(value) = value(field, shape, payload, depth)? {
                out.insert(name.to_owned(), value);
            }
        }
    }
    Ok(())
}

fn map_entry(field: &Field, shape: &Shape, pair: &[u8], depth: usize) -> Result<(String, Value), DecodeError> {
    let (mut key, mut held) = (String::new(), None);
    for entry in entries(pair)? {
        match (entry.tag, entry.payload) {
            (1, Payload::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, payload) => held = value(field, shape, payload, depth)?,
            _ => {}
        }
    }
    // An absent value is the zero of its type; only texts and messages occur as values.
    let zero = || match shape {
        Shape::Struct(_) | Shape::Map(_) => Value::Object(Object::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Quantity | Shape::ResourceQuantity => Value::from("0"),
        _ => Value::from(""),
    };
    Ok((key, held.unwrap_or_else(zero)))
}

/// `None`: a message that stands for nothing, such as an unset time.
fn value(field: &Field, shape: &Shape, payload: Payload<'_>, depth: usize) -> Result<Option<Value>, DecodeError> {
    Ok(Some(match (shape, payload) {
        (Shape::String, Payload::Bytes(bytes)) => text(bytes)?,
        (Shape::Bytes, Payload::Bytes(bytes)) => Value::String(BASE64_STANDARD.encode(bytes)),
        (Shape::Bool, Payload::Varint(number)) => Value::Bool(number != 0),
        // Negative numbers are written in 64 bits, whatever their type.
        (Shape::Int32 | Shape::Int64, Payload::Varint(number)) => Value::from(number.cast_signed()),
        (Shape::Double, Payload::Fixed64(bits)) => Value::from(f64::from_bits(bits)),
        (Shape::Quantity | Shape::ResourceQuantity, Payload::Bytes(message)) => match first_bytes(message)? {
            Some(bytes) => text(bytes)?,
            None => Value::from("0"),
        },
        (Shape::IntOrString, Payload::Bytes(message)) => int_or_string(message)?,
        (Shape::Time | Shape::MicroTime, Payload::Bytes(message)) => return moment(shape, message),
        (Shape::Raw | Shape::RawObject, Payload::Bytes(message)) => match first_bytes(message)? {
            Some(json) => serde_json::from_slice(json).map_err(|error| syntax(error.to_string()))?,
            None => return Ok(None),
        },
        (Shape::Struct(ty), Payload::Bytes(message)) => {
            let mut object = Object::new();
            members(ty, &[], message, &mut object, depth + 1)?;
            Value::Object(object)
        }
        // A list as a map's value is a message with the items under its first tag.
        (Shape::List(item), Payload::Bytes(message)) => {
            let items = entries(message)?.into_iter().filter(|entry| entry.tag == 1);
            let items: Result<Vec<_>, _> = items.map(|entry| value(field, item, entry.payload, depth + 1)).collect();
            Value::Array(items?.into_iter().flatten().collect())
        }
        (Shape::SchemaOr(..), _) => {
            return Err(DecodeError::Type(format!(
                "{}: schemas are not supported in protobuf yet, use JSON",
                field.name
            )));
        }
        _ => return Err(wrong(field)),
    }))
}

/// The content of a message that holds one text under its first tag.
fn first_bytes(message: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let found = entries(message)?.into_iter().find_map(|entry| match (entry.tag, entry.payload) {
        (1, Payload::Bytes(bytes)) => Some(bytes),
        _ => None,
    });
    Ok(found)
}

/// `{type: 0 for a number and 1 for text, intVal, strVal}`
fn int_or_string(message: &[u8]) -> Result<Value, DecodeError> {
    let (mut is_text, mut number, mut string) = (false, 0, Value::from(""));
    for entry in entries(message)? {
        match (entry.tag, entry.payload) {
            (1, Payload::Varint(kind)) => is_text = kind == 1,
            (2, Payload::Varint(value)) => number = value.cast_signed(),
            (3, Payload::Bytes(bytes)) => string = text(bytes)?,
            _ => {}
        }
    }
    Ok(if is_text { string } else { Value::from(number) })
}

/// `{seconds, nanos}`; an empty message is no time.
fn moment(shape: &Shape, message: &[u8]) -> Result<Option<Value>, DecodeError> {
    if message.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for entry in entries(message)? {
        match (entry.tag, entry.payload) {
            (1, Payload::Varint(value)) => seconds = value.cast_signed(),
            (2, Payload::Varint(value)) => nanos = value.cast_signed(),
            _ => {}
        }
    }
    let nanos = i32::try_from(nanos).map_err(|_| syntax("a time has too many nanoseconds"))?;
    let at = Timestamp::new(seconds, nanos).map_err(|error| syntax(error.to_string()))?;
    let written = if matches!(shape, Shape::Time) { time::format_time(at) } else { time::format_micro_time(at) };
    Ok(Some(Value::String(written)))
}

#[cfg(test)]
mod tests {
    use gantry_kinds::catalog;
    use serde_json::json;

    use super::*;

    /// A length-delimited field.
    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        [&[tag << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    fn body(kind: &str, version: &str, raw: &[u8]) -> Vec<u8> {
        let envelope = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC, &field(1, &envelope), &field(2, raw)].concat()
    }

    #[test]
    fn a_config_map_is_read_by_its_tags() {
        let metadata = [field(1, b"a"), field(3, b""), field(8, b"")].concat();
        let entry = [field(1, b"k"), field(2, b"v")].concat();
        let raw = [field(1, &metadata), field(2, &entry)].concat();
        let ty = catalog().type_of_kind("", "v1", "ConfigMap").unwrap();
        let object = decode(ty, &body("ConfigMap", "v1", &raw)).unwrap();
        assert_eq!(object["data"], json!({"k": "v"}));
        assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("ConfigMap"), &json!("a")));
        assert!(object["metadata"].get("creationTimestamp").is_none());
    }

    #[test]
    fn embedded_messages_numbers_and_alternatives_are_read() {
        // livenessProbe {handler: {httpGet: {port: "web"}}, periodSeconds: 5} of a container.
        let port = [vec![1 << 3, 1], field(3, b"web")].concat();
        let handler = field(2, &field(2, &port));
        let probe = [field(1, &handler), vec![4 << 3, 5]].concat();
        let ty = catalog().type_named("io.k8s.api.core.v1.Container").unwrap();
        let mut container = Object::new();
        members(ty, &[], &field(10, &probe), &mut container, 0).unwrap();
        assert_eq!(container["livenessProbe"], json!({"httpGet": {"port": "web"}, "periodSeconds": 5}));
    }

    #[test]
    fn amounts_by_name_are_read() {
        let pair = [field(1, b"pods"), field(2, &field(1, b"1"))].concat();
        let ty = catalog().type_named("io.k8s.api.core.v1.ResourceQuotaSpec").unwrap();
        let mut spec = Object::new();
        members(ty, &[], &field(1, &pair), &mut spec, 0).unwrap();
        assert_eq!(spec["hard"], json!({"pods": "1"}));
    }

    #[test]
    fn bytes_that_are_no_protobuf_are_refused() {
        let ty = catalog().type_of_kind("", "v1", "ConfigMap").unwrap();
        for bad in [&b"{}"[..], b"", b"k8s\0\xff\xff", b"k8s\0\x12\x7f", b"k8s\0\x12\x02\x0a\x7f"] {
            assert!(decode(ty, bad).is_err(), "{bad:?}");
        }
    }
}
