//! One JSON value as a field of a message.

use super::message::{Nested, Sink};
use crate::wire;
use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_kinds::{SchemaAlternative, Shape};
use gantry_meta::time;
use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Writes one JSON value as a field of that number; `null` as none.
pub(super) struct Keyed<'a, 'o, 's> {
    pub number: u32,
    pub shape: &'a Shape,
    /// The field's protobuf type, which tells the kinds of free JSON apart.
    pub proto: &'a str,
    pub sink: &'o mut Sink<'s>,
}

impl<'de> DeserializeSeed<'de> for Keyed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !matches!(self.shape, Shape::Raw | Shape::RawObject) {
            return deserializer.deserialize_any(self);
        }
        let json = <&RawValue>::deserialize(deserializer)?;
        let start = wire::open(self.number, self.sink.out);
        if wire::holds_json(self.proto) {
            wire::put_bytes(wire::ONLY, json.get().as_bytes(), self.sink.out);
        }
        wire::close(start, self.sink.out);
        Ok(())
    }
}

impl Keyed<'_, '_, '_> {
    fn wrong<E: Error>(&self, found: &str) -> E {
        E::custom(format_args!("expected {}, found {found}", self.shape.expected()))
    }

    fn put_time<E: Error>(self, text: &str) -> Result<(), E> {
        let at = time::parse_time(text).ok_or_else(|| self.wrong(text))?;
        let start = wire::open(self.number, self.sink.out);
        // Before 1970 seconds are rounded down, so that the fraction counts upwards.
        let (seconds, nanos) = (at.as_second(), i64::from(at.subsec_nanosecond()));
        let borrowed = i64::from(nanos < 0);
        wire::put_varint(1, (seconds - borrowed).cast_unsigned(), self.sink.out);
        wire::put_varint(2, (nanos + borrowed * 1_000_000_000).cast_unsigned(), self.sink.out);
        wire::close(start, self.sink.out);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Keyed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.shape {
            Shape::Bool => wire::put_varint(self.number, value.into(), self.sink.out),
            Shape::SchemaOr(_, SchemaAlternative::Bool) => {
                let start = wire::open(self.number, self.sink.out);
                wire::put_varint(1, value.into(), self.sink.out);
                wire::close(start, self.sink.out);
            }
            _ => return Err(self.wrong("boolean")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        match self.shape {
            // Negative numbers take ten bytes, whatever their type.
            Shape::Int32 | Shape::Int64 => wire::put_varint(self.number, value.cast_unsigned(), self.sink.out),
            Shape::Double => wire::put_double(self.number, value as f64, self.sink.out),
            Shape::IntOrString => put_int_or_string(self.number, value, None, self.sink.out),
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
        wire::put_double(self.number, value, self.sink.out);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.shape {
            Shape::String => wire::put_bytes(self.number, text.as_bytes(), self.sink.out),
            Shape::Bytes => {
                let bytes = BASE64_STANDARD.decode(text).map_err(|_| self.wrong("string"))?;
                wire::put_bytes(self.number, &bytes, self.sink.out);
            }
            Shape::Quantity | Shape::ResourceQuantity => {
                let start = wire::open(self.number, self.sink.out);
                wire::put_bytes(wire::ONLY, text.as_bytes(), self.sink.out);
                wire::close(start, self.sink.out);
            }
            Shape::IntOrString => put_int_or_string(self.number, 0, Some(text), self.sink.out),
            Shape::Time | Shape::MicroTime => return self.put_time(text),
            _ => return Err(self.wrong("string")),
        }
        Ok(())
    }

    /// Every item is a field of its own. The alternatives to a schema are inside a message.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Keyed { number, shape, proto, sink } = self;
        let is_inside = matches!(shape, Shape::SchemaOr(..)) || wire::is_list_message(proto);
        let start = is_inside.then(|| wire::open(number, sink.out));
        match shape {
            Shape::List(item) => {
                let number = if is_inside { wire::ONLY } else { number };
                while items.next_element_seed(Keyed { number, shape: item, proto, sink })?.is_some() {}
            }
            Shape::SchemaOr(_, SchemaAlternative::StringArray) => {
                while items.next_element_seed(Keyed { number: 2, shape: &Shape::String, proto, sink })?.is_some() {}
            }
            Shape::SchemaOr(ty, SchemaAlternative::Array) => {
                while items.next_element_seed(Nested { number: 2, ty, sink })?.is_some() {}
            }
            _ => return Err(Keyed { number, shape, proto, sink }.wrong("array")),
        }
        start.into_iter().for_each(|start| wire::close(start, sink.out));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let Keyed { number, shape, proto, sink } = self;
        match shape {
            Shape::Struct(ty) => Nested { number, ty, sink }.visit_map(members),
            Shape::Map(value) => entries(number, value, members, sink),
            Shape::SchemaOr(ty, alternative) => {
                let start = wire::open(number, sink.out);
                let is_bool = *alternative == SchemaAlternative::Bool;
                if is_bool {
                    wire::put_varint(1, 1, sink.out);
                }
                Nested { number: if is_bool { 2 } else { 1 }, ty, sink }.visit_map(members)?;
                wire::close(start, sink.out);
                Ok(())
            }
            _ => Err(Keyed { number, shape, proto, sink }.wrong("object")),
        }
    }
}

/// Both kinds of value are written, the one that it is not as its zero.
pub(super) fn put_int_or_string(number: u32, int: i64, string: Option<&str>, out: &mut Vec<u8>) {
    let start = wire::open(number, out);
    wire::put_varint(1, string.is_some().into(), out);
    wire::put_varint(2, int.cast_unsigned(), out);
    wire::put_bytes(3, string.unwrap_or_default().as_bytes(), out);
    wire::close(start, out);
}

/// Each entry is a message of key and value; a list as a value is a message again. They come sorted, as Go writes them.
fn entries<'de, A: MapAccess<'de>>(
    number: u32,
    value: &Shape,
    mut members: A,
    sink: &mut Sink<'_>,
) -> Result<(), A::Error> {
    while let Some(key) = members.next_key::<String>()? {
        let entry = wire::open(number, sink.out);
        wire::put_bytes(1, key.as_bytes(), sink.out);
        if let Shape::List(_) = value {
            let list = wire::open(2, sink.out);
            members.next_value_seed(Keyed { number: wire::ONLY, shape: value, proto: "", sink })?;
            wire::close(list, sink.out);
        } else {
            members.next_value_seed(Keyed { number: 2, shape: value, proto: "", sink })?;
        }
        wire::close(entry, sink.out);
    }
    Ok(())
}
