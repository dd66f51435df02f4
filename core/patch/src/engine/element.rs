//! How a part of a value is found in it: by its name, its keys, its value or its place.

use std::{borrow::Cow, cmp::Ordering, fmt::Write as _};

use gantry_meta::Value;

/// One step of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Element<'a> {
    kind: ElementKind,
    /// A field's name; canonical JSON for the others.
    text: Cow<'a, str>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum ElementKind {
    Field,
    Key,
    Value,
    Index,
}

impl<'a> Element<'a> {
    /// A member of a struct or map.
    pub fn field(name: &'a str) -> Self {
        Self { kind: ElementKind::Field, text: Cow::Borrowed(name) }
    }

    /// An item of a list with keys; `members` are sorted by name.
    pub fn key<'v>(members: impl Iterator<Item = (&'v str, &'v Value)>) -> Self {
        let mut text = String::with_capacity(32);
        for (at, (name, value)) in members.enumerate() {
            // Names of fields need no escapes.
            let _ = write!(text, "{}\"{name}\":{value}", if at == 0 { "{" } else { "," });
        }
        text.push('}');
        Self { kind: ElementKind::Key, text: Cow::Owned(text) }
    }

    /// An item of a set.
    pub fn value(value: &Value) -> Self {
        Self { kind: ElementKind::Value, text: Cow::Owned(value.to_string()) }
    }

    /// Reads the wire spelling that [`Self::wire`] writes: `f:name`, `k:{"name":"a"}`, `v:"a"`, `i:0`.
    pub fn parse(wire: &'a str) -> Option<Self> {
        let (kind, text) = wire.split_once(':')?;
        let kind = match kind {
            "f" => ElementKind::Field,
            "k" => ElementKind::Key,
            "v" => ElementKind::Value,
            "i" => ElementKind::Index,
            _ => return None,
        };
        Some(Self { kind, text: Cow::Borrowed(text) })
    }

    /// Reads what a client spells: the same element in other spaces and with its members in another order.
    pub fn parse_sent(wire: &'a str) -> Result<Self, BadElement> {
        if wire.as_bytes().get(1) != Some(&b':') {
            return Err(BadElement::Malformed);
        }
        let element = Self::parse(wire).ok_or(BadElement::Unknown)?;
        let json = || serde_json::from_str::<Value>(&element.text).map_err(|_| BadElement::Malformed);
        let text = match element.kind {
            ElementKind::Field => return Ok(element),
            ElementKind::Index => element.text.parse::<i64>().map_err(|_| BadElement::Malformed)?.to_string(),
            ElementKind::Value => json()?.to_string(),
            ElementKind::Key => Some(json()?).filter(Value::is_object).ok_or(BadElement::Malformed)?.to_string(),
        };
        Ok(Self { kind: element.kind, text: Cow::Owned(text) })
    }

    pub fn wire(&self) -> String {
        [self.prefix(), &self.text].concat()
    }

    /// True if `wire` is what [`Self::wire`] writes.
    pub fn is_spelled(&self, wire: &str) -> bool {
        wire.strip_prefix(self.prefix()).is_some_and(|text| text == self.text)
    }

    fn prefix(&self) -> &'static str {
        match self.kind {
            ElementKind::Field => "f:",
            ElementKind::Key => "k:",
            ElementKind::Value => "v:",
            ElementKind::Index => "i:",
        }
    }

    /// The name, if this is a member of a struct or map.
    pub fn field_name(&self) -> Option<&str> {
        (self.kind == ElementKind::Field).then_some(&*self.text)
    }

    /// The order in which conflicts are listed: numbers by what they are, not as text.
    pub fn cmp_listed(&self, other: &Self) -> Ordering {
        let by_value = || {
            let value = |element: &Self| serde_json::from_str::<Value>(&element.text).unwrap_or_default();
            cmp_values(&value(self), &value(other))
        };
        match (self.kind, other.kind) {
            (ElementKind::Field, ElementKind::Field) => self.text.cmp(&other.text),
            (kind, same) if kind == same => by_value(),
            (kind, other) => kind.cmp(&other),
        }
    }

    /// As conflicts spell it: `.name`, `[name="a",port=80]`, `[="a"]`, `[0]`.
    pub fn append_to(&self, path: &mut String) {
        match self.kind {
            ElementKind::Field => {
                path.push('.');
                path.push_str(&self.text);
            }
            ElementKind::Key => {
                let members: serde_json::Map<String, Value> = serde_json::from_str(&self.text).unwrap_or_default();
                for (at, (name, value)) in members.iter().enumerate() {
                    let _ = write!(path, "{}{name}={value}", if at == 0 { "[" } else { "," });
                }
                path.push(']');
            }
            ElementKind::Value => {
                let _ = write!(path, "[={}]", self.text);
            }
            ElementKind::Index => {
                let _ = write!(path, "[{}]", self.text);
            }
        }
    }
}

/// Why a client's element cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadElement {
    /// Of a kind that nobody knows: left out, with all below it.
    Unknown,
    /// It spoils the set that it is in.
    Malformed,
}

fn cmp_values(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default()),
        },
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Object(one), Value::Object(other)) => {
            let members = one.iter().zip(other).map(|((name, value), (other_name, other))| {
                name.cmp(other_name).then_with(|| cmp_values(value, other))
            });
            let differing = members.into_iter().find(|order| order.is_ne());
            differing.unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        _ => one.to_string().cmp(&other.to_string()),
    }
}
