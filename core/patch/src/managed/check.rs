//! What a configuration has to be before it can be applied: fields of the type, in their shapes, each item once.

use std::{borrow::Cow, collections::BTreeSet};

use gantry_kinds::{Shape, Type};
use gantry_meta::{Object, Value};

use super::shape::Parts;
use crate::PatchError;

/// Fails on the first unknown field, value of a wrong shape, or item that occurs twice or lacks its key.
pub(crate) fn check(ty: &Type, config: &Object) -> Result<(), PatchError> {
    members(Parts::Struct(ty), config).map_err(|fault| {
        let path: String = fault.steps.into_iter().rev().collect();
        PatchError::Malformed(format!("failed to create typed patch object: {path}: {}", fault.why))
    })
}

/// What is wrong, and the way there from the inside out: a path is spelled only when something is wrong.
struct Fault {
    why: Cow<'static, str>,
    steps: Vec<String>,
}

impl Fault {
    fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), steps: Vec::new() }
    }

    fn below(mut self, step: String) -> Self {
        self.steps.push(step);
        self
    }
}

fn members(parts: Parts<'_>, object: &Object) -> Result<(), Fault> {
    object.iter().try_for_each(|(name, value)| member(parts, name, value).map_err(|f| f.below(format!(".{name}"))))
}

fn member(parts: Parts<'_>, name: &str, value: &Value) -> Result<(), Fault> {
    match parts {
        Parts::Struct(ty) => {
            let field = ty.field(name).ok_or_else(|| Fault::new("field not declared in schema"))?;
            shape(&field.shape, value)?;
            parts_of(Parts::of_field(field), value)
        }
        Parts::Map(of_values) => {
            shape(of_values, value)?;
            parts_of(Parts::of_shape(of_values), value)
        }
        _ => parts_of(parts.of_member(name), value),
    }
}

fn parts_of(parts: Parts<'_>, value: &Value) -> Result<(), Fault> {
    match (parts, value) {
        (Parts::Struct(_) | Parts::Map(_), Value::Object(object)) => members(parts, object),
        (Parts::Keyed(..) | Parts::Set, Value::Array(list)) => items(parts, list),
        _ => Ok(()),
    }
}

/// Up to so many items are compared each with each; for more, their elements are sorted.
const FEW: usize = 16;

fn items(parts: Parts<'_>, list: &[Value]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (at, item) in list.iter().enumerate() {
        let is_repeated = || match list.len() {
            ..=FEW => list[..at].iter().any(|earlier| parts.same_item(earlier, item)),
            _ => !seen.insert(parts.item_element(item)),
        };
        item_of(parts, item, is_repeated).map_err(|fault| fault.below(format!("[{at}]")))?;
    }
    Ok(())
}

fn item_of(parts: Parts<'_>, item: &Value, is_repeated: impl FnOnce() -> bool) -> Result<(), Fault> {
    // Without an element, an item is not even the same as itself.
    if !parts.same_item(item, item) {
        return Err(Fault::new("an item lacks a key of its list"));
    }
    if is_repeated() {
        return Err(Fault::new("duplicate entries for key"));
    }
    parts_of(parts.of_item(), item)
}

/// The kind of JSON value that a shape takes.
fn shape(shape: &Shape, value: &Value) -> Result<(), Fault> {
    let fits = match shape {
        _ if value.is_null() => true,
        Shape::String | Shape::Bytes | Shape::Time | Shape::MicroTime => value.is_string(),
        Shape::Bool => value.is_boolean(),
        Shape::Int32 | Shape::Int64 => value.is_i64() || value.is_u64(),
        Shape::Double => value.is_number(),
        Shape::Quantity | Shape::ResourceQuantity | Shape::IntOrString => value.is_string() || value.is_number(),
        Shape::Struct(_) | Shape::Map(_) | Shape::RawObject => value.is_object(),
        Shape::List(_) => value.is_array(),
        Shape::Raw | Shape::SchemaOr(..) => true,
    };
    if fits { Ok(()) } else { Err(Fault::new(format!("expected {}", shape.expected()))) }
}
