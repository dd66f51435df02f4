//! Cells of workloads: templates, selectors, jobs, autoscalers.

use super::{
    duration, look,
    row::{CellFn, Row},
};
use gantry_meta::{Object, ObjectView, Value};

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("podtemplates", "Containers") => Some(|row| containers(row.object, "template", "name")),
        ("podtemplates", "Images") => Some(|row| containers(row.object, "template", "image")),
        ("podtemplates", "Pod Labels") => Some(|row| pairs(look::object(row.object, "template.metadata.labels"))),
        ("cronjobs", "Containers") => Some(|row| containers(row.object, "spec.jobTemplate.spec.template", "name")),
        ("cronjobs", "Images") => Some(|row| containers(row.object, "spec.jobTemplate.spec.template", "image")),
        ("cronjobs", "Selector") => Some(|row| selector(row.object, "spec.jobTemplate.spec.selector", "<none>")),
        ("cronjobs", "Suspend") => Some(suspend),
        ("replicationcontrollers", "Selector") => Some(|row| pairs(look::object(row.object, "spec.selector"))),
        ("deployments", "Selector") => Some(|row| selector(row.object, "spec.selector", "")),
        ("daemonsets" | "replicasets" | "jobs", "Selector") => {
            Some(|row| selector(row.object, "spec.selector", "<none>"))
        }
        ("daemonsets", "Node Selector") => {
            Some(|row| pairs(look::object(row.object, "spec.template.spec.nodeSelector")))
        }
        (_, "Containers") => Some(|row| containers(row.object, "spec.template", "name")),
        (_, "Images") => Some(|row| containers(row.object, "spec.template", "image")),
        ("jobs", "Status") => Some(job_status),
        ("jobs", "Completions") => Some(job_completions),
        ("jobs", "Duration") => Some(job_duration),
        ("horizontalpodautoscalers", "Reference") => Some(scale_target),
        ("horizontalpodautoscalers", "Targets") => Some(metrics),
        _ => None,
    }
}

/// A member of each container of a template, joined.
fn containers(object: &Object, template: &str, member: &str) -> Value {
    let containers = look::objects(object, &format!("{template}.spec.containers"));
    containers.map(|c| look::text(c, member)).collect::<Vec<_>>().join(",").into()
}

/// `k=v` pairs in key order.
pub(super) fn pairs(labels: Option<&Object>) -> Value {
    let pairs: Vec<String> =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", look::shown(value))).collect();
    look::or(pairs.join(","), "<none>")
}

/// A label selector as text: labels first in key order, then expressions, as `metav1.FormatLabelSelector` sorts them.
pub(super) fn selector(object: &Object, path: &str, none: &str) -> Value {
    let Some(selector) = look::object(object, path) else { return none.into() };
    let mut terms: Vec<(String, String)> = Vec::new();
    for (key, value) in look::object(selector, "matchLabels").into_iter().flatten() {
        terms.push((key.clone(), format!("{key}={}", look::shown(value))));
    }
    for expression in look::objects(selector, "matchExpressions") {
        let key = look::text(expression, "key");
        let mut values: Vec<&str> = look::texts(expression, "values").collect();
        values.sort_unstable();
        let term = match look::text(expression, "operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<invalid>".into(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort();
    look::or(terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(","), none)
}

fn suspend(row: Row<'_>) -> Value {
    match look::value(row.object, "spec.suspend").as_bool() {
        Some(true) => "True".into(),
        Some(false) => "False".into(),
        None => "<unset>".into(),
    }
}

fn job_status(row: Row<'_>) -> Value {
    let holds = |kind: &str| look::condition_is_true(row.object, kind);
    let states = [
        (holds("Complete"), "Complete"),
        (holds("Failed"), "Failed"),
        (row.object.is_terminating(), "Terminating"),
        (holds("Suspended"), "Suspended"),
        (holds("FailureTarget"), "FailureTarget"),
        (holds("SuccessCriteriaMet"), "SuccessCriteriaMet"),
    ];
    states.into_iter().find(|(holds, _)| *holds).map_or("Running", |(_, state)| state).into()
}

fn job_completions(row: Row<'_>) -> Value {
    let done = look::int(row.object, "status.succeeded");
    match (look::value(row.object, "spec.completions").as_i64(), look::int(row.object, "spec.parallelism")) {
        (Some(wanted), _) => format!("{done}/{wanted}").into(),
        (None, parallel) if parallel > 1 => format!("{done}/1 of {parallel}").into(),
        (None, _) => format!("{done}/1").into(),
    }
}

fn job_duration(row: Row<'_>) -> Value {
    let at = |path: &str| gantry_meta::time::parse_time(look::text(row.object, path)).map(|t| t.as_second());
    let Some(start) = at("status.startTime") else { return "".into() };
    let end = at("status.completionTime").unwrap_or_else(|| row.now.as_second());
    duration::human_duration(end - start).into()
}

fn scale_target(row: Row<'_>) -> Value {
    let target = |member: &str| look::text(row.object, &format!("spec.scaleTargetRef.{member}")).to_owned();
    format!("{}/{}", target("kind"), target("name")).into()
}

/// The first two metrics of an autoscaler with their current values.
fn metrics(row: Row<'_>) -> Value {
    let specs: Vec<&Object> = look::objects(row.object, "spec.metrics").collect();
    if specs.is_empty() {
        return "<none>".into();
    }
    let statuses: Vec<&Object> = look::objects(row.object, "status.currentMetrics").collect();
    let shown: Vec<String> =
        specs.iter().take(2).enumerate().map(|(at, spec)| metric(spec, statuses.get(at).copied())).collect();
    let more = specs.len().saturating_sub(2);
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} + {more} more...").into() } else { shown.into() }
}

fn metric(spec: &Object, status: Option<&Object>) -> String {
    let kind = look::text(spec, "type");
    let source = match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "External" => "external",
        "Object" => "object",
        "Pods" => "pods",
        _ => return "<unknown type>".to_owned(),
    };
    let target = |member: &str| look::value(spec, &format!("{source}.target.{member}"));
    let current = |member: &str| status.map_or(&Value::Null, |s| look::value(s, &format!("{source}.current.{member}")));
    let known = |value: &Value| if value.is_null() { "<unknown>".to_owned() } else { look::shown(value) };
    let (average, value) = (target("averageValue"), target("value"));
    match kind {
        "Pods" => format!("{}/{}", known(current("averageValue")), look::shown(average)),
        "External" | "Object" if !average.is_null() => {
            format!("{}/{} (avg)", known(current("averageValue")), look::shown(average))
        }
        "External" | "Object" => format!("{}/{}", known(current("value")), look::shown(value)),
        _ => {
            let name = look::text(spec, &format!("{source}.name"));
            format!("{name}: {}", resource_metric(average, target("averageUtilization"), current))
        }
    }
}

fn resource_metric<'a>(average: &Value, percent: &Value, current: impl Fn(&str) -> &'a Value) -> String {
    let known = |value: &Value, unit: &str| match value {
        Value::Null => "<unknown>".to_owned(),
        value => format!("{}{unit}", look::shown(value)),
    };
    if !average.is_null() {
        return format!("{}/{}", known(current("averageValue"), ""), look::shown(average));
    }
    let target = if percent.is_null() { "<auto>".to_owned() } else { format!("{}%", look::shown(percent)) };
    format!("{}/{target}", known(current("averageUtilization"), "%"))
}
