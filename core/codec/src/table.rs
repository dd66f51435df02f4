//! Tables (`as=Table`) and metadata-only answers (`as=PartialObjectMetadata`).
//!
//! Columns and the rules of their cells stand in the table of the resource (`table_columns.tsv`). Rules that are a path, an
//! age, a count or a join are read as they stand; those that are sentences are functions in the sub-modules.

mod duration;
mod look;
mod network;
mod nodes;
mod objects;
mod pods;
mod policy;
mod row;
mod rule;
mod storage;
mod workloads;

use crate::encode::ListMeta;
use gantry_kinds::{Column, Resource};
use gantry_meta::{Object, ObjectView, Value};
use jiff::Timestamp;
use rule::Cell;
use serde_json::json;

pub use duration::human_duration;

/// How much of the object a row carries (`?includeObject=`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

impl IncludeObject {
    /// Parses the query parameter; empty is the default, anything unknown is `None` (400).
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// Makes the rows of one resource's tables. Build it once per resource, or per request: it is cheap.
pub struct TablePrinter {
    definitions: Value,
    cells: Vec<Cell>,
    /// Made by the reference's generic converter, which writes no rows as `null`.
    generic: bool,
    /// The cell by which rows are sorted, then by name: flow schemas are shown in the order in which they are tried.
    precedence: Option<usize>,
}

impl TablePrinter {
    /// `subresource` names one with columns of its own (`scale`); others use those of the resource.
    pub fn of(resource: &Resource, subresource: Option<&str>) -> Self {
        let own = subresource.and_then(|name| resource.subresource(name)).map(|s| &s.columns);
        let columns = own.filter(|c| !c.is_empty()).unwrap_or(&resource.columns);
        let mut cells: Vec<Cell> = columns.iter().map(|column| rule::cell(resource, column)).collect();
        cells.extend(extra_cell(resource));
        let generic = columns.iter().any(|c| c.name == "Created At");
        let precedence = columns.iter().position(|c| c.name == "MatchingPrecedence");
        Self { definitions: columns.iter().map(definition).collect(), cells, generic, precedence }
    }

    /// The row of one object. Its cells are made of `stored`, the form that it is stored in, so that all versions of a kind
    /// show the same; it carries `served`, the form asked for. `api_version` is that of the Table: `meta.k8s.io/v1` or its beta.
    pub fn row(
        &self,
        stored: &Object,
        served: &Object,
        include: IncludeObject,
        api_version: &str,
        now: Timestamp,
    ) -> Value {
        let cells: Vec<Value> = self.cells.iter().map(|cell| cell.of(stored, now)).collect();
        let shown = match include {
            IncludeObject::None => Value::Null,
            IncludeObject::Metadata => partial_metadata(served, api_version),
            IncludeObject::Object => Value::Object(served.clone()),
        };
        let mut row = json!({"cells": cells, "object": shown});
        if let Some(condition) = completed(stored) {
            row["conditions"] = json!([condition]);
        }
        row
    }

    /// The whole answer. A watch names the columns in its first event only (`with_columns`).
    pub fn table(&self, meta: &ListMeta, mut rows: Vec<Value>, api_version: &str, with_columns: bool) -> Value {
        if let Some(at) = self.precedence {
            rows.sort_by_key(|row| (row["cells"][at].as_i64(), row["cells"][0].to_string()));
        }
        let definitions = if with_columns { self.definitions.clone() } else { Value::Null };
        let rows = if rows.is_empty() && self.generic { Value::Null } else { Value::Array(rows) };
        json!({
            "kind": "Table",
            "apiVersion": api_version,
            "metadata": meta,
            "columnDefinitions": definitions,
            "rows": rows,
        })
    }
}

/// IPAddress rows carry one cell more than there are columns, and clients count on it.
fn extra_cell(resource: &Resource) -> Option<Cell> {
    (resource.plural == "ipaddresses")
        .then(|| Cell::Age { path: "metadata.creationTimestamp".into(), unset: "<unknown>".into() })
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": description(column),
        "priority": column.priority,
    })
}

fn description(column: &Column) -> String {
    match &*column.name {
        "Name" => "Name of the object, unique within its namespace.".to_owned(),
        "Age" | "Created At" => "When the object was created.".to_owned(),
        other => format!("{other} of the object."),
    }
}

/// Pods that are done carry a condition, by which clients grey them out.
fn completed(object: &Object) -> Option<Value> {
    let phase = look::text(object, "status.phase");
    let done = object.kind() == "Pod" && matches!(phase, "Succeeded" | "Failed");
    let message = if phase == "Succeeded" { "The pod has completed successfully." } else { "The pod failed." };
    done.then(|| json!({"type": "Completed", "status": "True", "reason": phase, "message": message}))
}

/// Annotations by which a version carries what it has no fields for. They are no metadata of the object, which the reference
/// keeps in a version of its own.
const CARRYING: [(&str, &[&str]); 2] = [
    ("DaemonSet", &["deprecated.daemonset.template.generation"]),
    (
        "HorizontalPodAutoscaler",
        &[
            "autoscaling.alpha.kubernetes.io/behavior",
            "autoscaling.alpha.kubernetes.io/conditions",
            "autoscaling.alpha.kubernetes.io/current-metrics",
            "autoscaling.alpha.kubernetes.io/metrics",
        ],
    ),
];

/// An object reduced to its metadata. `api_version` is `meta.k8s.io/v1` or its beta.
pub fn partial_metadata(object: &Object, api_version: &str) -> Value {
    let mut metadata = object.metadata().cloned().unwrap_or_default();
    for (_, carrying) in CARRYING.iter().filter(|(kind, _)| *kind == object.kind()) {
        drop_annotations(&mut metadata, carrying);
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": metadata})
}

fn drop_annotations(metadata: &mut Object, dropped: &[&str]) {
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|name, _| !dropped.contains(&name.as_str()));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

#[cfg(test)]
mod tests;
