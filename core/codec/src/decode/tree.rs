//! The typed pass over a tree that is there already: as [`super::seed`] reads a body, but in place. Most of a patched or applied
//! object is in its normal form, and stays where it is.

use super::{
    members::{forget_gated, is_kept},
    path::Path,
    seed::{Seed, Target, zero},
};
use crate::{canonical, problems::Problems};
use gantry_kinds::{Field, Gate, SchemaAlternative, Shape, Type};
use gantry_meta::{Object, Value};
use serde::de::DeserializeSeed as _;

type Settled = Result<(), serde_json::Error>;

/// Brings an object of type `ty` into its normal form. `null` stays.
pub(super) fn settle_root(ty: &Type, value: &mut Value, problems: &mut Problems) -> Settled {
    settle(Target::Struct(ty), &Path::ROOT, problems, value)
}

fn settle(target: Target<'_>, path: &Path<'_>, problems: &mut Problems, value: &mut Value) -> Settled {
    match value {
        Value::Null => Ok(()),
        Value::Object(object) => members(target, path, problems, object),
        Value::Array(list) if !matches!(target, Target::Shape(Shape::Bytes)) => items(target, path, problems, list),
        // Bytes may be written as a list of numbers.
        scalar => settle_scalar(target, path, problems, scalar),
    }
}

fn settle_scalar(target: Target<'_>, path: &Path<'_>, problems: &mut Problems, value: &mut Value) -> Settled {
    let is_normal = match (target, &*value) {
        (Target::Shape(Shape::String | Shape::IntOrString | Shape::Raw | Shape::RawObject), Value::String(_))
        | (Target::Shape(Shape::Bool), Value::Bool(_)) => true,
        (Target::Shape(Shape::Int64), Value::Number(number)) => number.is_i64(),
        _ => false,
    };
    if !is_normal {
        *value = Seed { target, path, problems }.deserialize(&*value)?.unwrap_or(Value::Null);
    }
    Ok(())
}

fn items(target: Target<'_>, path: &Path<'_>, problems: &mut Problems, list: &mut [Value]) -> Settled {
    let item = match target {
        Target::Shape(Shape::List(item)) => Target::from(&**item),
        Target::Shape(raw @ (Shape::Raw | Shape::RawObject)) => Target::Shape(raw),
        Target::Shape(Shape::SchemaOr(schema, SchemaAlternative::Array)) => Target::Struct(schema),
        Target::Shape(Shape::SchemaOr(_, SchemaAlternative::StringArray)) => Target::Shape(&Shape::String),
        _ => return Err(Seed { target, path, problems }.mismatch("array")),
    };
    problems.enter::<serde_json::Error>()?;
    for (at, value) in list.iter_mut().enumerate() {
        settle_set(item, &path.index(at), problems, value)?;
    }
    problems.depth -= 1;
    Ok(())
}

/// An item or a map's value: `null` counts as a zero.
fn settle_set(target: Target<'_>, path: &Path<'_>, problems: &mut Problems, value: &mut Value) -> Settled {
    settle(target, path, problems, value)?;
    if value.is_null() {
        *value = zero(target);
    }
    Ok(())
}

fn members(target: Target<'_>, path: &Path<'_>, problems: &mut Problems, object: &mut Object) -> Settled {
    let entry = match target {
        Target::Struct(ty) => return fields(ty, path, problems, object),
        Target::Shape(Shape::SchemaOr(ty, _)) => return fields(ty, path, problems, object),
        Target::Shape(Shape::Map(value)) => Target::from(&**value),
        Target::Shape(raw @ (Shape::Raw | Shape::RawObject)) => Target::Shape(raw),
        Target::Shape(_) => return Err(Seed { target, path, problems }.mismatch("object")),
    };
    problems.enter::<serde_json::Error>()?;
    for (key, value) in object.iter_mut() {
        settle_set(entry, &path.name(key), problems, value)?;
    }
    problems.depth -= 1;
    Ok(())
}

fn fields(ty: &Type, path: &Path<'_>, problems: &mut Problems, object: &mut Object) -> Settled {
    problems.enter::<serde_json::Error>()?;
    let mut all_kept = true;
    for (name, value) in object.iter_mut() {
        let path = path.name(name);
        let Some(field) = ty.field(name) else {
            problems.add(|| format!("unknown field {:?}", path.to_string()));
            all_kept = false;
            continue;
        };
        settle(Target::from(&field.shape), &path, problems, value)?;
        forget_gated(field, value);
        all_kept &= is_set(field, value);
    }
    if !all_kept {
        object.retain(|name, value| ty.field(name).is_some_and(|field| is_set(field, value) || marks(field, value)));
    }
    canonical::fill(ty, object);
    problems.depth -= 1;
    Ok(())
}

/// What takes its struct along stays as null until that is looked at.
fn marks(field: &Field, value: &mut Value) -> bool {
    let marks = field.gate == Gate::OffWithParent && !value.is_null();
    if marks {
        *value = Value::Null;
    }
    marks
}

fn is_set(field: &Field, value: &Value) -> bool {
    !value.is_null() && is_kept(field, value)
}
