//! Labels of nodes that are no longer set, or no longer looked at.

use gantry_kinds::fields::{
    core_v1::{NodeSelectorRequirement, NodeSelectorTerm},
    meta_v1::LabelSelector,
};

use super::Found;
use crate::{field::Field, names};

const DEPRECATED: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\""),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\""),
    ("failure-domain.beta.kubernetes.io/region", "deprecated since v1.17; use \"topology.kubernetes.io/region\""),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\""),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\""),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use taints and tolerations"),
    ("node-role.kubernetes.io/master", "deprecated; use \"node-role.kubernetes.io/control-plane\""),
];

fn deprecation(label: &str) -> Option<&'static str> {
    DEPRECATED.iter().find(|(deprecated, _)| *deprecated == label).map(|(_, why)| *why)
}

/// Keys of a map from labels to values, each named by its own path.
pub(super) fn selector(labels: &Field<'_>, found: &mut Found) {
    for (label, entry) in labels.entries() {
        if let Some(why) = deprecation(label) {
            found.at(&entry, why);
        }
    }
}

/// A text that is a label's key.
pub(super) fn key(key: &Field<'_>, found: &mut Found) {
    if let Some(why) = deprecation(key.text()) {
        found.at(key, format_args!("{} is {why}", key.text()));
    }
}

/// `matchExpressions` of a term about nodes.
pub(super) fn term(term: &Field<'_>, found: &mut Found) {
    term.member(LabelSelector::MATCH_EXPRESSIONS)
        .items()
        .for_each(|expression| key(&expression.member(NodeSelectorRequirement::KEY), found));
}

/// As [`term`] for what is only preferred: its values were never checked, so that those which no label has are pointed out.
pub(super) fn preferred_term(preference: &Field<'_>, found: &mut Found) {
    for expression in preference.member(NodeSelectorTerm::MATCH_EXPRESSIONS).items() {
        key(&expression.member(NodeSelectorRequirement::KEY), found);
        for value in expression.member(NodeSelectorRequirement::VALUES).items() {
            for why in names::label_value(value.text()) {
                found.at(&value, format_args!("{} is no value of a label: {why}", value.text()));
            }
        }
    }
}
