//! Protobuf bodies: read by tag in one pass, into the same canonical tree as JSON.
//!
//! The messages differ from the JSON in a few ways that the field tables tell: structs whose fields JSON shows among those of
//! the struct around are messages of their own (tags of more than one part), and times, quantities, ports and free JSON are
//! small messages. Fields that come twice are merged as the wire form's rules say.

mod leaf;

use self::leaf::{bytes, int_or_string, mismatch, number, number_of, quantity, text, time_of, unpack};
use super::{
    members,
    path::Path,
    seed::{self, Seed},
    with_json,
};
use crate::{
    DecodeError, canonical,
    problems::{MAX_KEPT_DEPTH, Problems},
    wire::{MAGIC, Payload, Reader, envelope, holds_json, is_list_message, malformed},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_kinds::{Field, SchemaAlternative, Shape, Type};
use gantry_meta::{Object, Value};
use serde::de::DeserializeSeed;

/// Reads the envelope and the message in it.
pub(super) fn enveloped(ty: &Type, body: &[u8], problems: &mut Problems) -> Result<Object, DecodeError> {
    let body = body.strip_prefix(MAGIC).ok_or_else(|| malformed("the body does not begin with k8s and a zero byte"))?;
    if body.is_empty() {
        return Err(malformed("nothing follows the zero byte"));
    }
    let (mut object, mut raw) = (Object::new(), &[][..]);
    let mut reader = Reader::new(body);
    while let Some((number, payload)) = reader.field()? {
        match number {
            envelope::TYPE_META => type_meta(bytes(payload)?, &mut object)?,
            envelope::RAW => raw = bytes(payload)?,
            _ => {}
        }
    }
    let mut decoder = Decoder { problems };
    decoder.message(&Members::of(ty), raw, &mut object, &Path::ROOT)?;
    canonical::fill(ty, &mut object);
    Ok(object)
}

fn type_meta(message: &[u8], object: &mut Object) -> Result<(), DecodeError> {
    let mut reader = Reader::new(message);
    while let Some((number, payload)) = reader.field()? {
        let name = match number {
            envelope::API_VERSION => "apiVersion",
            envelope::KIND => "kind",
            _ => continue,
        };
        object.insert(name.to_owned(), text(payload)?);
    }
    Ok(())
}

/// The fields of a message: all of a type, or those that share the first parts of their tags.
struct Members<'a> {
    ty: &'a Type,
    /// A run of the type's `by_tag`.
    run: &'a [u16],
    /// How many parts of the tags led here.
    level: usize,
}

/// What a field number stands for.
enum Known<'a> {
    Field(&'a Field),
    /// A message whose fields are those of the same struct in JSON.
    Inline(Members<'a>),
}

impl<'a> Members<'a> {
    fn of(ty: &'a Type) -> Self {
        Self { ty, run: &ty.by_tag, level: 0 }
    }

    fn find(&self, number: u32) -> Option<Known<'a>> {
        let part = |at: &u16| u32::from(self.ty.fields[usize::from(*at)].tag[self.level]);
        let from = self.run.partition_point(|at| part(at) < number);
        let run = &self.run[from..];
        let run = &run[..run.partition_point(|at| part(at) == number)];
        let field = &self.ty.fields[usize::from(*run.first()?)];
        let level = self.level + 1;
        let is_whole = field.tag.len() == level;
        Some(if is_whole { Known::Field(field) } else { Known::Inline(Members { ty: self.ty, run, level }) })
    }
}

struct Decoder<'s> {
    problems: &'s mut Problems,
}

impl Decoder<'_> {
    /// Adds a message's fields to the object. What is always written must be filled in afterwards.
    fn message(
        &mut self,
        members: &Members<'_>,
        message: &[u8],
        object: &mut Object,
        path: &Path<'_>,
    ) -> Result<(), DecodeError> {
        let mut reader = Reader::new(message);
        while let Some((number, payload)) = reader.field()? {
            match members.find(number) {
                Some(Known::Field(field)) => {
                    let path = path.name(&field.name);
                    let before = object.remove(&*field.name);
                    let value = self.member(field, (number, payload), &mut reader, before, &path)?;
                    members::store(object, field, value);
                }
                Some(Known::Inline(inner)) => self.message(&inner, bytes(payload)?, object, path)?,
                // Of a newer version, perhaps: numbers are no misspelt names, so nobody is told.
                None => {}
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        field: &Field,
        (number, first): (u32, Payload<'_>),
        reader: &mut Reader<'_>,
        before: Option<Value>,
        path: &Path<'_>,
    ) -> Result<Option<Value>, DecodeError> {
        let (mut payload, mut value) = (first, before);
        let is_repeated = matches!(field.shape, Shape::List(_) | Shape::Map(_));
        if is_repeated {
            self.enter()?;
        }
        loop {
            value = match &field.shape {
                Shape::List(_) if is_list_message(&field.proto) => {
                    self.value(&field.shape, "", payload, value, path)?
                }
                Shape::List(item) => Some(self.add_items(item, &field.proto, payload, value, path)?),
                Shape::Map(inner) => Some(self.add_entry(inner, payload, value, path)?),
                shape => self.value(shape, &field.proto, payload, value, path)?,
            };
            match reader.field_again(number)? {
                Some(next) => payload = next,
                None => break,
            }
        }
        self.problems.depth -= usize::from(is_repeated);
        Ok(value)
    }

    /// One item; or many, where numbers are packed into one field.
    fn add_items(
        &mut self,
        item: &Shape,
        proto: &str,
        payload: Payload<'_>,
        before: Option<Value>,
        path: &Path<'_>,
    ) -> Result<Value, DecodeError> {
        let mut items = if let Some(Value::Array(items)) = before { items } else { Vec::new() };
        match (item, payload) {
            (Shape::Bool | Shape::Int32 | Shape::Int64 | Shape::Double, Payload::Bytes(packed)) => {
                unpack(item, packed, &mut items)?;
            }
            _ => {
                let value = self.value(item, proto, payload, None, &path.index(items.len()))?;
                items.push(value.unwrap_or_else(|| seed::zero(item.into())));
            }
        }
        Ok(Value::Array(items))
    }

    fn add_entry(
        &mut self,
        inner: &Shape,
        entry: Payload<'_>,
        before: Option<Value>,
        path: &Path<'_>,
    ) -> Result<Value, DecodeError> {
        let mut members = if let Some(Value::Object(members)) = before { members } else { Object::new() };
        let (mut key, mut found) = (String::new(), None);
        let mut reader = Reader::new(bytes(entry)?);
        while let Some((number, payload)) = reader.field()? {
            match number {
                1 => key = String::from_utf8_lossy(bytes(payload)?).into_owned(),
                2 => found = Some(payload),
                _ => {}
            }
        }
        let value = match found {
            Some(payload) => self.value(inner, "", payload, None, &path.name(&key))?,
            None => None,
        };
        members.insert(key, value.unwrap_or_else(|| seed::zero(inner.into())));
        Ok(Value::Object(members))
    }

    /// A value that is not repeated; `None` for one that counts as unset.
    fn value(
        &mut self,
        shape: &Shape,
        proto: &str,
        payload: Payload<'_>,
        before: Option<Value>,
        path: &Path<'_>,
    ) -> Result<Option<Value>, DecodeError> {
        Ok(Some(match shape {
            Shape::String => text(payload)?,
            Shape::Bool | Shape::Int32 | Shape::Int64 | Shape::Double => number(shape, payload)?,
            Shape::Bytes => Value::String(BASE64_STANDARD.encode(bytes(payload)?)),
            Shape::Quantity => quantity(payload, false, path)?,
            Shape::ResourceQuantity => quantity(payload, true, path)?,
            Shape::IntOrString => int_or_string(payload, path)?,
            Shape::Time | Shape::MicroTime => return time_of(shape, bytes(payload)?, path),
            Shape::Raw | Shape::RawObject if holds_json(proto) => return self.json(payload, path),
            // Structs without fields.
            Shape::Raw | Shape::RawObject => Value::Object(Object::new()),
            Shape::SchemaOr(ty, alternative) => return self.schema_or(ty, *alternative, payload, path),
            Shape::Struct(ty) => self.object(ty, payload, before, path)?,
            // A list that is a map's value is a message with the items as its only field.
            Shape::List(item) => return self.wrapped(item, payload, path),
            Shape::Map(_) => return Err(mismatch(path, "a map inside a list or map")),
        }))
    }

    fn object(
        &mut self,
        ty: &Type,
        payload: Payload<'_>,
        before: Option<Value>,
        path: &Path<'_>,
    ) -> Result<Value, DecodeError> {
        let mut object = if let Some(Value::Object(object)) = before { object } else { Object::new() };
        self.enter()?;
        self.message(&Members::of(ty), bytes(payload)?, &mut object, path)?;
        self.problems.depth -= 1;
        canonical::fill(ty, &mut object);
        Ok(Value::Object(object))
    }

    fn wrapped(&mut self, item: &Shape, payload: Payload<'_>, path: &Path<'_>) -> Result<Option<Value>, DecodeError> {
        let mut list = None;
        let mut reader = Reader::new(bytes(payload)?);
        self.enter()?;
        while let Some((number, payload)) = reader.field()? {
            if number == 1 {
                list = Some(self.add_items(item, "", payload, list, path)?);
            }
        }
        self.problems.depth -= 1;
        Ok(list)
    }

    /// The JSON text that `RawExtension`, `FieldsV1` and `JSON` carry in their only field; none is `null`.
    fn json(&mut self, payload: Payload<'_>, path: &Path<'_>) -> Result<Option<Value>, DecodeError> {
        let mut text = &[][..];
        let mut reader = Reader::new(bytes(payload)?);
        while let Some((number, payload)) = reader.field()? {
            if number == 1 {
                text = bytes(payload)?;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        with_json(text, |json| Seed::raw_at(path, self.problems).deserialize(json))
    }

    /// A message of the alternative (field 1 for truth, 2 for lists) and the schema (in the other order).
    fn schema_or(
        &mut self,
        ty: &Type,
        alternative: SchemaAlternative,
        payload: Payload<'_>,
        path: &Path<'_>,
    ) -> Result<Option<Value>, DecodeError> {
        let (schema_tag, other_tag) = if alternative == SchemaAlternative::Bool { (2, 1) } else { (1, 2) };
        let (mut schema, mut items, mut allows) = (None, None, false);
        let mut reader = Reader::new(bytes(payload)?);
        while let Some((number, payload)) = reader.field()? {
            match alternative {
                _ if number == schema_tag => schema = Some(self.object(ty, payload, schema, path)?),
                _ if number != other_tag => {}
                SchemaAlternative::Bool => allows = number_of(payload)? != 0,
                SchemaAlternative::Array => {
                    let before = if let Some(Value::Array(items)) = items.take() { items } else { Vec::new() };
                    items = Some(self.with_schema(ty, payload, before, path)?);
                }
                SchemaAlternative::StringArray => {
                    items = Some(self.add_items(&Shape::String, "", payload, items, path)?);
                }
            }
        }
        let other = if alternative == SchemaAlternative::Bool { Some(Value::Bool(allows)) } else { items };
        // A list, even beside a schema, is what the reference writes.
        Ok(if alternative == SchemaAlternative::Bool { schema.or(other) } else { other.or(schema) })
    }

    fn with_schema(
        &mut self,
        ty: &Type,
        payload: Payload<'_>,
        mut before: Vec<Value>,
        path: &Path<'_>,
    ) -> Result<Value, DecodeError> {
        let path = path.index(before.len());
        before.push(self.object(ty, payload, None, &path)?);
        Ok(Value::Array(before))
    }

    fn enter(&mut self) -> Result<(), DecodeError> {
        self.problems.depth += 1;
        if self.problems.depth > MAX_KEPT_DEPTH { Err(DecodeError::TooDeep(MAX_KEPT_DEPTH)) } else { Ok(()) }
    }
}
