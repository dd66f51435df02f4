//! Constants of the tables: a text as it is, lists and structs in YAML's flow style.

use crate::{model::TypeFacts, shapes::Shape};
use std::collections::BTreeMap;

/// A constant of `Literal` from its text in a table, if it is a scalar or empty.
pub fn scalar(text: &str, shape: &Shape) -> String {
    match (text, shape) {
        ("null", _) => "Literal::Null".to_owned(),
        ("{}", _) => "Literal::EmptyObject".to_owned(),
        ("[]", _) => "Literal::EmptyList".to_owned(),
        ("\"\"", _) => "Literal::Text(Text::Borrowed(\"\"))".to_owned(),
        (b, Shape::Plain("Bool")) => format!("Literal::Bool({b})"),
        (n, Shape::Plain("Int32" | "Int64" | "IntOrString")) if n.parse::<i64>().is_ok() => {
            format!("Literal::Int({n})")
        }
        (n, Shape::Plain("Double")) => format!("Literal::Int({n})"),
        (t, _) => format!("Literal::Text(Text::Borrowed({:?}))", t.trim_matches('"')),
    }
}

/// As [`scalar`], but lists and structs may have parts: `[{type: Resource}]`. A struct may leave out the names of its
/// members where it has all of them, in the order of their tags: `{Pods 4 15}`.
pub fn whole(text: &str, shape: &Shape, types: &BTreeMap<String, TypeFacts>) -> String {
    match (inner(text, '[', ']'), inner(text, '{', '}'), shape) {
        (Some(""), ..) | (_, Some(""), _) => scalar(text, shape),
        (Some(items), _, Shape::List(item)) => {
            let items: Vec<String> = parts(items).into_iter().map(|part| whole(part, item, types)).collect();
            format!("Literal::List(const {{ List::Borrowed(&[{}]) }})", items.join(", "))
        }
        (_, Some(members), Shape::Struct(ty)) => {
            let member = |(name, text): (String, &str)| {
                let field = types[ty].fields.get(&name).unwrap_or_else(|| panic!("{ty} has no {name}"));
                format!("(Text::Borrowed({name:?}), {})", whole(text, &field.shape, types))
            };
            let members: Vec<String> = named(members, ty, types).into_iter().map(member).collect();
            format!("Literal::Object(const {{ List::Borrowed(&[{}]) }})", members.join(", "))
        }
        _ => scalar(text, shape),
    }
}

/// The members of a struct: `a: 1, b: {c: 2}`.
pub fn named<'t>(members: &'t str, ty: &str, types: &BTreeMap<String, TypeFacts>) -> Vec<(String, &'t str)> {
    if !members.contains(':') {
        let mut names: Vec<&String> = types[ty].fields.keys().collect();
        names.sort_by_key(|name| types[ty].fields[*name].tag.parse::<u16>().unwrap_or(u16::MAX));
        return names.into_iter().cloned().zip(members.split_whitespace()).collect();
    }
    let member = |part: &'t str| part.split_once(": ").unwrap_or_else(|| panic!("{part} has no name"));
    parts(members).into_iter().map(member).map(|(name, value)| (name.trim().to_owned(), value.trim())).collect()
}

pub fn inner(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// What commas divide, those inside brackets aside.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}
