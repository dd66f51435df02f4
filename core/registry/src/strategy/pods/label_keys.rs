//! `matchLabelKeys` and `mismatchLabelKeys` of a new pod: its own labels become part of the selectors beside them.

use gantry_kinds::{
    Members as _,
    fields::{
        core_v1::{Affinity, Pod, PodAffinity, PodAffinityTerm, PodSpec, WeightedPodAffinityTerm},
        meta_v1::{LabelSelector, LabelSelectorRequirement as Requirement},
    },
    object,
};
use gantry_meta::{Object, ObjectView as _, Value};

/// Writes the requirements that the keys stand for; a term without a selector selects nothing and stays so.
pub(super) fn merge(pod: &mut Object) {
    let labels = pod.labels().cloned().unwrap_or_default();
    let Some(spec) = pod.object_mut(Pod::SPEC) else { return };
    for kind in [Affinity::POD_AFFINITY, Affinity::POD_ANTI_AFFINITY] {
        let affinity = spec.object_mut(PodSpec::AFFINITY).and_then(|affinity| affinity.object_mut(kind));
        if let Some(affinity) = affinity {
            affinity_terms(affinity, |term| select(term, &labels));
        }
    }
    spec.objects_mut(PodSpec::TOPOLOGY_SPREAD_CONSTRAINTS).for_each(|constraint| select(constraint, &labels));
}

/// The terms of an affinity, or of its opposite, which has the same fields.
fn affinity_terms(affinity: &mut Object, change: impl Fn(&mut Object)) {
    affinity
        .objects_mut(PodAffinity::PREFERRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION)
        .filter_map(|weighted| weighted.object_mut(WeightedPodAffinityTerm::POD_AFFINITY_TERM))
        .for_each(&change);
    affinity.objects_mut(PodAffinity::REQUIRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION).for_each(&change);
}

/// Each key that the pod has a label for becomes a requirement. Constraints of spreading have the fields of terms for it.
fn select(term: &mut Object, labels: &Object) {
    let mut requirements = Vec::new();
    for (member, operator) in
        [(PodAffinityTerm::MATCH_LABEL_KEYS, "In"), (PodAffinityTerm::MISMATCH_LABEL_KEYS, "NotIn")]
    {
        for key in term.items(member).iter().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                requirements.push(Value::from(object! {
                    Requirement::KEY => key,
                    Requirement::OPERATOR => operator,
                    Requirement::VALUES => vec![value.clone()],
                }));
            }
        }
    }
    let Some(selector) = term.object_mut(PodAffinityTerm::LABEL_SELECTOR) else { return };
    if !requirements.is_empty()
        && let Some(all) = selector.made_list(LabelSelector::MATCH_EXPRESSIONS)
    {
        all.extend(requirements);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
