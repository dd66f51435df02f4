//! `matchLabelKeys` and `mismatchLabelKeys` of a new pod: its own labels become part of the selectors beside them.

use gantry_meta::{Object, ObjectView as _, Value};
use serde_json::json;

/// Writes the requirements that the keys stand for; a term without a selector selects nothing and stays so.
pub(super) fn merge(pod: &mut Object) {
    let labels = pod.labels().cloned().unwrap_or_default();
    let Some(spec) = pod.get_mut("spec") else { return };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let list = |when: &str| format!("/affinity/{kind}/{when}DuringSchedulingIgnoredDuringExecution");
        items(spec, &list("preferred"))
            .filter_map(|one| one.get_mut("podAffinityTerm"))
            .for_each(|one| select(one, &labels));
        items(spec, &list("required")).for_each(|one| select(one, &labels));
    }
    items(spec, "/topologySpreadConstraints").for_each(|constraint| select(constraint, &labels));
}

fn items<'a>(spec: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    spec.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Each key that the pod has a label for becomes a requirement.
fn select(term: &mut Value, labels: &Object) {
    let mut requirements = Vec::new();
    for (member, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                requirements.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    let Some(selector) = term.get_mut("labelSelector").and_then(Value::as_object_mut) else { return };
    if !requirements.is_empty()
        && let Some(all) = selector.entry("matchExpressions").or_insert_with(|| json!([])).as_array_mut()
    {
        all.extend(requirements);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_select_by_the_labels_that_the_pod_has() {
        let term = json!({"labelSelector": {}, "matchLabelKeys": ["a", "none"], "mismatchLabelKeys": ["b"]});
        let pod = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {
            "topologySpreadConstraints": [{"matchLabelKeys": ["a"]}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": term}]}}}});
        let mut pod = pod.as_object().cloned().unwrap();
        merge(&mut pod);
        let list = "/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution";
        assert_eq!(
            pod["spec"].pointer(&format!("{list}/0/podAffinityTerm/labelSelector/matchExpressions")).unwrap(),
            &json!([{"key": "a", "operator": "In", "values": ["1"]}, {"key": "b", "operator": "NotIn", "values": ["2"]}])
        );
        assert!(pod["spec"]["topologySpreadConstraints"][0].get("labelSelector").is_none());
    }
}
