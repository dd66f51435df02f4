//! Every unconditional row of `defaults.tsv` that decoding fills in, seen filled in where its type first occurs.

use std::collections::{HashSet, VecDeque};

use gantry_kinds::{Resource, Shape, Type, catalog};
use serde_json::{Map, json};

use super::*;
use crate::{Expected, Format, Strictness, decode, parse_untyped};

/// Sent to `serviceaccounts/token` only; its time is tested where tokens are issued.
const OF_A_SUBRESOURCE: &str = "io.k8s.api.authentication.v1.TokenRequestSpec";

struct Row<'t> {
    ty: &'t str,
    field: &'t str,
    default: &'t str,
    condition: &'t str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    // A default that comes from another field is told in words, and has tests of its own.
    let is_literal = |row: &Row<'_>| !row.default.starts_with('=') && !row.default.contains("name of ");
    table.lines().filter_map(row).filter(is_literal).filter(|row| row.ty != OF_A_SUBRESOURCE).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    match line.split('\t').collect::<Vec<_>>()[..] {
        [ty, field, default, condition, "decode"] => Some(Row { ty, field, default, condition }),
        _ => None,
    }
}

/// As the table writes values: a text as it is, all else in YAML's flow style.
fn value(row: &Row<'_>) -> Value {
    let field = catalog().type_named(row.ty).and_then(|ty| ty.field(row.field));
    if field.is_some_and(|field| matches!(field.shape, Shape::String)) {
        return row.default.trim_matches('"').into();
    }
    parse_untyped(row.default.as_bytes(), Format::Yaml).map_or_else(|_| row.default.into(), |(value, _)| value)
}

/// A way from a root to a type: the shortest, so that no other type's exceptions lie on it.
fn way<'t>(root: &'t Type, wanted: &str) -> Option<Vec<&'t Field>> {
    let (mut seen, mut queue) = (HashSet::new(), VecDeque::from([(root, Vec::new())]));
    while let Some((ty, path)) = queue.pop_front() {
        if &*ty.name == wanted {
            return Some(path);
        }
        for field in ty.fields.iter() {
            if let Some(below) = field.shape.leaf_type().filter(|below| seen.insert(below.name.to_string())) {
                queue.push_back((below, [&path[..], &[field]].concat()));
            }
        }
    }
    None
}

/// The member as its field's shape wants it: in a list or map of one where it is one.
fn wrapped(shape: &Shape, inner: Value) -> Value {
    match shape {
        Shape::List(item) => json!([wrapped(item, inner)]),
        Shape::Map(item) => json!({"key": wrapped(item, inner)}),
        _ => inner,
    }
}

fn unwrapped<'v>(shape: &Shape, value: &'v Value) -> &'v Value {
    match shape {
        Shape::List(item) => unwrapped(item, &value[0]),
        Shape::Map(item) => unwrapped(item, &value["key"]),
        _ => value,
    }
}

/// What the row's field holds after defaults, when the struct it is in held `given`.
fn filled(resource: &Resource, path: &[&Field], field: &str, given: Value) -> Value {
    let member = |inner: Value, step: &&Field| {
        let mut object = Map::new();
        object.insert(step.name.to_string(), wrapped(&step.shape, inner));
        Value::Object(object)
    };
    let whole = path.iter().rev().fold(given, member);
    let body = serde_json::to_vec(&whole).expect("a tree");
    let decoded = decode(Expected::from(resource), &body, Format::Json, Strictness::Strict).expect("a good body");
    let surroundings = Surroundings { now: "2026-11-21T12:00:00Z".parse().expect("a time") };
    let mut object = decoded.object;
    apply_defaults(&resource.root, &mut object, &surroundings);
    let whole = Value::Object(object);
    path.iter().fold(&whole, |at, step| unwrapped(&step.shape, &at[&*step.name]))[field].clone()
}

/// What a struct may hold for which the row speaks.
fn givens(row: &Row<'_>) -> Vec<Value> {
    let field = catalog().type_named(row.ty).and_then(|ty| ty.field(row.field));
    let empty = if field.is_some_and(|field| field.shape.item().is_some()) { json!([]) } else { json!("") };
    match row.condition {
        "empty" => vec![json!({}), json!({row.field: empty})],
        "0 or unset" => vec![json!({}), json!({row.field: 0})],
        _ => vec![json!({})],
    }
}

#[test]
fn every_row_without_a_condition_is_filled_in_where_its_field_is_unset() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../kinds/facts/defaults.tsv");
    let table = std::fs::read_to_string(table).expect("the table of defaults");
    let (mut seen, mut wrong) = (0, Vec::new());
    for row in rows(&table) {
        if !["", "unset", "empty", "0 or unset"].contains(&row.condition) {
            continue;
        }
        let ways = catalog().resources().filter_map(|r| way(&r.root, row.ty).map(|path| (r, path)));
        let Some((resource, path)) = ways.min_by_key(|(_, path)| path.len()) else {
            wrong.push(format!("{} is in no resource", row.ty));
            continue;
        };
        for given in givens(&row) {
            let got = filled(resource, &path, row.field, given.clone());
            if got != value(&row) {
                wrong.push(format!("{}.{} of {given}: {got}, not {}", row.ty, row.field, row.default));
            }
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "the table lost its rows: {seen} left");
}
