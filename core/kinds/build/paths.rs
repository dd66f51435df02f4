//! Tables whose cells name fields of a resource: what a write cannot set, and where a scale has its numbers.

use crate::{
    model::Schema,
    tsv::{Row, table},
};
use std::path::Path;

/// Names of fields from an object's root.
pub type FieldNames = Vec<String>;

/// Which resource or subresource is asked about.
pub struct Place<'a> {
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    /// The type of the resource's objects.
    pub root: &'a str,
}

pub struct ScaleFacts {
    pub replicas: FieldNames,
    pub status_replicas: FieldNames,
    pub selector: FieldNames,
}

pub struct PathTables {
    reset: Vec<Row>,
    scales: Vec<Row>,
}

impl PathTables {
    pub fn read(facts: &Path) -> PathTables {
        PathTables { reset: table(facts, "gantry/reset_fields"), scales: table(facts, "gantry/scales") }
    }

    /// The row of the resource, whose fields it has to have, or else what every resource has.
    pub fn reset_fields(&self, schema: &Schema, place: &Place<'_>) -> Vec<FieldNames> {
        let row = |group: &str, resource: &str| {
            let is_row = |row: &&Row| is_of(row, group, resource) && row.get("subresource") == place.subresource;
            self.reset.iter().find(is_row).map(|row| row.list("fields").into_iter().map(names).collect::<Vec<_>>())
        };
        match row(place.group, place.resource) {
            Some(fields) => fields.into_iter().inspect(|names| check(schema, place, names)).collect(),
            None => {
                let fields = row("*", "*").unwrap_or_default();
                fields.into_iter().filter(|names| is_there(schema, place.root, names)).collect()
            }
        }
    }

    pub fn scale(&self, schema: &Schema, place: &Place<'_>) -> Option<ScaleFacts> {
        if place.subresource != "scale" {
            return None;
        }
        let row = self.scales.iter().find(|row| is_of(row, place.group, place.resource));
        let row = row.unwrap_or_else(|| panic!("scales.tsv has no row for {}/{}", place.group, place.resource));
        let cell = |column: &str| {
            let names = names(row.get(column));
            check(schema, place, &names);
            names
        };
        let (replicas, status_replicas, selector) = (cell("replicas"), cell("status_replicas"), cell("selector"));
        Some(ScaleFacts { replicas, status_replicas, selector })
    }
}

fn is_of(row: &Row, group: &str, resource: &str) -> bool {
    row.get("group") == group && row.get("resource") == resource
}

fn names(path: &str) -> FieldNames {
    path.split('.').map(str::to_owned).collect()
}

fn check(schema: &Schema, place: &Place<'_>, names: &FieldNames) {
    assert!(is_there(schema, place.root, names), "{}/{} has no field {}", place.group, place.resource, names.join("."));
}

fn is_there(schema: &Schema, root: &str, names: &[String]) -> bool {
    let [name, rest @ ..] = names else { return true };
    let field = schema.types.get(root).and_then(|ty| ty.fields.get(name));
    field.is_some_and(|field| rest.is_empty() || field.shape.leaf_struct().is_some_and(|ty| is_there(schema, ty, rest)))
}
