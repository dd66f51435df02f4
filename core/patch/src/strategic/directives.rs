//! The names of directives, and how they leave what is new.

use gantry_meta::Value;

pub(super) const PATCH: &str = "$patch";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const SET_ORDER: &str = "$setElementOrder/";
pub(super) const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

fn is_directive(name: &str) -> bool {
    name == PATCH || name == RETAIN_KEYS || name.starts_with(SET_ORDER) || name.starts_with(DELETE_FROM_LIST)
}

/// The value as it is added where there was none: without directives and nulls. `None` if it says to delete itself.
pub(super) fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            if members.get(PATCH).and_then(Value::as_str) == Some("delete") {
                return None;
            }
            let kept = members.into_iter().filter(|(name, value)| !is_directive(name) && !value.is_null());
            Some(Value::Object(kept.filter_map(|(name, value)| Some((name, without_directives(value)?))).collect()))
        }
        Value::Array(items) => {
            // A lone `{"$patch": "replace"}` is an instruction, no item.
            let lone = |item: &Value| item.as_object().is_some_and(|m| m.len() == 1 && m.contains_key(PATCH));
            Some(Value::Array(items.into_iter().filter(|item| !lone(item)).filter_map(without_directives).collect()))
        }
        other => Some(other),
    }
}
