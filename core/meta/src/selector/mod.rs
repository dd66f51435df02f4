//! Label and field selectors: parsed once, matched many times.
//!
//! Label grammar (API reference, "Labels and Selectors"): comma-separated requirements `k`, `!k`, `k=v`, `k==v`, `k!=v`,
//! `k in (a,b)`, `k notin (a,b)`, `k>1`, `k<1`. Field grammar: comma-separated `path=value`, `path==value`, `path!=value`,
//! with `\\`, `\,` and `\=` escaped in values.

mod field;
mod parse;

use std::{collections::BTreeSet, fmt};

use thiserror::Error;

pub use field::{FieldSelector, FieldTerm};

use crate::{Object, Value, names};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectorError {
    #[error("unable to parse requirement: {0}")]
    Syntax(String),
    #[error("key {key:?}: {why}")]
    Key { key: String, why: &'static str },
    #[error("values[0][{key}]: invalid value {value:?}: {why}")]
    Value { key: String, value: String, why: &'static str },
    #[error("{0:?} is not a valid label selector operator")]
    Operator(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    Exists(String),
    Absent(String),
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn matches<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::Exists(key) => value_of(key).is_some(),
            Self::Absent(key) => value_of(key).is_none(),
            Self::In(key, values) => value_of(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => value_of(key).is_none_or(|v| !values.contains(v)),
            Self::Greater(key, bound) => value_of(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *bound),
            Self::Less(key, bound) => value_of(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *bound),
        }
    }
}

/// A conjunction of requirements on labels. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Parses the query-parameter form.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirements = parse::requirements(text)?;
        Ok(Self { requirements })
    }

    /// Reads the object form, `{matchLabels, matchExpressions}`; an empty one matches everything.
    pub fn from_object(selector: &Object) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            requirements.push(checked_in(key, [value.as_str().unwrap_or_default().to_owned()].into())?);
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            requirements.push(expression_requirement(expression)?);
        }
        Ok(Self { requirements })
    }

    /// Equality on each of `labels`: what a Service's or a ReplicationController's selector means.
    pub fn from_equalities<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let equal = |(k, v): (&str, &str)| Requirement::In(k.to_owned(), [v.to_owned()].into());
        Self { requirements: labels.into_iter().map(equal).collect() }
    }

    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Matches against any map of labels, given by lookup.
    pub fn matches_with<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|r| r.matches(&value_of))
    }

    /// Matches `metadata.labels` (absent counts as empty).
    pub fn matches(&self, labels: Option<&Object>) -> bool {
        self.matches_with(|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }
}

fn checked_key(key: &str) -> Result<String, SelectorError> {
    match names::qualified_name(key) {
        Some(why) => Err(SelectorError::Key { key: key.into(), why }),
        None => Ok(key.to_owned()),
    }
}

fn checked_in(key: &str, values: BTreeSet<String>) -> Result<Requirement, SelectorError> {
    let key = checked_key(key)?;
    for value in &values {
        if let Some(why) = names::label_value(value) {
            return Err(SelectorError::Value { key, value: value.clone(), why });
        }
    }
    Ok(Requirement::In(key, values))
}

fn expression_requirement(expression: &Value) -> Result<Requirement, SelectorError> {
    let text = |member: &str| expression.get(member).and_then(Value::as_str).unwrap_or_default();
    let values: BTreeSet<String> = (expression.get("values").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let key = text("key");
    match text("operator") {
        "In" => checked_in(key, values),
        "NotIn" => match checked_in(key, values)? {
            Requirement::In(key, values) => Ok(Requirement::NotIn(key, values)),
            other => Ok(other),
        },
        "Exists" => Ok(Requirement::Exists(checked_key(key)?)),
        "DoesNotExist" => Ok(Requirement::Absent(checked_key(key)?)),
        other => Err(SelectorError::Operator(other.to_owned())),
    }
}

/// Sorted by key, spelled as the reference spells a scale's `status.selector`: `app=web,!q,tier notin (y,z)`.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = |r: &Requirement| match r {
            Requirement::Exists(k) | Requirement::Absent(k) => k.clone(),
            Requirement::In(k, _) | Requirement::NotIn(k, _) => k.clone(),
            Requirement::Greater(k, _) | Requirement::Less(k, _) => k.clone(),
        };
        let mut sorted: Vec<&Requirement> = self.requirements.iter().collect();
        sorted.sort_by_key(|r| key(r));
        for (i, requirement) in sorted.into_iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            let joined = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
            match requirement {
                Requirement::Exists(key) => write!(f, "{key}")?,
                Requirement::Absent(key) => write!(f, "!{key}")?,
                Requirement::In(key, values) if values.len() == 1 => write!(f, "{key}={}", joined(values))?,
                Requirement::In(key, values) => write!(f, "{key} in ({})", joined(values))?,
                Requirement::NotIn(key, values) => write!(f, "{key} notin ({})", joined(values))?,
                Requirement::Greater(key, bound) => write!(f, "{key}>{bound}")?,
                Requirement::Less(key, bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let find = |key: &str| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        LabelSelector::parse(selector).unwrap().matches_with(find)
    }

    #[test]
    fn each_operator_of_a_label_selector_matches_as_documented() {
        let web = [("app", "web"), ("n", "5")];
        for yes in [
            "",
            "app",
            "app=web",
            "app == web",
            "app in (web, db)",
            "app!=db",
            "tier!=x",
            "!tier",
            "n>4,n<6",
            "tier notin (x)",
        ] {
            assert!(matches(yes, &web), "{yes}");
        }
        for no in ["tier", "app=db", "!app", "app notin (web)", "n>5", "app,tier", "app="] {
            assert!(!matches(no, &web), "{no}");
        }
    }

    #[test]
    fn bad_label_selectors_are_refused() {
        for bad in ["a in", "a in (", "a in b", "=a", "a=b=c", "a b", "a,,b", "a,", "-a=b", "a=b!", "a>x", "!", "a/b/c"]
        {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_selector_prints_sorted_by_key() {
        let text = LabelSelector::parse("tier notin (z,y),app=web,!q").unwrap().to_string();
        assert_eq!(text, "app=web,!q,tier notin (y,z)");
    }

    #[test]
    fn field_selectors_unescape_values_and_refuse_bad_terms() {
        let selector = FieldSelector::parse(r"metadata.name=a\,b,status.phase!=Running").unwrap();
        assert_eq!(selector.required_value("metadata.name"), Some("a,b"));
        assert!(selector.terms()[1].negated);
        for bad in ["a", "a=b=c", r"a=\x"] {
            assert!(FieldSelector::parse(bad).is_err(), "{bad}");
        }
    }
}
