//! The typed pass over a body: a serde visitor that knows from the field table what may come next.

use super::{
    members::{Member, Name, Seen, store},
    path::Path,
    repeated, scalar,
};
use crate::{
    canonical::{self, double},
    problems::Problems,
};
use gantry_kinds::{Field, SchemaAlternative, Shape, Type};
use gantry_meta::{Object, Value};
use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What is expected at a place.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Struct(&'a Type),
    Shape(&'a Shape),
}

impl<'a> From<&'a Shape> for Target<'a> {
    fn from(shape: &'a Shape) -> Self {
        match shape {
            Shape::Struct(ty) => Target::Struct(ty),
            other => Target::Shape(other),
        }
    }
}

/// Reads one value into its normal form; `null` reads as `None`.
pub(super) struct Seed<'a, 'p, 's> {
    pub target: Target<'a>,
    pub path: &'p Path<'p>,
    pub problems: &'s mut Problems,
}

impl<'a, 's> Seed<'a, 'static, 's> {
    pub fn root(ty: &'a Type, problems: &'s mut Problems) -> Self {
        Self { target: Target::Struct(ty), path: &Path::ROOT, problems }
    }

    /// Any value.
    pub fn raw(problems: &'s mut Problems) -> Self {
        Self { target: Target::Shape(&Shape::Raw), path: &Path::ROOT, problems }
    }
}

impl<'p, 's> Seed<'static, 'p, 's> {
    /// Any value, inside a body.
    pub fn raw_at(path: &'p Path<'p>, problems: &'s mut Problems) -> Self {
        Self { target: Target::Shape(&Shape::Raw), path, problems }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.target {
            Target::Shape(Shape::Quantity) => self.amount(deserializer, false),
            Target::Shape(Shape::ResourceQuantity) => self.amount(deserializer, true),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Seed<'_, '_, '_> {
    /// A quantity is read by its own text, also where it is written as a number: no digit of it is lost.
    fn amount<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
        in_resource_list: bool,
    ) -> Result<Option<Value>, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            b"null" => Ok(None),
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
                self.quantity(raw.get().trim_matches('"'), in_resource_list)
            }
            [b'"', ..] => {
                let text: String = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
                self.quantity(&text, in_resource_list)
            }
            [b'-' | b'0'..=b'9', ..] => self.quantity(raw.get(), in_resource_list),
            [b't' | b'f', ..] => Err(self.mismatch("boolean")),
            [b'[', ..] => Err(self.mismatch("array")),
            _ => Err(self.mismatch("object")),
        }
    }

    pub(super) fn mismatch<E: Error>(&self, found: &str) -> E {
        let expected = match self.target {
            Target::Struct(_) => "object",
            Target::Shape(shape) => shape.expected(),
        };
        match self.path.parent {
            Some(_) => E::custom(format_args!("{}: expected {expected}, found {found}", self.path)),
            None => E::custom(format_args!("expected {expected}, found {found}")),
        }
    }

    fn shape(&self) -> Option<&Shape> {
        if let Target::Shape(shape) = self.target { Some(shape) } else { None }
    }

    fn quantity<E: Error>(&self, text: &str, in_resource_list: bool) -> Result<Option<Value>, E> {
        let normal = scalar::quantity(text, in_resource_list).ok_or_else(|| self.mismatch(&format!("{text:?}")))?;
        Ok(Some(Value::String(normal.into_owned())))
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.shape() {
            Some(Shape::Bool | Shape::Raw | Shape::RawObject | Shape::SchemaOr(_, SchemaAlternative::Bool)) => {
                Ok(Some(Value::Bool(value)))
            }
            _ => Err(self.mismatch("boolean")),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        match self.shape() {
            Some(Shape::Int32 | Shape::IntOrString) if i32::try_from(value).is_err() => {
                Err(self.mismatch("a number out of range"))
            }
            Some(Shape::Int32 | Shape::IntOrString | Shape::Int64 | Shape::Double | Shape::Raw | Shape::RawObject) => {
                Ok(Some(Value::from(value)))
            }
            _ => Err(self.mismatch("number")),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        if let Ok(value) = i64::try_from(value) {
            return self.visit_i64(value);
        }
        match self.shape() {
            Some(Shape::Raw | Shape::RawObject) => Ok(Some(Value::from(value))),
            _ => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        match self.shape() {
            Some(Shape::Double) => Ok(Some(double(value))),
            Some(Shape::Raw | Shape::RawObject) => Ok(Some(Value::from(value))),
            // `-0` is read as a fraction to keep its sign.
            Some(Shape::Int32 | Shape::Int64 | Shape::IntOrString) if value == 0.0 && value.is_sign_negative() => {
                Ok(Some(Value::from(0)))
            }
            _ => Err(self.mismatch("a number with a fraction or out of range")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let bad = |what: &str| self.mismatch(&format!("{what} {:?}", shortened(text)));
        let normal = match self.shape() {
            Some(Shape::String | Shape::IntOrString | Shape::Raw | Shape::RawObject) => text.to_owned(),
            Some(Shape::Bytes) => scalar::base64(text).ok_or_else(|| bad("string"))?.into_owned(),
            Some(Shape::Time) if scalar::is_zero_time(text) => return Ok(None),
            Some(Shape::MicroTime) if scalar::is_zero_time(text) && text.contains('.') => return Ok(None),
            Some(Shape::Time) => scalar::time(text).ok_or_else(|| bad("string"))?,
            Some(Shape::MicroTime) => scalar::micro_time(text).ok_or_else(|| bad("string"))?,
            _ => return Err(bad("string")),
        };
        Ok(Some(Value::String(normal)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let item = match self.target {
            Target::Shape(Shape::Bytes) => return byte_numbers(items).map(Some),
            Target::Shape(Shape::List(item)) => Target::from(&**item),
            Target::Shape(raw @ (Shape::Raw | Shape::RawObject)) => Target::Shape(raw),
            Target::Shape(Shape::SchemaOr(schema, SchemaAlternative::Array)) => Target::Struct(schema),
            Target::Shape(Shape::SchemaOr(_, SchemaAlternative::StringArray)) => Target::Shape(&Shape::String),
            _ => return Err(self.mismatch("array")),
        };
        self.problems.enter()?;
        let mut list = Vec::new();
        loop {
            let path = self.path.index(list.len());
            let seed = Seed { target: item, path: &path, problems: self.problems };
            let Some(value) = items.next_element_seed(seed)? else { break };
            list.push(value.unwrap_or_else(|| zero(item)));
        }
        self.problems.depth -= 1;
        Ok(Some(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        self.problems.enter()?;
        let object = match self.target {
            Target::Struct(ty) => struct_members(ty, self.path, self.problems, members)?,
            Target::Shape(Shape::SchemaOr(ty, _)) => struct_members(ty, self.path, self.problems, members)?,
            Target::Shape(Shape::Map(value)) => map_entries(Target::from(&**value), self.path, self.problems, members)?,
            Target::Shape(raw @ (Shape::Raw | Shape::RawObject)) => {
                map_entries(Target::Shape(raw), self.path, self.problems, members)?
            }
            Target::Shape(_) => return Err(self.mismatch("object")),
        };
        self.problems.depth -= 1;
        Ok(Some(Value::Object(object)))
    }
}

/// Bytes may be written as a list of numbers.
fn byte_numbers<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Value, A::Error> {
    let mut bytes = Vec::new();
    while let Some(byte) = items.next_element::<Option<u8>>()? {
        bytes.push(byte.unwrap_or_default());
    }
    Ok(Value::String(scalar::to_base64(&bytes)))
}

/// The members of a struct. Fields that come twice are merged, those that the type lacks are told of.
fn struct_members<'de, A: MapAccess<'de>>(
    ty: &Type,
    path: &Path<'_>,
    problems: &mut Problems,
    mut members: A,
) -> Result<Object, A::Error> {
    let mut object = Object::new();
    let mut seen = Seen::default();
    while let Some(name) = members.next_key_seed(Name(ty))? {
        let at = match name {
            Member::Known(at) => at,
            Member::Unknown(name) => {
                problems.add(|| format!("unknown field {:?}", path.name(&name).to_string()));
                members.next_value::<IgnoredAny>()?;
                continue;
            }
        };
        let field = &ty.fields[at];
        let path = path.name(&field.name);
        let is_again = seen.again(at);
        if is_again {
            problems.add(|| format!("duplicate field {:?}", path.to_string()));
        }
        let mut value = member_value(field, &path, problems, &mut members)?;
        if is_again {
            value = repeated::onto(field, object.remove(&*field.name), value);
        }
        store(&mut object, field, value);
    }
    canonical::fill(ty, &mut object);
    Ok(object)
}

fn member_value<'de, A: MapAccess<'de>>(
    field: &Field,
    path: &Path<'_>,
    problems: &mut Problems,
    members: &mut A,
) -> Result<Option<Value>, A::Error> {
    let target = Target::from(&field.shape);
    match field.shape {
        Shape::Raw | Shape::RawObject => {
            members.next_value_seed(Seed { target, path, problems: &mut problems.unheard() })
        }
        _ => members.next_value_seed(Seed { target, path, problems }),
    }
}

fn map_entries<'de, A: MapAccess<'de>>(
    target: Target<'_>,
    path: &Path<'_>,
    problems: &mut Problems,
    mut members: A,
) -> Result<Object, A::Error> {
    let mut object = Object::new();
    while let Some(key) = members.next_key::<String>()? {
        let value = {
            let path = path.name(&key);
            members.next_value_seed(Seed { target, path: &path, problems })?
        };
        if object.contains_key(&key) {
            problems.add(|| format!("duplicate field {:?}", path.name(&key).to_string()));
        }
        object.insert(key, value.unwrap_or_else(|| zero(target)));
    }
    Ok(object)
}

/// What a `null` item or map value counts as.
pub(super) fn zero(target: Target<'_>) -> Value {
    match target {
        Target::Struct(ty) => {
            let mut object = Object::new();
            canonical::fill(ty, &mut object);
            Value::Object(object)
        }
        Target::Shape(Shape::String | Shape::Bytes) => Value::String(String::new()),
        Target::Shape(Shape::Quantity | Shape::ResourceQuantity) => Value::String("0".to_owned()),
        Target::Shape(Shape::Int32 | Shape::Int64 | Shape::Double | Shape::IntOrString) => Value::from(0),
        Target::Shape(Shape::Bool) => Value::Bool(false),
        Target::Shape(_) => Value::Null,
    }
}

/// The start of a text, for a message.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(at, _)| &text[..at])
}
