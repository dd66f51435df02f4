//! Lists that merge item by item, and their order.

use gantry_kinds::Field;
use gantry_meta::Value;

use super::{
    directives::{PATCH, without_directives},
    malformed, merge_object,
};
use crate::PatchError;

/// Merges `change` into `current`. With `order` (from `$setElementOrder`) items come in that order, else the items of the
/// patch in theirs; items that only the server has keep their places between them.
pub(super) fn merge(
    current: Vec<Value>,
    change: Vec<Value>,
    field: &Field,
    order: Option<Vec<Value>>,
) -> Result<Vec<Value>, PatchError> {
    let Some(key) = field.merge_key.as_deref() else {
        return Ok(merge_values(current, change, order));
    };
    if !current.iter().chain(&change).all(Value::is_object) {
        // Not items of this list: decoding the result will say so.
        return Ok(change);
    }
    let (current, change) = take_directives(current, change, key)?;
    let server_order: Vec<Value> = current.iter().map(|item| item[key].clone()).collect();
    let change_order = keys_of(&change, key)?;
    let merged = merge_items(current, change, key, field)?;
    let order = match order {
        Some(order) => checked_order(keys_of(&order, key)?, &change_order)?,
        None => change_order,
    };
    Ok(arrange(merged, &order, &server_order, |item| &item[key]))
}

/// A list of texts or numbers: a set.
fn merge_values(current: Vec<Value>, change: Vec<Value>, order: Option<Vec<Value>>) -> Vec<Value> {
    let server_order = current.clone();
    let order = order.unwrap_or_else(|| change.clone());
    let mut merged: Vec<Value> = Vec::with_capacity(current.len() + change.len());
    for value in current.into_iter().chain(change) {
        if !merged.contains(&value) {
            merged.push(value);
        }
    }
    arrange(merged, &order, &server_order, |value| value)
}

fn keys_of(items: &[Value], key: &str) -> Result<Vec<Value>, PatchError> {
    let missing = || malformed(format!("an item of a list does not have its merge key {key:?}"));
    items.iter().map(|item| item.get(key).cloned().ok_or_else(missing)).collect()
}

/// The order has to name the items of the patch, in their order.
fn checked_order(order: Vec<Value>, change: &[Value]) -> Result<Vec<Value>, PatchError> {
    let mut rest = order.iter();
    match change.iter().all(|key| rest.any(|ordered| ordered == key)) {
        true => Ok(order),
        false => Err(malformed("the order in the patch does not match its $setElementOrder list")),
    }
}

/// Follows the `$patch` directives among the items; returns what is then merged into what.
fn take_directives(
    mut current: Vec<Value>,
    change: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut rest = Vec::with_capacity(change.len());
    let mut replace = false;
    for item in change {
        match item.get(PATCH) {
            None => rest.push(item),
            Some(directive) if directive == "delete" => {
                let doomed = keys_of(std::slice::from_ref(&item), key)?;
                current.retain(|item| item.get(key) != doomed.first());
            }
            Some(directive) if directive == "replace" => replace = true,
            Some(other) => return Err(malformed(format!("unknown $patch directive {other} in a list"))),
        }
    }
    Ok(if replace { (rest, Vec::new()) } else { (current, rest) })
}

fn merge_items(mut merged: Vec<Value>, change: Vec<Value>, key: &str, field: &Field) -> Result<Vec<Value>, PatchError> {
    let ty = field.shape.leaf_type();
    for item in change {
        let found = merged.iter_mut().find(|there| there.get(key) == item.get(key));
        match (found, item) {
            (Some(Value::Object(there)), Value::Object(item)) => merge_object(there, item, ty)?,
            (_, item) => merged.extend(without_directives(item)),
        }
    }
    Ok(merged)
}

/// Puts items that `order` names in that order, and the others, which keep the server's order, before the first named
/// item that followed them on the server.
fn arrange<'k>(
    items: Vec<Value>,
    order: &'k [Value],
    server_order: &'k [Value],
    key: impl for<'v> Fn(&'v Value) -> &'v Value,
) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| other == key(item));
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(server_order, item).unwrap_or(usize::MAX));
    let mut arranged = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let Some(next) = named.peek() {
        let theirs = others.peek().and_then(|other| place(server_order, other));
        let before = theirs.zip(place(server_order, next)).is_some_and(|(other, next)| other < next);
        arranged.extend(if before { others.next() } else { named.next() });
    }
    arranged.extend(others);
    arranged
}
