//! The names of directives, and how they leave what is new.

use gantry_meta::Value;

pub(super) const PATCH: &str = "$patch";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const SET_ORDER: &str = "$setElementOrder/";
pub(super) const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

/// The value as it is added where there was none: objects that carry a `$patch` go, whatever it says, and so do nulls of
/// objects. `None` if that leaves nothing. Other directives stay, as fields that nobody knows.
pub(super) fn as_new(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(PATCH) => None,
        Value::Object(members) => {
            let given = members.into_iter().filter(|(_, value)| !value.is_null());
            Some(Value::Object(given.filter_map(|(name, value)| Some((name, as_new(value)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(as_new).collect())),
        other => Some(other),
    }
}
