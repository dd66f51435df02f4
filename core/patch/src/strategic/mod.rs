//! Strategic merge patch: a merge patch that knows, by the field tables, which lists merge item by item.
//!
//! Source: the API conventions and the design document "Strategic Merge Patch"; the order of merged lists follows the
//! reference. Directives: `$patch` (replace, delete, merge), `$retainKeys`, `$setElementOrder/LIST`,
//! `$deleteFromPrimitiveList/LIST`. What the reference answers with 500 (an unknown directive, a missing merge key, an
//! order that does not match or is of no list) is malformed here.

mod directives;
mod lists;

use gantry_kinds::{Field, Type};
use gantry_meta::{Object, Value};

use crate::PatchError;
use directives::{DELETE_FROM_LIST, PATCH, RETAIN_KEYS, SET_ORDER, as_new};
use lists::Merged;

/// Applies `patch` to an object of type `ty`. A null changes nothing.
///
/// # Errors
/// [`PatchError::Malformed`] if the patch is no object or a directive in it cannot be followed.
pub fn apply(ty: &Type, object: &Object, patch: Value) -> Result<Object, PatchError> {
    let mut patched = object.clone();
    let patch = match patch {
        Value::Object(patch) => patch,
        Value::Null => return Ok(patched),
        _ => return Err(malformed("error decoding patch: a strategic merge patch is an object")),
    };
    merge_object(&mut patched, patch, Some(ty))?;
    Ok(patched)
}

fn malformed(why: impl Into<String>) -> PatchError {
    PatchError::Malformed(why.into())
}

/// Merges `patch` into an object. `ty` is `None` for maps and for objects without a schema.
fn merge_object(target: &mut Object, mut patch: Object, ty: Option<&Type>) -> Result<(), PatchError> {
    match patch.remove(PATCH) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            *target = patch;
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "delete" => {
            target.clear();
            return Ok(());
        }
        Some(other) => return Err(malformed(format!("unknown $patch directive {other}"))),
    }
    retain_keys(target, &mut patch)?;
    merge_ordered_lists(target, &mut patch, ty)?;
    for (name, change) in patch {
        match name.strip_prefix(DELETE_FROM_LIST) {
            Some(list) => delete_from_list(target, list, change, ty)?,
            None => merge_member(target, name, change, ty)?,
        }
    }
    Ok(())
}

/// `$retainKeys` lists what may stay; it has to cover the patch.
fn retain_keys(target: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return Err(malformed("$retainKeys is not a list")) };
    let kept = |name: &str| keys.iter().any(|key| key.as_str() == Some(name));
    let covered = |(name, change): (&String, &Value)| change.is_null() || name.starts_with('$') || kept(name);
    if !patch.iter().all(covered) {
        return Err(malformed("$retainKeys does not list every field of the patch"));
    }
    target.retain(|name, _| kept(name));
    Ok(())
}

/// Takes values out of a list; `null` takes the list away. Objects are no values: they merge as if they were sent plainly.
fn delete_from_list(target: &mut Object, list: &str, doomed: Value, ty: Option<&Type>) -> Result<(), PatchError> {
    match (target.get_mut(list), doomed) {
        (_, Value::Null) => {
            target.remove(list);
        }
        (Some(Value::Array(items)), Value::Array(doomed)) if doomed.iter().chain(&*items).any(Value::is_object) => {
            *items = merge_list(items, doomed, ty.and_then(|ty| ty.field(list)))?;
        }
        (Some(Value::Array(items)), Value::Array(doomed)) => items.retain(|item| !doomed.contains(item)),
        _ => {}
    }
    Ok(())
}

fn merge_member(target: &mut Object, name: String, change: Value, ty: Option<&Type>) -> Result<(), PatchError> {
    let field = ty.and_then(|ty| ty.field(&name));
    match (target.get_mut(&name), change) {
        (Some(current @ Value::Object(_)), change @ Value::Object(_)) if field.is_some_and(|f| f.patch.replace) => {
            *current = change;
        }
        (_, Value::Null) => {
            target.remove(&name);
        }
        (Some(Value::Object(current)), Value::Object(change)) => {
            merge_object(current, change, field.and_then(|f| f.shape.as_struct()))?;
        }
        (Some(Value::Array(current)), Value::Array(change)) => *current = merge_list(current, change, field)?,
        (_, change) => match as_new(change) {
            Some(change) => _ = target.insert(name, change),
            None => _ = target.remove(&name),
        },
    }
    Ok(())
}

fn merge_list(current: &mut Vec<Value>, change: Vec<Value>, field: Option<&Field>) -> Result<Vec<Value>, PatchError> {
    match field {
        Some(field) if field.patch.merge => Ok(lists::merge(std::mem::take(current), change, field)?.items),
        _ => Ok(change),
    }
}

/// Lists whose order the patch gives, which are taken out of it.
fn merge_ordered_lists(target: &mut Object, patch: &mut Object, ty: Option<&Type>) -> Result<(), PatchError> {
    let ordered: Vec<String> = patch.keys().filter_map(|key| key.strip_prefix(SET_ORDER)).map(str::to_owned).collect();
    for name in ordered {
        let order = patch.remove(&format!("{SET_ORDER}{name}"));
        let order = list(order, &name)?.ok_or_else(|| malformed(format!("$setElementOrder/{name} is not a list")))?;
        let Some(ty) = ty else { continue };
        let field = ty.field(&name).ok_or_else(|| malformed(format!("$setElementOrder/{name}: no such field")))?;
        let (current, change) = (list(target.get(&name).cloned(), &name)?, list(patch.remove(&name), &name)?);
        lists::check_order(change.as_deref().unwrap_or_default(), &order, field)?;
        let merged = match (current, change) {
            (None, None) => continue,
            (Some(current), None) => Merged::unchanged(current, field),
            (None, Some(change)) => Merged::added(change),
            (Some(current), Some(change)) => lists::merge(current, change, field)?,
        };
        target.insert(name, Value::Array(lists::reorder(merged, &order, field)?));
    }
    Ok(())
}

/// The items of a list that is there.
fn list(value: Option<Value>, name: &str) -> Result<Option<Vec<Value>>, PatchError> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(malformed(format!("{name} has an order and is not a list"))),
    }
}
