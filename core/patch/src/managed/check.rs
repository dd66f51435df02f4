//! What a configuration has to be before it can be applied: fields of the type, in their shapes, each item once.

use std::{borrow::Cow, collections::BTreeSet};

use gantry_kinds::{Shape, Type};
use gantry_meta::{Object, Value};

use crate::{
    PatchError,
    engine::{Form, Parts},
};

/// Fails on the first unknown field, value of a wrong shape, or item that occurs twice or lacks its key.
pub(crate) fn check(ty: &Type, config: &Object) -> Result<(), PatchError> {
    members(ty, config).map_err(|fault| {
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

fn members(ty: &Type, object: &Object) -> Result<(), Fault> {
    object.iter().try_for_each(|(name, value)| {
        let field = ty.field(name).ok_or_else(|| Fault::new("field not declared in schema"));
        field
            .and_then(|field| value_of(&field.shape, Parts::of_owned_field(field), value))
            .map_err(|f| f.below(format!(".{name}")))
    })
}

/// What is owned as a whole is checked to its ends as well.
fn value_of(of: &Shape, parts: Parts<'_>, value: &Value) -> Result<(), Fault> {
    shape(of, value)?;
    match (of, value) {
        (Shape::Struct(ty), Value::Object(object)) => members(ty, object),
        (Shape::Map(of), Value::Object(object)) => object.iter().try_for_each(|(key, value)| {
            value_of(of, Parts::of_shape(of), value).map_err(|fault| fault.below(format!(".{key}")))
        }),
        (Shape::List(of), Value::Array(list)) => items(of, parts, list),
        _ => Ok(()),
    }
}

/// Up to so many items are compared each with each; for more, their elements are sorted.
const FEW: usize = 16;

fn items(of: &Shape, parts: Parts<'_>, list: &[Value]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (at, item) in list.iter().enumerate() {
        let is_repeated = || match list.len() {
            ..=FEW => list[..at].iter().any(|earlier| parts.same_item(earlier, item)),
            _ => !seen.insert(parts.item_element(item)),
        };
        item_of(of, parts, item, is_repeated).map_err(|fault| fault.below(format!("[{at}]")))?;
    }
    Ok(())
}

fn item_of(of: &Shape, parts: Parts<'_>, item: &Value, is_repeated: impl FnOnce() -> bool) -> Result<(), Fault> {
    if matches!(parts.form, Form::Keyed(..) | Form::Set) {
        // Without an element, an item is not even the same as itself.
        if !parts.same_item(item, item) {
            return Err(Fault::new("an item lacks what its list finds it by"));
        }
        if is_repeated() {
            return Err(Fault::new("duplicate entries for key"));
        }
    }
    value_of(of, parts.of_item(), item)
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
