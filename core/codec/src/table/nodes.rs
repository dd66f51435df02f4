//! Cells of nodes and component statuses.

use super::{
    look,
    row::{CellFn, Row},
};
use gantry_meta::{Object, ObjectView, Value};
use std::collections::BTreeSet;

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("nodes", "Status") => Some(status),
        ("nodes", "Roles") => Some(roles),
        ("nodes", "Internal-IP") => Some(|row| address(row.object, "InternalIP")),
        ("nodes", "External-IP") => Some(|row| address(row.object, "ExternalIP")),
        ("nodes", "Kernel-Version") => Some(kernel),
        ("componentstatuses", "Status") => Some(|row| match health(row.object, "status") {
            "" => "Unknown".into(),
            "True" => "Healthy".into(),
            _ => "Unhealthy".into(),
        }),
        ("componentstatuses", "Message") => Some(|row| health(row.object, "message").into()),
        ("componentstatuses", "Error") => Some(|row| health(row.object, "error").into()),
        _ => None,
    }
}

fn status(row: Row<'_>) -> Value {
    let mut status = match look::condition(row.object, "Ready").map(|c| look::text(c, "status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if look::flag(row.object, "spec.unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    status.into()
}

fn roles(row: Row<'_>) -> Value {
    let mut roles = BTreeSet::new();
    for (label, value) in row.object.labels().into_iter().flatten() {
        match (label.strip_prefix("node-role.kubernetes.io/"), label.as_str()) {
            (Some(role), _) if !role.is_empty() => roles.insert(role),
            (None, "kubernetes.io/role") => roles.insert(value.as_str().unwrap_or_default()),
            _ => false,
        };
    }
    look::or(roles.into_iter().filter(|r| !r.is_empty()).collect::<Vec<_>>().join(","), "<none>")
}

fn address(object: &Object, kind: &str) -> Value {
    let found = look::objects(object, "status.addresses").find(|a| look::text(a, "type") == kind);
    look::or(found.map(|a| look::text(a, "address")).unwrap_or_default(), "<none>")
}

fn kernel(row: Row<'_>) -> Value {
    let kernel = look::text(row.object, "status.nodeInfo.kernelVersion");
    let kernel = if kernel.is_empty() { "<unknown>" } else { kernel };
    match look::text(row.object, "status.nodeInfo.architecture") {
        "" => kernel.into(),
        architecture => format!("{kernel} ({architecture})").into(),
    }
}

/// A member of the condition `Healthy`, which component statuses keep at the root.
fn health<'a>(object: &'a Object, member: &str) -> &'a str {
    let healthy = look::objects(object, "conditions").find(|c| look::text(c, "type") == "Healthy");
    healthy.map(|c| look::text(c, member)).unwrap_or_default()
}
