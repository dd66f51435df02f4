//! Autoscalers. Their older form has parts of spec and status in annotations, which are written with what they belong to.

use gantry_kinds::{Members as _, fields::meta_v1::ObjectMeta};
use gantry_meta::{Object, ObjectView as _, Value};

use super::Strategy;
use crate::convert::horizontal_pod_autoscaler::{OF_SPEC, OF_STATUS, TOLERANCES};

pub(super) struct Autoscalers;

impl Strategy for Autoscalers {
    fn prepare_create(&self, new: &mut Object) {
        drop_foreign(new);
        keep_annotations(&OF_STATUS, new, &Object::new());
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        drop_foreign(new);
        match subresource {
            "status" => keep_annotations(&OF_SPEC, new, old),
            _ => keep_annotations(&OF_STATUS, new, old),
        }
    }
}

/// The newer form has members for all of them.
fn drop_foreign(object: &mut Object) {
    if object.api_version() != "autoscaling/v1" {
        let all: Vec<&str> = OF_SPEC.into_iter().chain(OF_STATUS).chain(TOLERANCES).collect();
        keep_annotations(&all, object, &Object::new());
    }
}

/// Sets annotations back to those of `old`.
fn keep_annotations(names: &[&str], new: &mut Object, old: &Object) {
    let before = |name: &str| old.annotations().and_then(|annotations| annotations.get(name)).cloned();
    let kept: Vec<(&str, Option<Value>)> = names.iter().map(|name| (*name, before(name))).collect();
    if new.annotations().is_none() && kept.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    let Some(annotations) = new.metadata_mut().made(ObjectMeta::ANNOTATIONS) else { return };
    for (name, value) in kept {
        match value {
            Some(value) => _ = annotations.insert(name.to_owned(), value),
            None => _ = annotations.remove(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scaler(version: &str, status: &str) -> Object {
        let annotations = json!({OF_SPEC[0]: "[]", OF_STATUS[0]: status, "mine": "x"});
        json!({"apiVersion": version, "metadata": {"annotations": annotations}}).as_object().cloned().unwrap()
    }

    #[test]
    fn what_belongs_to_the_status_is_written_with_it() {
        let old = scaler("autoscaling/v1", "[1]");
        let after = |subresource: &str| {
            let mut new = scaler("autoscaling/v1", "[2]");
            Autoscalers.prepare_update(subresource, &mut new, &old);
            new["metadata"]["annotations"][OF_STATUS[0]].clone()
        };
        assert_eq!((after(""), after("status")), (json!("[1]"), json!("[2]")));
    }

    #[test]
    fn the_newer_form_keeps_only_annotations_that_are_none_of_the_older_ones() {
        let mut new = scaler("autoscaling/v2", "[1]");
        Autoscalers.prepare_create(&mut new);
        assert_eq!(new["metadata"]["annotations"], json!({"mine": "x"}));
    }
}
