//! ResourceQuota.

use std::collections::BTreeSet;

use gantry_kinds::fields::core_v1::{
    ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus as Status, ScopeSelector, ScopedResourceSelectorRequirement,
};

use crate::{
    field::{Causes, Field, Root},
    rules::resources::{is_huge_page, resource_amount, resource_name},
    table::Update,
};

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
const COMPUTE: [&str; 6] = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const STANDARD: [&str; 12] = [
    "ephemeral-storage",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
    "requests.storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
];

fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name)
        || COMPUTE.contains(&name)
        || name == "services.loadbalancers"
        || is_huge_page(name)
        || name.starts_with("requests.hugepages-")
}

/// A scope counts pods of some sort, so it fits only what is counted of pods.
fn fits(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            resource == "pods" || COMPUTE.contains(&resource)
        }
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

pub fn create(object: Root<'_>, causes: &mut Causes) {
    spec(&object.member(ResourceQuota::SPEC), causes);
}

fn spec(spec: &Field<'_>, causes: &mut Causes) {
    amounts(&spec.member(ResourceQuotaSpec::HARD), causes);
    scopes(spec, causes);
    scope_selector(spec, causes);
}

fn amounts(amounts: &Field<'_>, causes: &mut Causes) {
    for (name, field) in amounts.entries() {
        quota_name(name, &field, causes);
        resource_amount(name, &field, causes);
    }
}

fn quota_name(name: &str, field: &Field<'_>, causes: &mut Causes) {
    // `requests.storage` is of quotas alone.
    if name != "requests.storage" {
        resource_name(name, field, causes);
    }
    if !name.contains('/') && !is_standard(name) {
        causes.invalid(field, "must be a standard resource for quota");
    }
}

fn misfits<'a>(spec: &Field<'a>, scope: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    let hard = spec.member(ResourceQuotaSpec::HARD).entries().map(|(name, _)| name).collect::<Vec<_>>();
    hard.into_iter().filter(move |name| is_standard(name) && !fits(scope, name))
}

fn conflicting(scopes: &BTreeSet<&str>, field: &Field<'_>, causes: &mut Causes) {
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.contains(one) && scopes.contains(other) {
            causes.invalid(field, "conflicting scopes");
        }
    }
}

fn scopes(spec: &Field<'_>, causes: &mut Causes) {
    let field = spec.member(ResourceQuotaSpec::SCOPES);
    for scope in field.items() {
        if !SCOPES.contains(&scope.text()) {
            causes.invalid(&field, "unsupported scope");
        }
        misfits(spec, scope.text()).for_each(|_| causes.invalid(&field, "unsupported scope applied to resource"));
    }
    conflicting(&field.items().map(|scope| scope.text()).collect(), &field, causes);
}

/// The reference reports these at the list, without the index.
fn scope_selector(spec: &Field<'_>, causes: &mut Causes) {
    let list = spec.member(ResourceQuotaSpec::SCOPE_SELECTOR).member(ScopeSelector::MATCH_EXPRESSIONS);
    for one in list.items() {
        let at_list = |member| one.member(member).reported_at(&list.member(member));
        let (scope, operator, values) = (
            at_list(ScopedResourceSelectorRequirement::SCOPE_NAME),
            at_list(ScopedResourceSelectorRequirement::OPERATOR),
            at_list(ScopedResourceSelectorRequirement::VALUES),
        );
        if !SCOPES.contains(&scope.text()) {
            causes.invalid(&scope, "unsupported scope");
        }
        misfits(spec, scope.text()).for_each(|_| causes.invalid(&list, "unsupported scope applied to resource"));
        let existence_only = !matches!(scope.text(), "PriorityClass" | "VolumeAttributesClass" | "");
        if existence_only && SCOPES.contains(&scope.text()) && operator.text() != "Exists" {
            causes.invalid(&operator, "must be 'Exist' when scope is any of the existing scopes");
        }
        match operator.text() {
            "In" | "NotIn" => {
                causes.require(&values);
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                causes.invalid(&values, "must be no value when `operator` is 'Exist' or 'DoesNotExist'");
            }
            "Exists" | "DoesNotExist" => {}
            _ => causes.invalid(&operator, "not a valid selector operator"),
        }
    }
    conflicting(
        &list.items().map(|one| one.member(ScopedResourceSelectorRequirement::SCOPE_NAME).text()).collect(),
        &list,
        causes,
    );
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        amounts(&update.new.member(ResourceQuota::STATUS).member(Status::HARD), causes);
        amounts(&update.new.member(ResourceQuota::STATUS).member(Status::USED), causes);
        return;
    }
    spec(&update.new.member(ResourceQuota::SPEC), causes);
    let scopes = |root: Root<'_>| -> BTreeSet<String> {
        root.member(ResourceQuota::SPEC)
            .member(ResourceQuotaSpec::SCOPES)
            .items()
            .map(|scope| scope.text().to_owned())
            .collect()
    };
    if scopes(update.new) != scopes(update.old) {
        causes.invalid(&update.new.member(ResourceQuota::SPEC).member(ResourceQuotaSpec::SCOPES), "field is immutable");
    }
}
