//! Whether a change is one of what is wanted.

use gantry_kinds::{FieldName, fields::AnyObject};
use gantry_meta::{Object, Value};

/// What says who an object is and how it fares.
const NOT_WANTED: [FieldName; 4] = [AnyObject::METADATA, AnyObject::STATUS, AnyObject::KIND, AnyObject::API_VERSION];

/// Everything but metadata and status says what is wanted. `exactly`: an empty list says something else than none.
pub(super) fn desired_state_differs(new: &Object, old: &Object, exactly: bool) -> bool {
    let says_what_is_wanted = |member: &&String| NOT_WANTED.iter().all(|other| other.as_str() != member.as_str());
    members(new, old).filter(says_what_is_wanted).any(|member| {
        let (new, old) = (new.get(member), old.get(member));
        if exactly { new != old } else { differs(new, old) }
    })
}

/// Each member of either, once.
fn members<'a>(new: &'a Object, old: &'a Object) -> impl Iterator<Item = &'a String> {
    new.keys().chain(old.keys().filter(|member| !new.contains_key(*member)))
}

/// A list without items is as good as none.
pub(super) fn differs(new: Option<&Value>, old: Option<&Value>) -> bool {
    match (new, old) {
        (Some(Value::Object(new)), Some(Value::Object(old))) => {
            members(new, old).any(|member| differs(new.get(member), old.get(member)))
        }
        (Some(Value::Array(new)), Some(Value::Array(old))) => {
            new.len() != old.len() || new.iter().zip(old).any(|(new, old)| differs(Some(new), Some(old)))
        }
        (new, old) => new != old && !(is_no_list(new) && is_no_list(old)),
    }
}

fn is_no_list(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(new: Value, old: Value) -> bool {
        let object = |spec: Value| json!({"spec": spec}).as_object().cloned().unwrap();
        desired_state_differs(&object(new), &object(old), false)
    }

    #[test]
    fn a_list_without_items_is_as_good_as_none() {
        assert!(!changed(json!({"a": [{"b": []}], "c": null}), json!({"a": [{}], "c": []})));
        assert!(changed(json!({"a": [1]}), json!({"a": []})));
        assert!(changed(json!({"a": {}}), json!({})), "a source without members is one all the same");
    }
}
