//! Names and amounts of resources.

use gantry_meta::{Quantity, Value};

use crate::{
    field::{Causes, Field},
    names,
};

const STANDARD: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "services.nodeports",
    "services.loadbalancers",
];
const INTEGER: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// The amount a field holds. `None` if absent; what does not parse was refused by the decoder.
pub fn amount(field: &Field<'_>) -> Option<Quantity> {
    match field.value()? {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

pub fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Resources that the platform itself knows: unprefixed, or of the `kubernetes.io` domain.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Requests may be below limits.
pub fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// A resource's name: qualified, and if it has no prefix a known one.
pub fn resource_name(name: &str, field: &Field<'_>, causes: &mut Causes) {
    let reasons = names::qualified_name(name);
    if !reasons.is_empty() {
        return causes.invalid_each(field, reasons);
    }
    let quota_huge_page = is_huge_page(name) || name.starts_with("requests.hugepages-");
    if !name.contains('/') && !STANDARD.contains(&name) && !quota_huge_page {
        causes.invalid(field, "must be a standard resource type or fully qualified");
    }
}

/// As [`resource_name`], and one that a container can ask for.
pub fn container_resource_name(name: &str, field: &Field<'_>, causes: &mut Causes) {
    resource_name(name, field, causes);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(name) {
            causes.invalid(field, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        causes.invalid(field, "doesn't follow extended resource name standard");
    }
}

/// An amount: not negative, and whole where the resource is counted.
pub fn resource_amount(name: &str, field: &Field<'_>, causes: &mut Causes) {
    let Some(amount) = amount(field) else { return };
    if amount.signum() < 0 {
        causes.invalid(field, "must be greater than or equal to 0");
    }
    if (INTEGER.contains(&name) || is_extended(name)) && !amount.is_integer() {
        causes.invalid(field, "must be an integer");
    }
}
