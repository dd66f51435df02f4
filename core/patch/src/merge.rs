//! JSON Merge Patch (RFC 7386): objects merge member by member, null removes, everything else replaces.

use gantry_meta::{Object, Value};

use crate::PatchError;

/// Applies `patch` to `object`. A list of objects takes the object's place, which is then no object any more.
///
/// # Errors
/// [`PatchError::Malformed`] if the patch is neither an object nor a list of objects.
pub fn apply(object: &Object, patch: Value) -> Result<Value, PatchError> {
    match patch {
        Value::Object(patch) => {
            let mut patched = object.clone();
            merge_into(&mut patched, patch);
            Ok(Value::Object(patched))
        }
        Value::Array(mut items) if items.iter().all(|item| item.is_object() || item.is_null()) => {
            items.iter_mut().for_each(prune_nulls);
            Ok(Value::Array(items))
        }
        _ => Err(PatchError::Malformed("error decoding patch: a merge patch is an object".into())),
    }
}

/// Merges the members of `patch` into `target`.
pub fn merge_into(target: &mut Object, patch: Object) {
    for (name, change) in patch {
        match (change, target.get_mut(&name)) {
            (Value::Null, _) => {
                target.remove(&name);
            }
            (Value::Object(change), Some(Value::Object(current))) => merge_into(current, change),
            (mut change, _) => {
                prune_nulls(&mut change);
                target.insert(name, change);
            }
        }
    }
}

/// Drops members that are null at any depth, those of objects in lists too: what is new has nothing to remove.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(object: Value, patch: Value) -> Value {
        let Value::Object(object) = object else { panic!("the test's object is an object") };
        apply(&object, patch).unwrap()
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
            assert!(matches!(apply(&Object::new(), patch.clone()), Err(PatchError::Malformed(_))), "{patch}");
        }
    }
}
