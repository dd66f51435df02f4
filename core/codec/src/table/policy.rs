//! Cells of roles' bindings, certificate requests and admission policies.

use super::{
    duration, look,
    row::{CellFn, Row},
};
use gantry_meta::{Object, Value};

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("rolebindings" | "clusterrolebindings", "Role") => Some(|row| {
            format!("{}/{}", look::text(row.object, "roleRef.kind"), look::text(row.object, "roleRef.name")).into()
        }),
        ("rolebindings" | "clusterrolebindings", "Users") => Some(|row| subjects(row.object, "User")),
        ("rolebindings" | "clusterrolebindings", "Groups") => Some(|row| subjects(row.object, "Group")),
        ("rolebindings" | "clusterrolebindings", "ServiceAccounts") => {
            Some(|row| subjects(row.object, "ServiceAccount"))
        }
        ("certificatesigningrequests", "RequestedDuration") => Some(requested_duration),
        ("certificatesigningrequests", "Condition") => Some(request_condition),
        (_, "ParamKind") => Some(param_kind),
        (_, "ParamRef") => Some(param_ref),
        _ => None,
    }
}

fn subjects(object: &Object, kind: &str) -> Value {
    let subjects = look::objects(object, "subjects").filter(|s| look::text(s, "kind") == kind);
    let names = subjects.map(|s| match kind {
        "ServiceAccount" => format!("{}/{}", look::text(s, "namespace"), look::text(s, "name")),
        _ => look::text(s, "name").to_owned(),
    });
    names.collect::<Vec<_>>().join(", ").into()
}

fn requested_duration(row: Row<'_>) -> Value {
    let seconds = look::value(row.object, "spec.expirationSeconds").as_i64();
    seconds.map_or_else(|| "<none>".into(), |s| duration::human_duration(s).into())
}

fn request_condition(row: Row<'_>) -> Value {
    let has = |kind: &str| look::condition(row.object, kind).is_some();
    let mut text = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        text.push_str(",Failed");
    }
    if !look::text(row.object, "status.certificate").is_empty() {
        text.push_str(",Issued");
    }
    text.into()
}

fn param_kind(row: Row<'_>) -> Value {
    match look::object(row.object, "spec.paramKind") {
        Some(kind) => format!("{}/{}", look::text(kind, "apiVersion"), look::text(kind, "kind")).into(),
        None => "<unset>".into(),
    }
}

fn param_ref(row: Row<'_>) -> Value {
    let Some(reference) = look::object(row.object, "spec.paramRef") else { return "<unset>".into() };
    match (look::text(reference, "namespace"), look::text(reference, "name")) {
        (_, "") => written_out(look::object(reference, "selector")).into(),
        ("", name) => format!("*/{name}").into(),
        (namespace, name) => format!("{namespace}/{name}").into(),
    }
}

/// A label selector as its type is written out by the reference, which shows it so in this column alone.
fn written_out(selector: Option<&Object>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let labels = look::object(selector, "matchLabels").into_iter().flatten();
    let labels: String = labels.map(|(key, value)| format!("{key}: {},", look::shown(value))).collect();
    let expressions: String = look::objects(selector, "matchExpressions").map(requirement_written_out).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

fn requirement_written_out(requirement: &Object) -> String {
    let values = look::texts(requirement, "values").collect::<Vec<_>>().join(" ");
    let (key, operator) = (look::text(requirement, "key"), look::text(requirement, "operator"));
    format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
}
