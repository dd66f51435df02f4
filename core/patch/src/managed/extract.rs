//! The set of fields that a configuration states: what its manager owns after an apply.

use gantry_kinds::Type;
use gantry_meta::{Object, Value};

use crate::engine::{Element, FieldSet, Form, Marks, Parts};

/// The fields of an object of type `ty`. Structs and plain maps are not in the set themselves unless empty or null.
pub(crate) fn field_set<'a>(ty: &'a Type, object: &'a Object) -> FieldSet<'a> {
    members(Parts::owned(ty), object)
}

fn members<'a>(parts: Parts<'a>, object: &'a Object) -> FieldSet<'a> {
    let mut set = FieldSet(Vec::with_capacity(object.len()));
    for (name, value) in object {
        let (parts, names_field) = parts.of_named(name);
        let (mut marks, below) = value_set(parts, value);
        let empty = value.is_null() || value.as_object().is_some_and(Object::is_empty);
        if empty || !names_field {
            marks = Marks::OWNED;
        }
        set.push(Element::field(name), marks, below);
    }
    set
}

/// Whether the value itself is in the set, and what is below it.
fn value_set<'a>(parts: Parts<'a>, value: &'a Value) -> (Marks, FieldSet<'a>) {
    match (parts.form, value) {
        (Form::Struct(_) | Form::Map(_) | Form::Untyped, Value::Object(object)) => {
            (Marks::NONE, members(parts, object))
        }
        (Form::Keyed(..) | Form::Set, Value::Array(list)) => (Marks::NONE, items(parts, list)),
        (Form::Struct(_) | Form::Map(_) | Form::Keyed(..) | Form::Set, Value::Null) => {
            (Marks::NONE, FieldSet::default())
        }
        _ => (Marks::OWNED, FieldSet::default()),
    }
}

/// Items that occur more than once are owned as one leaf.
fn items<'a>(parts: Parts<'a>, list: &'a [Value]) -> FieldSet<'a> {
    let mut set = FieldSet(Vec::with_capacity(list.len()));
    for item in list {
        if let Some(element) = parts.item_element(item) {
            set.push(element, Marks::OWNED, value_set(parts.of_item(), item).1);
        }
    }
    set.sort();
    set.0.dedup_by(|later, first| {
        let same = later.element == first.element;
        if same {
            first.below = FieldSet::default();
        }
        same
    });
    set
}
