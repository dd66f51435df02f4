//! What a configuration has to be before it can be applied: fields of the type, in their shapes, each item once.

use gantry_kinds::{Shape, Type};
use gantry_meta::{Object, Value};

use super::{set::Element, shape::Parts};
use crate::PatchError;

/// Fails on the first unknown field, value of a wrong shape, or item that occurs twice or lacks its key.
pub(crate) fn check(ty: &Type, config: &Object) -> Result<(), PatchError> {
    members(Parts::Struct(ty), config, "")
}

fn refused(path: &str, why: &str) -> PatchError {
    PatchError::Malformed(format!("failed to create typed patch object: {path}: {why}"))
}

fn members(parts: Parts<'_>, object: &Object, path: &str) -> Result<(), PatchError> {
    for (name, value) in object {
        let below = format!("{path}.{name}");
        if let Parts::Struct(ty) = parts {
            let field = ty.field(name).ok_or_else(|| refused(&below, "field not declared in schema"))?;
            shape(&field.shape, value, &below)?;
        }
        parts_of(parts.of_member(name), value, &below)?;
    }
    Ok(())
}

fn parts_of(parts: Parts<'_>, value: &Value, path: &str) -> Result<(), PatchError> {
    match (parts, value) {
        (Parts::Struct(_), Value::Object(object)) => members(parts, object, path),
        (Parts::Map(shape_of_values), Value::Object(object)) => object.iter().try_for_each(|(name, value)| {
            let below = format!("{path}.{name}");
            shape(shape_of_values, value, &below)?;
            parts_of(parts.of_member(name), value, &below)
        }),
        (Parts::Keyed(..) | Parts::Set, Value::Array(list)) => items(parts, list, path),
        _ => Ok(()),
    }
}

fn items(parts: Parts<'_>, list: &[Value], path: &str) -> Result<(), PatchError> {
    let mut seen: Vec<Element<'_>> = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let below = format!("{path}[{at}]");
        let element = parts.item_element(item).ok_or_else(|| refused(&below, "an item lacks a key of its list"))?;
        if seen.contains(&element) {
            return Err(refused(&below, "duplicate entries for key"));
        }
        seen.push(element);
        parts_of(parts.of_item(), item, &below)?;
    }
    Ok(())
}

/// The kind of JSON value that a shape takes.
fn shape(shape: &Shape, value: &Value, path: &str) -> Result<(), PatchError> {
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
    if fits { Ok(()) } else { Err(refused(path, &format!("expected {}", shape.expected()))) }
}
