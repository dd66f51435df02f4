//! Where a pod may and would like to run: affinity, spread constraints, tolerations.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{
            Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinity, PodAffinityTerm,
            PreferredSchedulingTerm, Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm,
        },
        meta_v1::{LabelSelector, LabelSelectorRequirement},
    },
};

use crate::{
    field::{Causes, Field},
    names,
    ratchet::Ratchet,
    rules::selector,
};
use std::collections::HashMap;

const REQUIRED: FieldName = PodAffinity::REQUIRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION;
const PREFERRED: FieldName = PodAffinity::PREFERRED_DURING_SCHEDULING_IGNORED_DURING_EXECUTION;

pub(super) fn affinity(affinity: &Field<'_>, causes: &mut Causes) {
    let node = affinity.member(Affinity::NODE_AFFINITY);
    let required = node.member(REQUIRED);
    if required.is_set() {
        node_selector(&required, causes);
    }
    for term in node.member(PREFERRED).items() {
        weight(&term, causes);
        // What is only preferred may name values that no label has.
        let preference = term.member(PreferredSchedulingTerm::PREFERENCE);
        preference.member(NodeSelectorTerm::MATCH_EXPRESSIONS).items().for_each(|one| label_requirement(&one, causes));
        preference.member(NodeSelectorTerm::MATCH_FIELDS).items().for_each(|one| field_requirement(&one, causes));
    }
    for member in [Affinity::POD_AFFINITY, Affinity::POD_ANTI_AFFINITY] {
        let pods = affinity.member(member);
        pods.member(REQUIRED).items().for_each(|term| pod_affinity_term(&term, causes));
        for term in pods.member(PREFERRED).items() {
            weight(&term, causes);
            pod_affinity_term(&term.member(WeightedPodAffinityTerm::POD_AFFINITY_TERM), causes);
        }
    }
}

fn weight(term: &Field<'_>, causes: &mut Causes) {
    let weight = term.member(PreferredSchedulingTerm::WEIGHT);
    if !(1..=100).contains(&weight.int().unwrap_or_default()) {
        causes.invalid(&weight, "must be in the range 1-100");
    }
}

/// A node selector has at least one term.
pub fn node_selector(selector: &Field<'_>, causes: &mut Causes) {
    let terms = selector.member(NodeSelector::NODE_SELECTOR_TERMS);
    causes.require(&terms);
    terms.items().for_each(|term| node_selector_term(&term, causes));
}

pub fn node_selector_term(term: &Field<'_>, causes: &mut Causes) {
    for requirement in term.member(NodeSelectorTerm::MATCH_EXPRESSIONS).items() {
        label_requirement(&requirement, causes);
        causes.ratcheted(Ratchet::NodeAffinityValue, |causes| {
            for value in requirement.member(NodeSelectorRequirement::VALUES).items() {
                causes.invalid_each(&value, names::label_value(value.text()));
            }
        });
    }
    term.member(NodeSelectorTerm::MATCH_FIELDS).items().for_each(|requirement| field_requirement(&requirement, causes));
}

fn label_requirement(requirement: &Field<'_>, causes: &mut Causes) {
    let (key, operator, values) = (
        requirement.member(NodeSelectorRequirement::KEY),
        requirement.member(NodeSelectorRequirement::OPERATOR),
        requirement.member(NodeSelectorRequirement::VALUES),
    );
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => causes.required(&values),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            causes.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if values.len() != 1 => causes.required(&values),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => causes.invalid(&operator, "not a valid selector operator"),
    }
    causes.invalid_each(&key, names::qualified_name(key.text()));
}

/// Only a node's name can be selected as a field.
fn field_requirement(requirement: &Field<'_>, causes: &mut Causes) {
    let (key, operator, values) = (
        requirement.member(NodeSelectorRequirement::KEY),
        requirement.member(NodeSelectorRequirement::OPERATOR),
        requirement.member(NodeSelectorRequirement::VALUES),
    );
    match operator.text() {
        "In" | "NotIn" if values.len() != 1 => causes.required(&values),
        "In" | "NotIn" => {}
        _ => causes.invalid(&operator, "not a valid selector operator"),
    }
    if key.text() != "metadata.name" {
        return causes.invalid(&key, "not a valid field selector key");
    }
    for value in values.items() {
        causes.invalid_each(&value, names::dns_subdomain(value.text()));
    }
}

fn pod_affinity_term(term: &Field<'_>, causes: &mut Causes) {
    selector::label_selector(&term.member(PodAffinityTerm::LABEL_SELECTOR), causes);
    selector::label_selector(&term.member(PodAffinityTerm::NAMESPACE_SELECTOR), causes);
    for namespace in term.member(PodAffinityTerm::NAMESPACES).items() {
        // The reference reports these at a member of another name, without the index.
        causes.invalid_each(
            &namespace.reported_at(&term.untyped_member("namespace")),
            names::dns_label(namespace.text()),
        );
    }
    label_keys(term, causes);
    let key = term.member(PodAffinityTerm::TOPOLOGY_KEY);
    causes.require(&key);
    causes.invalid_each(&key, names::qualified_name(key.text()));
}

/// `matchLabelKeys` and `mismatchLabelKeys` need a selector, and no key in both. Those that match have been made part of the
/// selector by now, so that a key of its own is there twice.
fn label_keys(term: &Field<'_>, causes: &mut Causes) {
    let (matching, mismatching) =
        (term.member(PodAffinityTerm::MATCH_LABEL_KEYS), term.member(PodAffinityTerm::MISMATCH_LABEL_KEYS));
    let selector = term.member(PodAffinityTerm::LABEL_SELECTOR);
    for keys in [&matching, &mismatching] {
        if !keys.is_empty() && !selector.is_set() {
            causes.forbidden(keys, "must not be specified when labelSelector is not set");
            continue;
        }
        for key in keys.items() {
            causes.invalid_each(&key, names::qualified_name(key.text()));
        }
    }
    let mut selected: Vec<&str> = selector.member(LabelSelector::MATCH_LABELS).entries().map(|(key, _)| key).collect();
    for key in
        selector.member(LabelSelector::MATCH_EXPRESSIONS).items().map(|one| one.member(LabelSelectorRequirement::KEY))
    {
        let at = matching.items().rposition(|matched| matched.text() == key.text());
        if let Some(at) = at.filter(|_| selected.contains(&key.text())) {
            causes.invalid(&key.reported_at(&term.element(at)), "exists in both matchLabelKeys and labelSelector");
        }
        selected.push(key.text());
    }
    for key in matching.items() {
        if mismatching.items().any(|other| other.text() == key.text()) {
            causes.invalid(&key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

pub(super) fn topology_spread_constraints(constraints: &Field<'_>, causes: &mut Causes) {
    let pair = |c: &Field<'_>| {
        (
            c.member(TopologySpreadConstraint::TOPOLOGY_KEY).text().to_owned(),
            c.member(TopologySpreadConstraint::WHEN_UNSATISFIABLE).text().to_owned(),
        )
    };
    let mut later: HashMap<_, usize> = HashMap::new();
    constraints.items().for_each(|constraint| *later.entry(pair(&constraint)).or_default() += 1);
    for constraint in constraints.items() {
        let (skew, action) = (
            constraint.member(TopologySpreadConstraint::MAX_SKEW),
            constraint.member(TopologySpreadConstraint::WHEN_UNSATISFIABLE),
        );
        if skew.int().unwrap_or_default() <= 0 {
            causes.invalid(&skew, "must be greater than zero");
        }
        causes.require(&constraint.member(TopologySpreadConstraint::TOPOLOGY_KEY));
        causes.one_of(&action, &["DoNotSchedule", "ScheduleAnyway"]);
        let alike = later.entry(pair(&constraint)).or_default();
        *alike = alike.saturating_sub(1);
        if *alike > 0 {
            causes.duplicate(&constraint.untyped_member("{topologyKey, whenUnsatisfiable}"));
        }
        min_domains(&constraint, causes);
        for policy in [
            constraint.member(TopologySpreadConstraint::NODE_AFFINITY_POLICY),
            constraint.member(TopologySpreadConstraint::NODE_TAINTS_POLICY),
        ] {
            if policy.is_set() {
                causes.one_of(&policy, &["Honor", "Ignore"]);
            }
        }
        causes.ratcheted(Ratchet::MatchLabelKeys, |causes| label_keys(&constraint, causes));
        causes.ratcheted(Ratchet::SpreadSelector, |causes| {
            selector::label_selector(&constraint.member(TopologySpreadConstraint::LABEL_SELECTOR), causes);
        });
    }
}

fn min_domains(constraint: &Field<'_>, causes: &mut Causes) {
    let domains = constraint.member(TopologySpreadConstraint::MIN_DOMAINS);
    causes.positive(&domains);
    if domains.is_set() && constraint.member(TopologySpreadConstraint::WHEN_UNSATISFIABLE).text() != "DoNotSchedule" {
        causes.invalid(&domains, "can only use minDomains if whenUnsatisfiable=DoNotSchedule");
    }
}

pub fn tolerations(tolerations: &Field<'_>, causes: &mut Causes) {
    for toleration in tolerations.items() {
        let (key, operator, value, effect) = (
            toleration.member(Toleration::KEY),
            toleration.member(Toleration::OPERATOR),
            toleration.member(Toleration::VALUE),
            toleration.member(Toleration::EFFECT),
        );
        if !key.is_empty() {
            causes.invalid_each(&key, names::qualified_name(key.text()));
        } else if operator.text() != "Exists" {
            causes.invalid(
                &operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if toleration.member(Toleration::TOLERATION_SECONDS).is_set() && effect.text() != "NoExecute" {
            causes.invalid(&effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match operator.text() {
            "" | "Equal" => {
                if !names::label_value(value.text()).is_empty() {
                    causes.invalid(&operator, "the value is not a valid label value");
                }
            }
            "Exists" if !value.is_empty() => {
                causes.invalid(&operator, "value must be empty when `operator` is 'Exists'")
            }
            "Exists" => {}
            _ => causes.not_supported(&operator, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            causes.one_of(&effect, &["NoExecute", "NoSchedule", "PreferNoSchedule"]);
        }
    }
}
