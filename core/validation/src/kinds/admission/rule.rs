//! Rules that say which requests a webhook or a policy sees.

use gantry_kinds::fields::admissionregistration_v1::RuleWithOperations;

use crate::field::{Causes, Field};

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];

/// Operations, groups, versions, resources, scope.
pub(super) fn rule_with_operations(rule: &Field<'_>, causes: &mut Causes) {
    let operations = rule.member(RuleWithOperations::OPERATIONS);
    words(&operations, causes);
    operations.items().for_each(|operation| causes.one_of(&operation, &OPERATIONS));
    words(&rule.member(RuleWithOperations::API_GROUPS), causes);
    let versions = rule.member(RuleWithOperations::API_VERSIONS);
    words(&versions, causes);
    versions.items().for_each(|version| _ = causes.require(&version));
    resources(&rule.member(RuleWithOperations::RESOURCES), causes);
    super::optional(&rule.member(RuleWithOperations::SCOPE), &SCOPES, causes);
}

/// At least one word, and nothing beside a wildcard.
fn words(list: &Field<'_>, causes: &mut Causes) {
    causes.require(list);
    if list.len() > 1 && list.items().any(|word| word.text() == "*") {
        causes.invalid(list, "if '*' is present, must not specify others");
    }
}

/// Resources and subresources, none of them covered by another.
fn resources(list: &Field<'_>, causes: &mut Causes) {
    causes.require(list);
    let (mut whole, mut everywhere): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for entry in list.items() {
        let Some((resource, subresource)) = entry.text().split_once('/') else {
            causes.require(&entry);
            continue;
        };
        if whole.contains(&resource) {
            causes.invalid(&entry, "all subresources of this resource are present");
        }
        if everywhere.contains(&subresource) {
            causes.invalid(&entry, "this subresource of all resources is present");
        }
        if subresource == "*" {
            whole.push(resource);
        }
        if resource == "*" {
            everywhere.push(subresource);
        }
    }
    let has = |text: &str| list.items().any(|entry| entry.text() == text);
    if list.len() > 1 && has("*/*") {
        causes.invalid(list, "if '*/*' is present, must not specify other resources");
    }
    // The last of those without a subresource decides.
    let mut plain = list.items().filter(|entry| !entry.is_empty() && !entry.text().contains('/'));
    if has("*") && plain.next_back().is_some_and(|entry| entry.text() != "*") {
        causes.invalid(list, "if '*' is present, must not specify other resources without subresources");
    }
}
