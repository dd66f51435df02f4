//! What a strategic merge patch says of an object in it, beside its members.

use std::collections::HashSet;

use gantry_meta::{Object, Value};

use super::{Strategic, lists, malformed};
use crate::{
    PatchError,
    engine::{Entered, Form, Parts, merge_value},
};

pub(super) const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

/// Follows the directives of `change`, an object of these parts: what they settle has no part in the merge that follows.
pub(super) fn follow<'c>(parts: Parts<'_>, live: &mut Object, change: &'c Object) -> Result<Entered<'c>, PatchError> {
    if !change.keys().any(|name| name.starts_with('$')) {
        return Ok(Entered::ALL);
    }
    if let Some(directive) = change.get(PATCH) {
        *live = instead(directive, change)?;
        return Ok(Entered::Settled);
    }
    let mut settled = HashSet::new();
    if let Some(keys) = change.get(RETAIN_KEYS) {
        retain_keys(live, change, keys)?;
        settled.insert(RETAIN_KEYS);
    }
    for (directive, order) in change {
        if let Some(list) = directive.strip_prefix(SET_ORDER) {
            settled.insert(directive);
            if order_list(parts, live, change, list, order)? {
                settled.insert(list);
            }
        }
    }
    for (directive, doomed) in change {
        if let Some(list) = directive.strip_prefix(DELETE_FROM_LIST) {
            settled.insert(directive);
            delete_from_list(parts.of_member(list), live, list, doomed)?;
        }
    }
    Ok(Entered::Members { but: Some(settled) })
}

/// What `$patch` puts in the place of an object.
fn instead(directive: &Value, change: &Object) -> Result<Object, PatchError> {
    match directive.as_str() {
        Some("replace") => {
            let others = change.iter().filter(|(name, _)| *name != PATCH);
            Ok(others.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        Some("delete") => Ok(Object::new()),
        _ => Err(malformed(format!("unknown $patch directive {directive}"))),
    }
}

/// `$retainKeys` lists what may stay; it has to cover the patch.
fn retain_keys(live: &mut Object, change: &Object, keys: &Value) -> Result<(), PatchError> {
    let Value::Array(keys) = keys else { return Err(malformed("$retainKeys is not a list")) };
    let kept: HashSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let is_covered = |(name, change): (&String, &Value)| {
        let is_directive = name == RETAIN_KEYS || name.starts_with(SET_ORDER) || name.starts_with(DELETE_FROM_LIST);
        change.is_null() || is_directive || kept.contains(&**name)
    };
    if !change.iter().all(is_covered) {
        return Err(malformed("$retainKeys does not list every field of the patch"));
    }
    live.retain(|name, _| kept.contains(&**name));
    Ok(())
}

/// Merges a list whose order the patch gives. False if it is of no type, and merges as if there was no order.
fn order_list(
    parts: Parts<'_>,
    live: &mut Object,
    change: &Object,
    name: &str,
    order: &Value,
) -> Result<bool, PatchError> {
    let Value::Array(order) = order else { return Err(malformed(format!("$setElementOrder/{name} is not a list"))) };
    let Form::Struct(_) = parts.form else { return Ok(false) };
    if !parts.names_field(name) {
        return Err(malformed(format!("$setElementOrder/{name}: no such field")));
    }
    let no_list = || malformed(format!("{name} has an order and is not a list"));
    let current = live.get_mut(name).map(|value| value.as_array_mut().map(std::mem::take).ok_or_else(no_list));
    let stated = change.get(name).map(|value| value.as_array().ok_or_else(no_list));
    let (current, stated) = (current.transpose()?, stated.transpose()?);
    if let Some(merged) = lists::merge_ordered(parts.of_member(name), current, stated.map(Vec::as_slice), order)? {
        live.insert(name.to_owned(), Value::Array(merged));
    }
    Ok(true)
}

/// Takes values out of a list; null takes the list away. Objects are no values: they merge as if they were sent plainly.
fn delete_from_list(parts: Parts<'_>, live: &mut Object, name: &str, doomed: &Value) -> Result<(), PatchError> {
    match (live.get_mut(name), doomed) {
        (_, Value::Null) => {
            live.remove(name);
        }
        (Some(list @ Value::Array(_)), Value::Array(_)) if has_objects(list) || has_objects(doomed) => match parts.form
        {
            Form::Keyed(..) => _ = merge_value(Strategic, parts, list, doomed)?,
            _ => return Err(malformed(format!("the items of {name} have no merge key"))),
        },
        (Some(Value::Array(items)), Value::Array(doomed)) => {
            let doomed: HashSet<&Value> = doomed.iter().collect();
            items.retain(|item| !doomed.contains(item));
        }
        _ => {}
    }
    Ok(())
}

fn has_objects(list: &Value) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}
