//! Rules of cells that are short enough to be read from the table; the others are looked up by resource and column.

use super::{
    duration, look, network, nodes, objects, pods, policy,
    row::{CellFn, Row},
    storage, workloads,
};
use gantry_kinds::{Column, Resource};
use gantry_meta::{Object, Value};
use jiff::Timestamp;

/// How one cell is made.
pub(super) enum Cell {
    /// The value at a path as it is, or what stands for an absent one.
    Value {
        path: String,
        unset: Value,
    },
    /// The value at a path as text.
    Text {
        path: String,
        unset: String,
    },
    Age {
        path: String,
        unset: String,
    },
    /// The length of a list.
    Count {
        path: String,
    },
    /// Texts of a list, joined by commas.
    Joined {
        path: String,
        unset: String,
    },
    /// Two numbers as `a/b`.
    Ratio {
        part: String,
        whole: String,
    },
    Code(CellFn),
}

impl Cell {
    pub(super) fn of(&self, object: &Object, now: Timestamp) -> Value {
        match self {
            Cell::Value { path, unset } => match look::value(object, path) {
                Value::Null => unset.clone(),
                value => value.clone(),
            },
            Cell::Text { path, unset } => look::or(look::shown(look::value(object, path)), unset),
            Cell::Age { path, unset } => {
                duration::age(look::text(object, path), now).unwrap_or_else(|| unset.clone()).into()
            }
            Cell::Count { path } => look::list(object, path).len().into(),
            Cell::Joined { path, unset } => look::or(look::texts(object, path).collect::<Vec<_>>().join(","), unset),
            Cell::Ratio { part, whole } => format!("{}/{}", look::int(object, part), look::int(object, whole)).into(),
            Cell::Code(cell) => cell(Row { object, now }),
        }
    }
}

/// The cell of a column: code where the rule is a sentence, else what the rule says.
pub(super) fn cell(resource: &Resource, column: &Column) -> Cell {
    if let Some(code) = code(&resource.plural, &column.name) {
        return Cell::Code(code);
    }
    read(&column.rule, &column.kind).unwrap_or_else(|| {
        // A test holds that every built-in column is understood; one of a kind made at run time shows nothing.
        Cell::Value { path: String::new(), unset: Value::String(String::new()) }
    })
}

fn code(plural: &str, column: &str) -> Option<CellFn> {
    pods::cell(plural, column)
        .or_else(|| nodes::cell(plural, column))
        .or_else(|| objects::cell(plural, column))
        .or_else(|| workloads::cell(plural, column))
        .or_else(|| network::cell(plural, column))
        .or_else(|| storage::cell(plural, column))
        .or_else(|| policy::cell(plural, column))
}

/// Reads `PATH`, `age(PATH)`, `number of PATH`, `integer: PATH`, `PATH joined ","`, `PATH/PATH`, each perhaps with `; nil=X`
/// and a remark in parentheses.
pub(super) fn read(rule: &str, kind: &str) -> Option<Cell> {
    let (rule, unset) = match rule.split_once("; ") {
        Some((rule, unset)) if !rule.contains(" (") || rule.ends_with(')') => (rule, Some(stand_in(unset)?)),
        _ => (rule, None),
    };
    let text_or = |default: &str| unset.clone().unwrap_or_else(|| default.to_owned());
    if let Some(path) = rule.strip_prefix("age(").and_then(|r| r.strip_suffix(')')) {
        return path_of(path).map(|path| Cell::Age { path, unset: text_or("<unknown>") });
    }
    if let Some(path) = rule.strip_prefix("number of ") {
        return path_of(path).map(|path| Cell::Count { path });
    }
    if let Some(path) = rule.strip_suffix(" joined \",\"") {
        return path_of(path).map(|path| Cell::Joined { path, unset: text_or("") });
    }
    if let Some((part, whole)) = rule.split_once('/') {
        return Some(Cell::Ratio { part: path_of(part)?, whole: path_of(whole)? });
    }
    single(rule, kind, unset)
}

/// A rule that shows one value.
fn single(rule: &str, kind: &str, unset: Option<String>) -> Option<Cell> {
    let rule = rule.strip_suffix(" as RFC3339 UTC (generic converter)").unwrap_or(rule);
    let (rule, kind) = match rule.split_once(": ") {
        Some(("integer" | "boolean", path)) => (path, &rule[..7]),
        _ => (rule.strip_prefix("text of ").unwrap_or(rule), kind),
    };
    let (path, remark) = rule.split_once(" (").map_or((rule, ""), |(path, remark)| (path, remark));
    let path = path_of(path)?;
    if let Some(nil) = remark.strip_prefix("nil=") {
        let nil = nil.split([')', ';']).next().unwrap_or_default();
        return Some(Cell::Value { path, unset: serde_json::from_str(nil).unwrap_or_else(|_| nil.into()) });
    }
    match (unset, kind) {
        (Some(unset), _) if remark.starts_with("number") => Some(Cell::Value { path, unset: unset.into() }),
        (Some(unset), _) => Some(Cell::Text { path, unset }),
        (None, "integer") => Some(Cell::Value { path, unset: 0.into() }),
        (None, "boolean") => Some(Cell::Value { path, unset: false.into() }),
        (None, _) => Some(Cell::Text { path, unset: String::new() }),
    }
}

/// `nil=<none>`, `empty=<unknown>`, `none=?`; the word `empty` stands for an empty text.
fn stand_in(text: &str) -> Option<String> {
    let (_, value) = text.split_once('=').filter(|(when, _)| matches!(*when, "nil" | "empty" | "none"))?;
    let value = value.split_once(" (").map_or(value, |(value, _)| value);
    Some(if value == "empty" { String::new() } else { value.to_owned() })
}

fn path_of(text: &str) -> Option<String> {
    let is_path = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".[]".contains(c));
    is_path.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_every_resource_is_understood() {
        for resource in gantry_kinds::catalog().resources() {
            let scale = resource.subresources.iter().flat_map(|s| &s.columns);
            for column in resource.columns.iter().chain(scale) {
                let known =
                    code(&resource.plural, &column.name).is_some() || read(&column.rule, &column.kind).is_some();
                assert!(known, "{} {}: {}", resource.plural, column.name, column.rule);
            }
        }
    }
}
