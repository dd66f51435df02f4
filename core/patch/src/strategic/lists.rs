//! Lists that merge item by item, and their order.

use gantry_kinds::Field;
use gantry_meta::Value;

use super::{
    directives::{PATCH, as_new},
    malformed, merge_object,
};
use crate::PatchError;

/// A list with a patch merged into it.
pub(super) struct Merged {
    pub items: Vec<Value>,
    /// What a `$setElementOrder` goes by for items that it does not name: items, or their keys.
    pub server_order: Vec<Value>,
}

impl Merged {
    /// A list that the patch does not touch.
    pub fn unchanged(items: Vec<Value>, field: &Field) -> Self {
        let server_order = merge_key(field).map_or_else(|| items.clone(), |key| keys_or_null(&items, key));
        Self { items, server_order }
    }

    /// A list that was not there; items with a directive are none.
    pub fn added(items: Vec<Value>) -> Self {
        Self { items: items.into_iter().filter_map(as_new).collect(), server_order: Vec::new() }
    }
}

/// Merges `change` into `current`, as the list's field says. Items of the patch come in its order; items that only the
/// server has keep their places between them.
pub(super) fn merge(current: Vec<Value>, change: Vec<Value>, field: &Field) -> Result<Merged, PatchError> {
    if !field.patch.merge {
        return Ok(Merged { items: change, server_order: current });
    }
    let Some(key) = field.merge_key.as_deref() else {
        return Ok(merge_values(current, change));
    };
    if !current.iter().chain(&change).all(Value::is_object) {
        // Not items of this list: decoding the result will say so.
        return Ok(Merged { items: change, server_order: Vec::new() });
    }
    merge_keyed(current, change, key, field)
}

/// Puts a list into the order of a `$setElementOrder`.
pub(super) fn reorder(merged: Merged, order: &[Value], field: &Field) -> Result<Vec<Value>, PatchError> {
    let Merged { items, server_order } = merged;
    match merge_key(field) {
        Some(key) => Ok(arrange(items, &keys_of(order, key)?, &server_order, |item| &item[key])),
        None => Ok(arrange(items, order, &server_order, |item| item)),
    }
}

/// The order has to name the items that the patch merges, in their order.
pub(super) fn check_order(change: &[Value], order: &[Value], field: &Field) -> Result<(), PatchError> {
    let key = merge_key(field);
    let merging = change.iter().filter(|item| item.get(PATCH).is_none()).cloned().collect::<Vec<_>>();
    let named = |items: &[Value]| key.map_or_else(|| Ok(items.to_vec()), |key| keys_of(items, key));
    let (merging, order) = (named(&merging)?, named(order)?);
    let mut rest = order.iter();
    match order.is_empty() || merging.iter().all(|key| rest.any(|ordered| ordered == key)) {
        true => Ok(()),
        false => Err(malformed("the order in the patch does not match its $setElementOrder list")),
    }
}

/// The key by which items are found; lists that a patch replaces have none.
pub(super) fn merge_key(field: &Field) -> Option<&str> {
    field.merge_key.as_deref().filter(|_| field.patch.merge)
}

fn merge_keyed(current: Vec<Value>, change: Vec<Value>, key: &str, field: &Field) -> Result<Merged, PatchError> {
    let before = current.len();
    let before_keys = keys_or_null(&current, key);
    let (current, change, replaced) = take_directives(current, change, key)?;
    let server_order = keys_or_null(&current, key);
    let change_order = keys_of(&change, key)?;
    let merged = merge_items(current, change, key, field)?;
    // The reference takes the places of what was deleted for the first items that are added: they count as the server's.
    let (kept, deleted) = (server_order.len(), before.saturating_sub(server_order.len()));
    let known = match replaced {
        true => before_keys,
        false => keys_or_null(&merged[..merged.len().min(kept + deleted)], key),
    };
    let items = arrange(merged, &change_order, &server_order, |item| &item[key]);
    Ok(Merged { items, server_order: known })
}

/// A list of texts or numbers: a set.
fn merge_values(current: Vec<Value>, change: Vec<Value>) -> Merged {
    let mut merged: Vec<Value> = Vec::with_capacity(current.len() + change.len());
    for value in current.iter().chain(&change) {
        if !merged.contains(value) {
            merged.push(value.clone());
        }
    }
    Merged { items: arrange(merged, &change, &current, |value| value), server_order: current }
}

fn keys_or_null(items: &[Value], key: &str) -> Vec<Value> {
    items.iter().map(|item| item[key].clone()).collect()
}

fn keys_of(items: &[Value], key: &str) -> Result<Vec<Value>, PatchError> {
    let missing = || malformed(format!("an item of a list does not have its merge key {key:?}"));
    items.iter().map(|item| item.get(key).cloned().ok_or_else(missing)).collect()
}

/// Follows the `$patch` directives among the items: what is then merged into what, and whether the list was replaced.
fn take_directives(
    mut current: Vec<Value>,
    change: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>, bool), PatchError> {
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
    Ok(if replace { (rest, Vec::new(), true) } else { (current, rest, false) })
}

/// New items are added as they stand: what their fields are is for decoding to say.
fn merge_items(mut merged: Vec<Value>, change: Vec<Value>, key: &str, field: &Field) -> Result<Vec<Value>, PatchError> {
    let ty = field.shape.leaf_type();
    for item in change {
        let found = merged.iter_mut().find(|there| there.get(key) == item.get(key));
        match (found, item) {
            (Some(Value::Object(there)), Value::Object(item)) => merge_object(there, item, ty)?,
            (_, item) => merged.push(item),
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
