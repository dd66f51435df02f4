//! Node selectors, compiled to numbers once per cycle and matched row by row. Source: API reference, NodeSelector.

use gantry_plugin::{Cx, Sid};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Term {
    match_expressions: Option<Vec<Requirement>>,
    match_fields: Option<Vec<Requirement>>,
}

#[derive(Deserialize)]
struct Requirement {
    key: String,
    operator: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

/// A requirement in sids. A key or a value that no node has is no sid.
#[derive(Clone)]
struct Compiled {
    key: Option<Sid>,
    test: Test,
}

#[derive(Clone)]
enum Test {
    In(Vec<Sid>),
    NotIn(Vec<Sid>),
    Exists,
    DoesNotExist,
    Greater(i64),
    Less(i64),
    /// An operator or a number that the API would have refused.
    Never,
}

/// One term: all of its requirements hold. An empty one matches nothing.
#[derive(Clone)]
pub(crate) struct Matcher {
    labels: Vec<Compiled>,
    /// On `metadata.name`, the only field there is.
    fields: Vec<Compiled>,
}

/// What a row has to be matched.
#[derive(Clone, Copy)]
pub(crate) struct NodeView<'a> {
    pub(crate) name: Sid,
    /// Key value key value ...
    pub(crate) labels: &'a [Sid],
}

impl NodeView<'_> {
    fn label(&self, key: Option<Sid>) -> Option<Sid> {
        let key = key?;
        self.labels.chunks_exact(2).find(|label| label[0] == key).map(|label| label[1])
    }
}

impl Matcher {
    pub(crate) fn compile(cx: &Cx<'_>, term: &Term) -> Self {
        let compile = |all: &Option<Vec<Requirement>>| all.iter().flatten().map(|r| Compiled::of(cx, r)).collect();
        Self { labels: compile(&term.match_expressions), fields: compile(&term.match_fields) }
    }

    /// `spec.nodeSelector`: all labels have these values.
    pub(crate) fn equalities<'p>(cx: &Cx<'_>, pairs: impl Iterator<Item = (&'p String, &'p String)>) -> Self {
        let equal = |(key, value): (&String, &String)| Compiled {
            key: cx.find(key),
            test: Test::In(sids(cx, std::slice::from_ref(value))),
        };
        Self { labels: pairs.map(equal).collect(), fields: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, cx: &Cx<'_>, node: &NodeView<'_>) -> bool {
        !self.is_empty()
            && self.labels.iter().all(|requirement| requirement.test.holds(cx, node.label(requirement.key)))
            && self.fields.iter().all(|requirement| requirement.test.holds(cx, Some(node.name)))
    }
}

fn sids(cx: &Cx<'_>, values: &[String]) -> Vec<Sid> {
    // The empty text is sid 0, which `find` takes for none.
    values.iter().filter_map(|value| if value.is_empty() { Some(0) } else { cx.find(value) }).collect()
}

impl Compiled {
    fn of(cx: &Cx<'_>, requirement: &Requirement) -> Self {
        let values = requirement.values.as_deref().unwrap_or_default();
        let number = || values.first().and_then(|value| value.parse::<i64>().ok());
        let test = match &*requirement.operator {
            "In" => Test::In(sids(cx, values)),
            "NotIn" => Test::NotIn(sids(cx, values)),
            "Exists" => Test::Exists,
            "DoesNotExist" => Test::DoesNotExist,
            "Gt" => number().map_or(Test::Never, Test::Greater),
            "Lt" => number().map_or(Test::Never, Test::Less),
            _ => Test::Never,
        };
        Self { key: cx.find(&requirement.key), test }
    }
}

impl Test {
    fn holds(&self, cx: &Cx<'_>, value: Option<Sid>) -> bool {
        let number = || value.and_then(|value| cx.text(value).parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|value| values.contains(&value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::Greater(bound) => number().is_some_and(|number| number > *bound),
            Self::Less(bound) => number().is_some_and(|number| number < *bound),
            Self::Never => false,
        }
    }
}
