//! Reaching into object trees.

use gantry_meta::{Object, Value};

/// A member that is an object; an empty one is made where it is absent or something else.
pub fn object_mut<'a>(parent: &'a mut Object, member: &str) -> &'a mut Object {
    let value = parent.entry(member).or_insert_with(|| Value::Object(Object::new()));
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    value.as_object_mut().expect("made an object just above")
}

/// A member that is a list; an empty one is made where it is absent or something else.
pub fn list_mut<'a>(parent: &'a mut Object, member: &str) -> &'a mut Vec<Value> {
    let value = parent.entry(member).or_insert_with(|| Value::Array(Vec::new()));
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("made a list just above")
}

/// The items of a list member; nothing where it is absent.
pub fn items<'a>(parent: &'a Object, member: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    parent.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// A text member; empty where it is absent.
pub fn text<'a>(parent: &'a Object, member: &str) -> &'a str {
    parent.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// `object.spec`, if it has one.
pub fn spec(object: &Object) -> Option<&Object> {
    object.get("spec")?.as_object()
}
