//! Label and field selectors: parsed once, matched many times.
//!
//! Label grammar (API reference, "Labels and Selectors"): comma-separated requirements `k`, `!k`, `k=v`, `k==v`, `k!=v`,
//! `k in (a,b)`, `k notin (a,b)`, `k>1`, `k<1`. Field grammar: comma-separated `path=value`, `path==value`, `path!=value`,
//! with `\\`, `\,` and `\=` escaped in values.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;

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
        let mut parser = Parser { tokens: lex(text)?, at: 0, text };
        let mut requirements = Vec::new();
        while !parser.done() {
            requirements.push(parser.requirement()?);
            if !parser.done() {
                parser.expect(&Token::Comma)?;
                if parser.done() {
                    return Err(SelectorError::Syntax(format!("{text:?} ends with a comma")));
                }
            }
        }
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

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Comma,
    Open,
    Close,
    Not,
    Equal,
    NotEqual,
    Greater,
    Less,
}

fn lex(text: &str) -> Result<Vec<Token>, SelectorError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' if rest.starts_with("==") => (Token::Equal, 2),
            '=' => (Token::Equal, 1),
            '!' if rest.starts_with("!=") => (Token::NotEqual, 2),
            '!' => (Token::Not, 1),
            '>' => (Token::Greater, 1),
            '<' => (Token::Less, 1),
            _ => {
                let end = rest.find([',', '(', ')', '=', '!', '>', '<', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        if used == 0 {
            return Err(SelectorError::Syntax(format!("unexpected {first:?} in {text:?}")));
        }
        tokens.push(token);
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    text: &'a str,
}

impl Parser<'_> {
    fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn syntax(&self, what: &str) -> SelectorError {
        SelectorError::Syntax(format!("{what} in {:?}", self.text))
    }

    fn expect(&mut self, token: &Token) -> Result<(), SelectorError> {
        if self.next().as_ref() == Some(token) { Ok(()) } else { Err(self.syntax(&format!("expected {token:?}"))) }
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        match self.next() {
            Some(Token::Word(key)) => checked_key(&key),
            _ => Err(self.syntax("expected a key")),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        if self.tokens.get(self.at) == Some(&Token::Not) {
            self.at += 1;
            return Ok(Requirement::Absent(self.key()?));
        }
        let key = self.key()?;
        match self.tokens.get(self.at).cloned() {
            None | Some(Token::Comma) => Ok(Requirement::Exists(key)),
            Some(Token::Equal) => {
                self.at += 1;
                checked_in(&key, [self.value()].into())
            }
            Some(Token::NotEqual) => {
                self.at += 1;
                negate(checked_in(&key, [self.value()].into())?)
            }
            Some(Token::Greater) => {
                self.at += 1;
                Ok(Requirement::Greater(key, self.number()?))
            }
            Some(Token::Less) => {
                self.at += 1;
                Ok(Requirement::Less(key, self.number()?))
            }
            Some(Token::Word(word)) if word == "in" => {
                self.at += 1;
                checked_in(&key, self.values()?)
            }
            Some(Token::Word(word)) if word == "notin" => {
                self.at += 1;
                negate(checked_in(&key, self.values()?)?)
            }
            Some(_) => Err(self.syntax("expected an operator")),
        }
    }

    /// The value after an operator; absent (before a comma or the end) means empty.
    fn value(&mut self) -> String {
        match self.tokens.get(self.at) {
            Some(Token::Word(value)) => {
                self.at += 1;
                value.clone()
            }
            _ => String::new(),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let value = self.value();
        // A sign is no part of a label's value.
        let digits = value.starts_with(|c: char| c.is_ascii_digit()).then_some(value.as_str());
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| self.syntax("for '>' and '<' the value must be an integer"))
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        self.expect(&Token::Open)?;
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value());
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                _ => return Err(self.syntax("expected ',' or ')'")),
            }
        }
    }
}

fn negate(requirement: Requirement) -> Result<Requirement, SelectorError> {
    match requirement {
        Requirement::In(key, values) => Ok(Requirement::NotIn(key, values)),
        other => Ok(other),
    }
}

/// One term of a field selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    pub field: String,
    pub value: String,
    /// `true` for `!=`.
    pub negated: bool,
}

/// A conjunction of comparisons of fields with texts. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for part in split_unescaped(text) {
            if part.is_empty() {
                continue;
            }
            terms.push(parse_term(part).ok_or_else(|| SelectorError::Syntax(format!("{part:?} in {text:?}")))?);
        }
        Ok(Self { terms })
    }

    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// The value that `field` must equal, if the selector says so.
    pub fn required_value(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| !t.negated && t.field == field).map(|t| t.value.as_str())
    }

    /// Matches with the text of each field given by lookup; an absent field is the empty text.
    pub fn matches_with<'a>(&self, value_of: impl Fn(&str) -> std::borrow::Cow<'a, str>) -> bool {
        self.terms.iter().all(|t| (value_of(&t.field) == t.value.as_str()) != t.negated)
    }
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_term(part: &str) -> Option<FieldTerm> {
    let at = part.find(['=', '!'])?;
    let (field, rest) = part.split_at(at);
    let (negated, value) = if let Some(value) = rest.strip_prefix("!=") {
        (true, value)
    } else if let Some(value) = rest.strip_prefix("==") {
        (false, value)
    } else {
        (false, rest.strip_prefix('=')?)
    };
    Some(FieldTerm { field: field.to_owned(), value: unescape(value)?, negated })
}

fn unescape(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                c @ ('\\' | ',' | '=') => out.push(c),
                _ => return None,
            },
            ',' | '=' => return None,
            c => out.push(c),
        }
    }
    Some(out)
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
