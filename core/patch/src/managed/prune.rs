//! What an applier no longer states goes, unless somebody else owns it or nobody ever did.

use gantry_kinds::Type;
use gantry_meta::{Object, Value};

use super::{
    extract::field_set,
    set::{Element, FieldSet, Marks},
    shape::Parts,
};

/// Takes out of `merged` what `last` (the applier's set before) holds and `owned` (all sets now) does not.
pub(crate) fn prune(ty: &Type, merged: Object, last: &FieldSet<'_>, owned: &FieldSet<'_>) -> Object {
    let root = Parts::Struct(ty);
    let (last, owned) = (with_named_fields(last, root), with_named_fields(owned, root));
    if last.is_within(&owned) {
        return merged;
    }
    let without = |doomed: &FieldSet<'_>| {
        let mut object = merged.clone();
        remove_members(root, &mut object, doomed);
        object
    };
    let all = with_named_fields(&field_set(ty, &merged), root);
    // Everything the applier had goes ...
    let without_last = without(&last);
    let mut unowned = all.clone();
    unowned.subtract(&with_named_fields(&field_set(ty, &without_last), root), Marks::OWNED);
    unowned.subtract(&owned, Marks::OWNED);
    // ... but for what others own with what is in it ...
    let without_unowned = without(&unowned);
    let mut gone = all.clone();
    gone.subtract(&with_named_fields(&field_set(ty, &without_unowned), root), Marks::OWNED);
    // ... and for what the applier never had.
    let doomed = gone.intersect(&last, Marks::OWNED);
    without(&doomed)
}

/// The set, and the fields of structs that hold something in it.
fn with_named_fields<'a>(set: &FieldSet<'a>, parts: Parts<'_>) -> FieldSet<'a> {
    let mut named = FieldSet(Vec::with_capacity(set.0.len()));
    for node in &set.0 {
        let field = node.element.field_name();
        let holds = !node.below.is_empty() && field.is_some_and(|name| parts.names_field(name));
        let marks = if holds { Marks::OWNED } else { node.marks };
        let below = field.map_or_else(|| parts.of_item(), |name| parts.of_member(name));
        named.push(node.element.clone(), marks, with_named_fields(&node.below, below));
    }
    named
}

fn remove_members(parts: Parts<'_>, object: &mut Object, doomed: &FieldSet<'_>) {
    object.retain(|name, value| match doomed.find(&Element::field(name)) {
        None => true,
        Some(node) if node.marks != Marks::NONE => false,
        Some(node) => {
            remove_below(parts.of_member(name), value, &node.below);
            true
        }
    });
}

/// What is emptied by this becomes null, as if it had not been stated.
fn remove_below(parts: Parts<'_>, value: &mut Value, doomed: &FieldSet<'_>) {
    match (parts, &mut *value) {
        (Parts::Struct(_) | Parts::Map(_) | Parts::Untyped, Value::Object(object)) => {
            remove_members(parts, object, doomed);
            if object.is_empty() {
                *value = Value::Null;
            }
        }
        (Parts::Keyed(..) | Parts::Set, Value::Array(items)) => {
            remove_items(parts, items, doomed);
            if items.is_empty() {
                *value = Value::Null;
            }
        }
        _ => {}
    }
}

fn remove_items(parts: Parts<'_>, items: &mut Vec<Value>, doomed: &FieldSet<'_>) {
    items.retain_mut(|item| {
        let Some(node) = parts.item_element(item).and_then(|element| doomed.find(&element)) else { return true };
        remove_below(parts.of_item(), item, &node.below);
        node.marks == Marks::NONE
    });
}
