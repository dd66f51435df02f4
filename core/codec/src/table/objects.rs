//! Cells of config maps, secrets, events, namespaces, quotas and other small kinds.

use super::{
    duration, look,
    row::{CellFn, Row},
};
use gantry_meta::{Object, ObjectView, Value};

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("configmaps", "Data") => Some(|row| (keys(row.object, "data") + keys(row.object, "binaryData")).into()),
        ("secrets", "Data") => Some(|row| keys(row.object, "data").into()),
        ("events", column) => event(column),
        ("namespaces", "Status") => Some(|row| look::text(row.object, "status.phase").into()),
        ("resourcequotas", "Request") => Some(|row| quota(row.object, false)),
        ("resourcequotas", "Limit") => Some(|row| quota(row.object, true)),
        ("apiservices", "Service") => Some(api_service),
        ("apiservices", "Available") => Some(api_service_available),
        ("controllerrevisions", "Controller") => Some(controller),
        ("prioritylevelconfigurations", "Queues") => Some(|row| queuing(row.object, "queues")),
        ("prioritylevelconfigurations", "HandSize") => Some(|row| queuing(row.object, "handSize")),
        ("prioritylevelconfigurations", "QueueLengthLimit") => Some(|row| queuing(row.object, "queueLengthLimit")),
        ("flowschemas", "MissingPL") => Some(|row| {
            look::or(look::condition(row.object, "Dangling").map(|c| look::text(c, "status")).unwrap_or_default(), "?")
        }),
        ("resourceclaims", "State") => Some(claim_state),
        _ => None,
    }
}

fn keys(object: &Object, path: &str) -> usize {
    look::object(object, path).map_or(0, Object::len)
}

/// Events of both groups are stored as core ones.
fn event(column: &str) -> Option<CellFn> {
    match column {
        "Last Seen" => Some(|row| match look::text(row.object, "series.lastObservedTime") {
            "" => match look::text(row.object, "lastTimestamp") {
                "" => first_seen(row),
                last => seen(last, row),
            },
            last => seen(last, row),
        }),
        "Object" => Some(event_object),
        "Subobject" => Some(|row| look::text(row.object, "involvedObject.fieldPath").into()),
        "Source" => Some(event_source),
        "Message" => Some(|row| look::text(row.object, "message").trim().into()),
        "First Seen" => Some(first_seen),
        "Count" => Some(event_count),
        _ => None,
    }
}

fn seen(at: &str, row: Row<'_>) -> Value {
    duration::age(at, row.now).unwrap_or_else(|| "<unknown>".to_owned()).into()
}

fn first_seen(row: Row<'_>) -> Value {
    match look::text(row.object, "firstTimestamp") {
        "" => seen(look::text(row.object, "eventTime"), row),
        first => seen(first, row),
    }
}

fn event_object(row: Row<'_>) -> Value {
    let kind = look::text(row.object, "involvedObject.kind").to_lowercase();
    match look::text(row.object, "involvedObject.name") {
        "" => kind.into(),
        name => format!("{kind}/{name}").into(),
    }
}

fn event_source(row: Row<'_>) -> Value {
    let first_of = |names: [&str; 2]| match look::text(row.object, names[0]) {
        "" => look::text(row.object, names[1]).to_owned(),
        text => text.to_owned(),
    };
    let component = first_of(["source.component", "reportingComponent"]);
    match first_of(["source.host", "reportingInstance"]) {
        host if host.is_empty() => component.into(),
        host => format!("{component}, {host}").into(),
    }
}

fn event_count(row: Row<'_>) -> Value {
    let counted = match look::object(row.object, "series") {
        Some(series) => look::int(series, "count"),
        None => look::int(row.object, "count"),
    };
    counted.max(1).into()
}

fn quota(object: &Object, limits: bool) -> Value {
    let used = look::object(object, "status.used");
    let lines = look::object(object, "status.hard").into_iter().flatten();
    let lines = lines.filter(|(key, _)| key.starts_with("limits.") == limits).map(|(key, hard)| {
        let used = used.and_then(|u| u.get(key)).map_or("0".to_owned(), look::shown);
        format!("{key}: {used}/{}", look::shown(hard))
    });
    lines.collect::<Vec<_>>().join(", ").into()
}

fn api_service(row: Row<'_>) -> Value {
    match look::object(row.object, "spec.service") {
        Some(service) => format!("{}/{}", look::text(service, "namespace"), look::text(service, "name")).into(),
        None => "Local".into(),
    }
}

fn api_service_available(row: Row<'_>) -> Value {
    match look::condition(row.object, "Available").map(|c| (look::text(c, "status"), look::text(c, "reason"))) {
        None => "Unknown".into(),
        Some(("True", _)) => "True".into(),
        Some((status, reason)) => format!("{status} ({reason})").into(),
    }
}

/// The owner that controls the object: `deployment.apps/web`.
fn controller(row: Row<'_>) -> Value {
    let Some(owner) = look::objects(row.object, "metadata.ownerReferences").find(|o| look::flag(o, "controller"))
    else {
        return "<none>".into();
    };
    let group = look::text(owner, "apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = look::text(owner, "kind").to_lowercase();
    let name = look::text(owner, "name");
    if group.is_empty() { format!("{kind}/{name}").into() } else { format!("{kind}.{group}/{name}").into() }
}

fn queuing(object: &Object, member: &str) -> Value {
    let queuing = look::object(object, "spec.limited.limitResponse.queuing");
    queuing.map_or_else(|| "<none>".into(), |q| look::int(q, member).into())
}

fn claim_state(row: Row<'_>) -> Value {
    let terminating = row.object.is_terminating();
    let allocated = look::object(row.object, "status.allocation").is_some();
    let reserved = !look::list(row.object, "status.reservedFor").is_empty();
    let states = [
        (terminating, "deleted"),
        (!allocated && !terminating, "pending"),
        (allocated, "allocated"),
        (reserved, "reserved"),
    ];
    let states: Vec<&str> = states.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
    states.join(",").into()
}
