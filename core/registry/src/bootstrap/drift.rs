//! How an object that exists differs from what it should be, and what mends it.

use gantry_auth::rbac::{PolicyRule, uncovered};
use gantry_meta::{Object, ObjectView};
use serde::Deserialize;
use serde_json::{Value, json};

const ROLE_AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const SPEC_AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

/// What is kept true of an object beyond its existence.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upkeep {
    Exists,
    /// Has at least the default rules, labels and annotations.
    Role,
    /// Has at least the default subjects; its role cannot be changed, so another role means making it anew.
    Binding,
    /// `spec` holds what the default says, unless the annotation says that it is kept by hand.
    Spec,
    /// These members hold what the default says.
    Members(&'static [&'static str]),
}

/// What mends an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mend {
    /// A merge patch.
    Patch(Value),
    DeleteAndCreate,
}

impl Upkeep {
    /// `None`: the object is as it should be.
    pub(super) fn mend(self, existing: &Object, wanted: &Object) -> Option<Mend> {
        match self {
            Self::Exists => None,
            Self::Role => mend_role(existing, wanted),
            Self::Binding => mend_binding(existing, wanted),
            Self::Spec => (annotation(existing, SPEC_AUTOUPDATE) != Some("false"))
                .then(|| mend_members(existing, wanted, &["spec"]))
                .flatten(),
            Self::Members(members) => mend_members(existing, wanted, members),
        }
    }
}

fn annotation<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.annotations()?.get(name)?.as_str()
}

fn patch(members: Object) -> Option<Mend> {
    (!members.is_empty()).then_some(Mend::Patch(Value::Object(members)))
}

fn mend_members(existing: &Object, wanted: &Object, members: &[&str]) -> Option<Mend> {
    let differing = members.iter().filter_map(|member| {
        let value = wanted.get(*member)?;
        let holds = existing.get(*member).is_some_and(|existing| contains(existing, value));
        (!holds).then(|| ((*member).to_owned(), value.clone()))
    });
    patch(differing.collect())
}

/// Whether `existing` says everything that `wanted` says; it may say more (defaults) in objects, not in lists.
fn contains(existing: &Value, wanted: &Value) -> bool {
    match (existing, wanted) {
        (Value::Object(existing), Value::Object(wanted)) => {
            wanted.iter().all(|(member, value)| existing.get(member).is_some_and(|has| contains(has, value)))
        }
        (Value::Array(existing), Value::Array(wanted)) => {
            existing.len() == wanted.len() && existing.iter().zip(wanted).all(|(has, value)| contains(has, value))
        }
        _ => existing == wanted,
    }
}

fn mend_role(existing: &Object, wanted: &Object) -> Option<Mend> {
    if annotation(existing, ROLE_AUTOUPDATE) == Some("false") {
        return None;
    }
    let mut members = missing_metadata(existing, wanted);
    // The rules of an aggregated role are its aggregator's business.
    match wanted.get("aggregationRule") {
        Some(rule) if !existing.get("aggregationRule").is_some_and(|existing| contains(existing, rule)) => {
            members.insert("aggregationRule".into(), rule.clone());
        }
        Some(_) => {}
        None => members.extend(missing_rules(existing, wanted).map(|rules| ("rules".to_owned(), rules))),
    }
    patch(members)
}

fn rules(role: &Object) -> Vec<PolicyRule> {
    let rules = role.get("rules").and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| PolicyRule::deserialize(rule).ok()).collect()
}

/// The existing rules followed by what is missing.
fn missing_rules(existing: &Object, wanted: &Object) -> Option<Value> {
    let mut all = rules(existing);
    let missing = uncovered(&all, &rules(wanted));
    all.extend(missing.iter().cloned());
    (!missing.is_empty()).then(|| json!(all))
}

fn mend_binding(existing: &Object, wanted: &Object) -> Option<Mend> {
    if annotation(existing, ROLE_AUTOUPDATE) == Some("false") {
        return None;
    }
    if existing.get("roleRef") != wanted.get("roleRef") {
        return Some(Mend::DeleteAndCreate);
    }
    let mut members = missing_metadata(existing, wanted);
    let list = |object: &Object| object.get("subjects").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut subjects = list(existing);
    let missing: Vec<Value> =
        list(wanted).into_iter().filter(|subject| !subjects.iter().any(|has| contains(has, subject))).collect();
    if !missing.is_empty() {
        subjects.extend(missing);
        members.insert("subjects".into(), Value::Array(subjects));
    }
    patch(members)
}

/// `{"metadata": ...}` with the labels and annotations that are missing or differ, or nothing.
fn missing_metadata(existing: &Object, wanted: &Object) -> Object {
    let part = |wanted: Option<&Object>, existing: Option<&Object>| -> Object {
        let differs = |name: &str, value: &Value| existing.and_then(|existing| existing.get(name)) != Some(value);
        wanted
            .into_iter()
            .flatten()
            .filter(|(name, value)| differs(name, value))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    };
    let parts = [
        ("labels", part(wanted.labels(), existing.labels())),
        ("annotations", part(wanted.annotations(), existing.annotations())),
    ];
    let metadata: Object = parts
        .into_iter()
        .filter(|(_, members)| !members.is_empty())
        .map(|(name, members)| (name.to_owned(), Value::Object(members)))
        .collect();
    let mut members = Object::new();
    if !metadata.is_empty() {
        members.insert("metadata".into(), Value::Object(metadata));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().expect("an object")
    }

    fn rule(verbs: &[&str]) -> Value {
        json!({"verbs": verbs, "apiGroups": [""], "resources": ["pods"]})
    }

    #[test]
    fn a_role_gets_back_what_it_lacks_and_keeps_what_it_has_more() {
        let wanted = object(json!({"metadata": {"labels": {"a": "b"}}, "rules": [rule(&["get", "list"])]}));
        let existing = object(json!({"rules": [rule(&["get"]), rule(&["delete"])]}));
        let Some(Mend::Patch(patch)) = Upkeep::Role.mend(&existing, &wanted) else { panic!("a patch") };
        assert_eq!(patch["rules"], json!([rule(&["get"]), rule(&["delete"]), rule(&["list"])]));
        assert_eq!(patch["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(Upkeep::Role.mend(&wanted, &wanted), None);
        let mut by_hand = existing;
        by_hand.metadata_mut().insert("annotations".into(), json!({ROLE_AUTOUPDATE: "false"}));
        assert_eq!(Upkeep::Role.mend(&by_hand, &wanted), None);
    }

    #[test]
    fn a_binding_gets_its_subjects_back_and_another_role_means_a_new_one() {
        let wanted = object(json!({"roleRef": {"name": "r"}, "subjects": [{"kind": "User", "name": "a"}]}));
        let existing = object(json!({"roleRef": {"name": "r"}, "subjects": [{"kind": "User", "name": "b"}]}));
        let Some(Mend::Patch(patch)) = Upkeep::Binding.mend(&existing, &wanted) else { panic!("a patch") };
        assert_eq!(patch["subjects"].as_array().map(Vec::len), Some(2));
        let other = object(json!({"roleRef": {"name": "s"}}));
        assert_eq!(Upkeep::Binding.mend(&other, &wanted), Some(Mend::DeleteAndCreate));
    }

    #[test]
    fn defaults_in_a_stored_spec_are_no_difference() {
        let wanted = object(json!({"spec": {"type": "Limited", "limited": {"shares": 5}}}));
        let stored = object(json!({"spec": {"type": "Limited", "limited": {"shares": 5, "more": 0}}}));
        assert_eq!(Upkeep::Spec.mend(&stored, &wanted), None);
        let changed = object(json!({"spec": {"type": "Limited", "limited": {"shares": 6}}}));
        assert!(Upkeep::Spec.mend(&changed, &wanted).is_some());
        let mut by_hand = changed;
        by_hand.metadata_mut().insert("annotations".into(), json!({SPEC_AUTOUPDATE: "false"}));
        assert_eq!(Upkeep::Spec.mend(&by_hand, &wanted), None);
    }
}
