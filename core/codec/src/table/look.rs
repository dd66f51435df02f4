//! Reading parts of objects by path, where what is absent reads as empty.

use gantry_meta::{Object, Value};

/// The value at `a.b.c` or `a.b[0].c`, or null.
pub(super) fn value<'a>(object: &'a Object, path: &str) -> &'a Value {
    let (first, rest) = path.split_once('.').map_or((path, ""), |(f, r)| (f, r));
    let (name, index) = match first.strip_suffix(']').and_then(|f| f.split_once('[')) {
        Some((name, index)) => (name, index.parse::<usize>().ok()),
        None => (first, None),
    };
    let mut found = object.get(name).unwrap_or(&Value::Null);
    if let Some(index) = index {
        found = found.get(index).unwrap_or(&Value::Null);
    }
    match (rest, found) {
        ("", found) => found,
        (rest, Value::Object(members)) => value(members, rest),
        _ => &Value::Null,
    }
}

pub(super) fn text<'a>(object: &'a Object, path: &str) -> &'a str {
    value(object, path).as_str().unwrap_or_default()
}

/// A whole number, 0 if absent.
pub(super) fn int(object: &Object, path: &str) -> i64 {
    value(object, path).as_i64().unwrap_or_default()
}

pub(super) fn flag(object: &Object, path: &str) -> bool {
    value(object, path).as_bool().unwrap_or_default()
}

pub(super) fn object<'a>(parent: &'a Object, path: &str) -> Option<&'a Object> {
    value(parent, path).as_object()
}

/// The objects of a list.
pub(super) fn objects<'a>(parent: &'a Object, path: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
    list(parent, path).iter().filter_map(Value::as_object)
}

pub(super) fn list<'a>(parent: &'a Object, path: &str) -> &'a [Value] {
    value(parent, path).as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub(super) fn texts<'a>(parent: &'a Object, path: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    list(parent, path).iter().filter_map(Value::as_str)
}

/// A scalar as text; empty for null.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The condition of that type under `status.conditions`.
pub(super) fn condition<'a>(parent: &'a Object, kind: &str) -> Option<&'a Object> {
    objects(parent, "status.conditions").find(|c| text(c, "type") == kind)
}

pub(super) fn condition_is_true(parent: &Object, kind: &str) -> bool {
    condition(parent, kind).is_some_and(|c| text(c, "status") == "True")
}

/// The first three joined by commas, then how many more there are.
pub(super) fn first_three(all: &[String]) -> String {
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if all.len() > 3 { format!("{shown} + {} more...", all.len() - 3) } else { shown }
}

/// The text, or what stands for none.
pub(super) fn or(text: impl Into<String>, none: &str) -> Value {
    let text = text.into();
    Value::String(if text.is_empty() { none.to_owned() } else { text })
}
