//! Metrics in the form of autoscaling/v1, which lives in annotations, and in that of autoscaling/v2.

use gantry_meta::{Object, Value};
use serde_json::json;

use super::text::{Form, Text};

const REFERENCE: Form = Form::Ordered(&["kind", "name", "apiVersion"]);
const SELECTOR: Form = Form::Ordered(&["matchLabels", "matchExpressions"]);

/// A member of the older form, in the order of its type, and the JSON pointer of the newer one.
struct Member {
    older: &'static str,
    newer: &'static str,
    form: Form,
    /// An amount that is written as `"0"` where it is absent.
    always: bool,
}

const fn plain(older: &'static str, newer: &'static str) -> Member {
    Member { older, newer, form: Form::Plain, always: false }
}

const fn amount(older: &'static str, newer: &'static str) -> Member {
    Member { older, newer, form: Form::Plain, always: true }
}

const fn of_form(older: &'static str, newer: &'static str, form: Form) -> Member {
    Member { older, newer, form, always: false }
}

/// A metric or what is measured of it: the member of both forms that holds it, with its own members.
type Source = (&'static str, &'static [Member]);

static SPECS: [Source; 5] = [
    (
        "object",
        &[
            of_form("target", "/describedObject", REFERENCE),
            plain("metricName", "/metric/name"),
            amount("targetValue", "/target/value"),
            of_form("selector", "/metric/selector", SELECTOR),
            plain("averageValue", "/target/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            plain("metricName", "/metric/name"),
            amount("targetAverageValue", "/target/averageValue"),
            of_form("selector", "/metric/selector", SELECTOR),
        ],
    ),
    (
        "resource",
        &[
            plain("name", "/name"),
            plain("targetAverageUtilization", "/target/averageUtilization"),
            plain("targetAverageValue", "/target/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            plain("name", "/name"),
            plain("targetAverageUtilization", "/target/averageUtilization"),
            plain("targetAverageValue", "/target/averageValue"),
            plain("container", "/container"),
        ],
    ),
    (
        "external",
        &[
            plain("metricName", "/metric/name"),
            of_form("metricSelector", "/metric/selector", SELECTOR),
            plain("targetValue", "/target/value"),
            plain("targetAverageValue", "/target/averageValue"),
        ],
    ),
];

static STATUSES: [Source; 5] = [
    (
        "object",
        &[
            of_form("target", "/describedObject", REFERENCE),
            plain("metricName", "/metric/name"),
            amount("currentValue", "/current/value"),
            of_form("selector", "/metric/selector", SELECTOR),
            plain("averageValue", "/current/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            plain("metricName", "/metric/name"),
            amount("currentAverageValue", "/current/averageValue"),
            of_form("selector", "/metric/selector", SELECTOR),
        ],
    ),
    (
        "resource",
        &[
            plain("name", "/name"),
            plain("currentAverageUtilization", "/current/averageUtilization"),
            amount("currentAverageValue", "/current/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            plain("name", "/name"),
            plain("currentAverageUtilization", "/current/averageUtilization"),
            amount("currentAverageValue", "/current/averageValue"),
            plain("container", "/container"),
        ],
    ),
    (
        "external",
        &[
            plain("metricName", "/metric/name"),
            of_form("metricSelector", "/metric/selector", SELECTOR),
            amount("currentValue", "/current/value"),
            plain("currentAverageValue", "/current/averageValue"),
        ],
    ),
];

/// `spec.metrics[i]` as text of the older form.
pub(super) fn older_spec(metric: &Value) -> String {
    older(metric, &SPECS)
}

/// `status.currentMetrics[i]` as text of the older form.
pub(super) fn older_status(metric: &Value) -> String {
    older(metric, &STATUSES)
}

fn older(metric: &Value, sources: &[Source]) -> String {
    let mut text = Text::default();
    text.member("type", metric.get("type").unwrap_or(&json!("")), Form::Plain);
    for (member, members) in sources {
        if let Some(source) = metric.get(member).filter(|source| !source.is_null()) {
            text.raw(member, &older_source(source, members));
        }
    }
    text.finish()
}

fn older_source(source: &Value, members: &[Member]) -> String {
    let (mut text, none) = (Text::default(), json!("0"));
    for member in members {
        let value = source.pointer(member.newer).filter(|value| !value.is_null());
        if let Some(value) = value.or(member.always.then_some(&none)) {
            text.member(member.older, value, member.form);
        }
    }
    text.finish()
}

/// `spec.metrics[i]` of the older form in the newer one, which says what type its target is of.
pub(super) fn newer_spec(metric: &Value) -> Value {
    let mut newer = newer(metric, &SPECS);
    for (member, _) in &SPECS {
        let Some(target) = newer.get_mut(member).and_then(|source| source.get_mut("target")) else { continue };
        let Some(target) = target.as_object_mut() else { continue };
        let kind = target_type(member, target);
        target.insert("type".into(), kind.into());
        if *member == "object" && kind == "AverageValue" && target.get("value") == Some(&json!("0")) {
            target.remove("value");
        }
    }
    newer
}

fn target_type(member: &str, target: &Object) -> &'static str {
    match member {
        "object" if !target.contains_key("averageValue") => "Value",
        "external" if target.contains_key("value") => "Value",
        "resource" | "containerResource" if target.contains_key("averageUtilization") => "Utilization",
        _ => "AverageValue",
    }
}

/// `status.currentMetrics[i]` of the older form in the newer one.
pub(super) fn newer_status(metric: &Value) -> Value {
    newer(metric, &STATUSES)
}

fn newer(metric: &Value, sources: &[Source]) -> Value {
    let mut newer = Object::new();
    newer.insert("type".into(), metric.get("type").cloned().unwrap_or_default());
    for (member, members) in sources {
        if let Some(source) = metric.get(member).filter(|source| source.is_object()) {
            let mut made = json!({});
            for of in *members {
                if let Some(value) = source.get(of.older).filter(|value| !value.is_null()) {
                    put(&mut made, of.newer, value.clone());
                }
            }
            newer.insert((*member).into(), made);
        }
    }
    Value::Object(newer)
}

/// Sets what a JSON pointer names, with the objects on the way to it.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for name in pointer.split('/').skip(1) {
        place = &mut place[name];
    }
    *place = value;
}
