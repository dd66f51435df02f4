//! How large the data of a schema can be, and what its rules may cost.

use std::{collections::BTreeMap, sync::Arc};

use gantry_kinds::{FieldName, fields::apiextensions_v1::JSONSchemaProps};
use gantry_meta::{Cause, FieldPath};

use super::{expressions::escaped, schema::single};
use crate::{
    cel::Extent,
    field::{Causes, Field},
};

/// Bytes of the largest request.
const REQUEST: u64 = 3 * 1024 * 1024;
/// Bytes of a character at most.
const CHARACTER: u64 = 4;
/// Of one expression.
const EXPRESSION_MAX: u64 = 10_000_000;
/// Of all expressions of a schema.
const SCHEMA_MAX: u64 = 100_000_000;
/// How many expressions are named when all together cost too much.
const NAMED: usize = 4;

/// What the expressions of a schema cost together, and which cost most.
#[derive(Default)]
pub(super) struct Budget {
    spent: u64,
    dearest: Vec<(u64, FieldPath)>,
}

impl Budget {
    /// Counts an expression; [`Causes::forbidden`] if it costs too much alone.
    pub fn spend(&mut self, expression: &Field<'_>, cost: u64, causes: &mut Causes) {
        if cost > EXPRESSION_MAX {
            causes.forbidden(expression, "the estimated cost exceeds the budget: limit lists, maps and texts");
        }
        self.spent = self.spent.saturating_add(cost);
        if cost >= SCHEMA_MAX / 100 {
            self.dearest.push((cost, expression.path()));
            self.dearest.sort_by(|(one, _), (two, _)| two.cmp(one));
            self.dearest.truncate(NAMED);
        }
    }

    /// [`Causes::forbidden`] for the schema and its dearest expressions, if all together cost too much.
    pub fn judge_total(&self, schema: &Field<'_>, causes: &mut Causes) {
        if self.spent <= SCHEMA_MAX {
            return;
        }
        for (_, path) in &self.dearest {
            causes.push(Cause::forbidden(path, "contributes to a total that exceeds the limit of the schema"));
        }
        causes.forbidden(schema, "the estimated cost of all rules exceeds the limit of the schema");
    }
}

fn limit(schema: &Field<'_>, member: FieldName) -> Option<u64> {
    schema.member(member).int().map(|most| most.max(0).unsigned_abs())
}

/// How many values a list or map has at most for each of its own. `None`: it does not say.
pub(super) fn elements(schema: &Field<'_>) -> Option<u64> {
    match schema.member(JSONSchemaProps::TYPE).text() {
        "object" if schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES).is_set() => {
            limit(schema, JSONSchemaProps::MAX_PROPERTIES)
        }
        "array" => limit(schema, JSONSchemaProps::MAX_ITEMS),
        _ => Some(1),
    }
}

/// How many values of a schema fit into a request.
pub(super) fn occurrences(schema: &Field<'_>) -> u64 {
    REQUEST / (least_bytes(schema) + 1)
}

/// How large a value of a schema can be.
pub(super) fn extent(schema: &Field<'_>) -> Extent {
    if schema.member(JSONSchemaProps::X_KUBERNETES_INT_OR_STRING).flag() {
        return Extent::Text(
            limit(schema, JSONSchemaProps::MAX_LENGTH).map_or(REQUEST - 2, |most| most.saturating_mul(CHARACTER)),
        );
    }
    match schema.member(JSONSchemaProps::TYPE).text() {
        "boolean" | "integer" | "number" => Extent::Scalar,
        "string" => text(schema),
        "array" => {
            let items = single(&schema.member(JSONSchemaProps::ITEMS));
            let most =
                limit(schema, JSONSchemaProps::MAX_ITEMS).unwrap_or_else(|| (REQUEST - 2) / (least_bytes(&items) + 1));
            Extent::List(most, Arc::new(extent(&items)))
        }
        "object" => object(schema),
        _ => Extent::Unknown,
    }
}

fn text(schema: &Field<'_>) -> Extent {
    let most = limit(schema, JSONSchemaProps::MAX_LENGTH);
    match schema.member(JSONSchemaProps::FORMAT).text() {
        "duration" | "date" | "date-time" => Extent::Scalar,
        "byte" => Extent::Text(most.unwrap_or(REQUEST - 2)),
        _ => {
            let words = schema.member(JSONSchemaProps::ENUM);
            let longest = words.items().map(|word| word.text().len() as u64).max();
            Extent::Text(most.map(|most| most.saturating_mul(CHARACTER)).or(longest).unwrap_or(REQUEST - 2))
        }
    }
}

fn object(schema: &Field<'_>) -> Extent {
    let more = schema.member(JSONSchemaProps::ADDITIONAL_PROPERTIES);
    if more.object().is_some() {
        let most =
            limit(schema, JSONSchemaProps::MAX_PROPERTIES).unwrap_or_else(|| (REQUEST - 2) / (least_bytes(&more) + 6));
        return Extent::Map(most, Arc::new(extent(&more)));
    }
    let properties = schema.member(JSONSchemaProps::PROPERTIES);
    let members: BTreeMap<String, Extent> =
        properties.entries().filter_map(|(name, own)| Some((escaped(name)?, extent(&own)))).collect();
    Extent::Struct(Arc::new(members))
}

/// Bytes of the shortest value of a schema on the wire.
fn least_bytes(schema: &Field<'_>) -> u64 {
    if schema.member(JSONSchemaProps::X_KUBERNETES_INT_OR_STRING).flag() {
        return 1;
    }
    match (schema.member(JSONSchemaProps::TYPE).text(), schema.member(JSONSchemaProps::FORMAT).text()) {
        ("boolean", _) => 4,
        ("integer" | "number", _) => 1,
        ("string", "duration") => 3,
        ("string", "date") => 12,
        ("string", "date-time") => 21,
        ("string", _) => 2,
        ("object", _) => 2 + required_bytes(schema),
        ("array", _) => 2,
        _ => 1,
    }
}

/// Members that have to be there and have no default.
fn required_bytes(schema: &Field<'_>) -> u64 {
    let properties = schema.member(JSONSchemaProps::PROPERTIES);
    let names = schema.member(JSONSchemaProps::REQUIRED);
    let needed = names.items().filter_map(|name| Some((name.text().len() as u64, properties.property(name.text())?)));
    needed
        .filter(|(_, property)| !property.member(JSONSchemaProps::DEFAULT).is_set())
        .map(|(name, property)| name + 4 + least_bytes(&property))
        .sum()
}
