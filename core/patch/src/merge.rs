//! JSON Merge Patch (RFC 7386): objects merge member by member, null removes, everything else replaces.

use std::convert::Infallible;

use gantry_meta::{Object, Value};

use crate::{
    PatchError,
    engine::{self, Parts, Policy},
};

/// Applies `patch` to `object`. A list of objects takes the object's place, which is then no object any more.
///
/// # Errors
/// [`PatchError::Malformed`] if the patch is neither an object nor a list of objects.
pub fn apply(object: &Object, patch: &Value) -> Result<Value, PatchError> {
    match patch {
        Value::Object(patch) => {
            let mut patched = object.clone();
            let Ok(()) = engine::merge(MergePatch, Parts::UNTYPED, &mut patched, patch);
            Ok(Value::Object(patched))
        }
        Value::Array(items) if items.iter().all(|item| item.is_object() || item.is_null()) => Ok(without_nulls(patch)),
        _ => Err(PatchError::Malformed("error decoding patch: a merge patch is an object".into())),
    }
}

#[derive(Clone, Copy)]
struct MergePatch;

impl Policy for MergePatch {
    type Error = Infallible;

    fn null(self, _: Parts<'_>, _: &mut Value) -> bool {
        false
    }

    fn replace(self, live: &mut Value, change: &Value) -> bool {
        *live = without_nulls(change);
        true
    }

    fn added(self, change: &Value) -> Option<Value> {
        (!change.is_null()).then(|| without_nulls(change))
    }

    /// To this patch, lists have no items.
    fn items(self, _: Parts<'_>, live: &mut Vec<Value>, change: &[Value]) -> Result<(), Infallible> {
        *live = change.iter().map(without_nulls).collect();
        Ok(())
    }
}

/// The value without members that are null at any depth, those of objects in lists too: what is new has nothing to remove.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let given = members.iter().filter(|(_, member)| !member.is_null());
            Value::Object(given.map(|(name, member)| (name.clone(), without_nulls(member))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(object: Value, patch: Value) -> Value {
        let Value::Object(object) = object else { panic!("the test's object is an object") };
        apply(&object, &patch).unwrap()
    }

    #[test]
    fn objects_merge_lists_are_replaced_and_null_removes() {
        let object = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        let patch = json!({"a": {"b": null, "d": 3, "nope": null}, "l": [3], "gone": null});
        assert_eq!(patched(object, patch), json!({"a": {"c": 2, "d": 3}, "l": [3]}));
    }

    #[test]
    fn nulls_below_something_new_leave_no_trace() {
        let patch = json!({"m": {"x": null, "y": {"z": null}}, "l": [{"n": null, "k": 1}, null]});
        assert_eq!(patched(json!({}), patch), json!({"m": {"y": {}}, "l": [{"k": 1}, null]}));
    }

    #[test]
    fn a_list_of_objects_replaces_the_object_and_anything_else_is_no_merge_patch() {
        assert_eq!(patched(json!({"a": 1}), json!([{"k": null}, {"l": 2}])), json!([{}, {"l": 2}]));
        for patch in [json!(["a"]), json!([1]), json!("x"), json!(null), json!(7), json!(true)] {
            assert!(matches!(apply(&Object::new(), &patch), Err(PatchError::Malformed(_))), "{patch}");
        }
    }
}
