//! Taking fields out of an object.

use gantry_meta::{Object, Value};

use super::{
    element::Element,
    parts::{Form, Parts},
    set::{FieldSet, Marks},
};

/// Takes what is in the set out of the object, with all below it. What is emptied by that becomes null, as if it had not been
/// stated.
pub(crate) fn remove(parts: Parts<'_>, object: &mut Object, doomed: &FieldSet<'_>) {
    object.retain(|name, value| match doomed.find(&Element::field(name)) {
        None => true,
        Some(node) if node.marks != Marks::NONE => false,
        Some(node) => {
            remove_below(parts.of_member(name), value, &node.below);
            true
        }
    });
}

fn remove_below(parts: Parts<'_>, value: &mut Value, doomed: &FieldSet<'_>) {
    match (parts.form, &mut *value) {
        (Form::Struct(_) | Form::Map(_) | Form::Untyped, Value::Object(object)) => {
            remove(parts, object, doomed);
            if object.is_empty() {
                *value = Value::Null;
            }
        }
        (Form::Keyed(..) | Form::Set, Value::Array(items)) => {
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
