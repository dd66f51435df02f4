//! Builds a JSON tree from the events of the YAML parser, without recursion and with bounds on depth and on aliases.

use super::scalar;
use crate::{DecodeError, problems::Problems};
use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_meta::{Object, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::HashMap;

/// Trees are dropped by recursion, which this bounds.
const MAX_DEPTH: usize = 1000;

/// All aliases together may add this much; a body itself is at most 3 MiB.
const MAX_ALIASED_BYTES: usize = 4 * 1024 * 1024;

/// Parses the first document. An empty body is `null`.
pub(crate) fn from_yaml(body: &[u8], problems: &mut Problems) -> Result<Value, DecodeError> {
    let text = String::from_utf8_lossy(body);
    if let Some(version) = foreign_version(&text) {
        return Err(DecodeError::Syntax(format!("found a document of YAML {version}, only 1.1 is read")));
    }
    if begins_with_tab(&text) {
        return Err(DecodeError::Syntax("found a tab that cannot start any token".to_owned()));
    }
    let mut builder = Builder { problems, open: Vec::new(), anchors: HashMap::new(), aliased_bytes: 0, root: None };
    for event in Parser::new_from_str(&text) {
        let (event, span) = event.map_err(|e| DecodeError::Syntax(e.to_string()))?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event, span.start.line())?;
    }
    Ok(builder.root.unwrap_or(Value::Null))
}

/// The problems of the text itself in one, as strict readers are told.
pub(crate) fn repeated_keys(problems: &[String]) -> String {
    format!("yaml: unmarshal errors:\n  {}", problems.join("\n  "))
}

/// The version that a `%YAML` directive before the document names, if it is not the one that is read.
fn foreign_version(text: &str) -> Option<&str> {
    let mut head = text.lines().take_while(|line| !line.starts_with("---")).filter(|line| line.starts_with('%'));
    let version = head.find_map(|line| line.strip_prefix("%YAML "))?.trim();
    (version != "1.1").then_some(version)
}

/// YAML does not allow tabs as indentation; the parser lets them pass before the first token.
fn begins_with_tab(text: &str) -> bool {
    text.lines().find(|l| !l.trim().is_empty() && !l.starts_with('#')).is_some_and(|l| l.starts_with('\t'))
}

struct Builder<'p> {
    problems: &'p mut Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    aliased_bytes: usize,
    root: Option<Value>,
}

/// A list or mapping that is being read, with the id of its anchor (0: none) and the line that it begins in.
enum Open {
    List { anchor: usize, line: usize, items: Vec<Value> },
    Mapping { anchor: usize, line: usize, members: Object, merged: Vec<Object>, key: Option<Key> },
}

enum Key {
    /// With its line.
    Name(String, usize),
    /// `<<`: the members of the value are taken where the mapping has none of that name.
    Merge,
}

fn bad(what: &str, line: usize) -> DecodeError {
    DecodeError::Syntax(format!("line {line}: {what}"))
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), DecodeError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_merge = style == ScalarStyle::Plain && text == "<<" && tag.is_none();
                if is_merge && self.expects_key() {
                    return self.set_key(Key::Merge);
                }
                let value = scalar_value(&text, style, tag.as_deref()).map_err(|what| bad(what, line))?;
                // Of a text in lines of its own the parser tells where these begin, and not where their mark is.
                let in_lines = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let line = self.key_line().filter(|_| in_lines).unwrap_or(line);
                self.close(value, anchor, line)
            }
            Event::SequenceStart(anchor, _) => self.enter(Open::List { anchor, line, items: Vec::new() }),
            Event::MappingStart(anchor, _) => {
                if self.expects_key() {
                    return Err(bad("a key must be a scalar", line));
                }
                self.enter(Open::Mapping { anchor, line, members: Object::new(), merged: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(line),
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned().ok_or_else(|| bad("unknown anchor", line))?;
                self.aliased_bytes += weight(&value);
                if self.aliased_bytes > MAX_ALIASED_BYTES {
                    return Err(bad("the document contains excessive aliasing", line));
                }
                self.close(value, 0, line)
            }
            _ => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn key_line(&self) -> Option<usize> {
        match self.open.last() {
            Some(Open::Mapping { key: Some(Key::Name(_, line)), .. }) => Some(*line),
            _ => None,
        }
    }

    fn set_key(&mut self, new: Key) -> Result<(), DecodeError> {
        if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
        Ok(())
    }

    fn enter(&mut self, open: Open) -> Result<(), DecodeError> {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH { Err(DecodeError::TooDeep(MAX_DEPTH)) } else { Ok(()) }
    }

    fn leave(&mut self, line: usize) -> Result<(), DecodeError> {
        let (value, anchor, line) = match self.open.pop() {
            Some(Open::List { anchor, line, items }) => (Value::Array(items), anchor, line),
            Some(Open::Mapping { anchor, line, mut members, merged, .. }) => {
                for (name, value) in merged.into_iter().flatten() {
                    members.entry(name).or_insert(value);
                }
                (Value::Object(members), anchor, line)
            }
            None => return Err(bad("an end without a start", line)),
        };
        self.close(value, anchor, line)
    }

    /// A value that begins in that line is complete: it becomes an item, a key, a member or the document.
    fn close(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), DecodeError> {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Mapping { members, merged, key, .. }) => match key.take() {
                None => {
                    let name = scalar::key_text(&value).ok_or_else(|| bad("a key must be text or a number", line))?;
                    *key = Some(Key::Name(name, line));
                }
                Some(Key::Merge) => merge(value, merged).map_err(|what| bad(what, line))?,
                Some(Key::Name(name, _)) => {
                    if members.contains_key(&name) {
                        self.problems.add(|| format!("line {line}: key {name:?} already set in map"));
                    }
                    members.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

/// Takes a mapping, or a list of mappings of which the first wins.
fn merge(value: Value, merged: &mut Vec<Object>) -> Result<(), &'static str> {
    const WRONG: &str = "map merge requires map or sequence of maps as the value";
    match value {
        Value::Object(members) => merged.push(members),
        Value::Array(items) => {
            for item in items {
                let Value::Object(members) = item else { return Err(WRONG) };
                merged.push(members);
            }
        }
        _ => return Err(WRONG),
    }
    Ok(())
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, &'static str> {
    const NO_NUMBER: &str = "infinite and undefined numbers are not supported";
    let resolved = || scalar::resolve(text).ok_or(NO_NUMBER);
    match tag.filter(|t| t.handle == "tag:yaml.org,2002:").map(|t| t.suffix.as_str()) {
        Some("str") => Ok(Value::String(text.to_owned())),
        Some("binary") => {
            let bytes = BASE64_STANDARD.decode(text.replace(['\n', ' '], "")).map_err(|_| "!!binary is not base64")?;
            Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Some("float") => Ok(match resolved()? {
            Value::Number(n) => n.as_f64().map_or(Value::Null, Value::from),
            _ => return Err("!!float is not a number"),
        }),
        Some("int" | "bool" | "null") => resolved(),
        // A tag that says nothing here makes text of what it stands before, as does the tag `!` alone.
        None if tag.is_some() => Ok(Value::String(text.to_owned())),
        _ if style == ScalarStyle::Plain => resolved(),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Bytes that a copy of the value costs, roughly.
fn weight(value: &Value) -> usize {
    const NODE: usize = 32;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + NODE + weight(value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Value, DecodeError> {
        from_yaml(text.as_bytes(), &mut Problems::default())
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved_and_own_members_win() {
        let value = parse("l: &l {x: one, w: 'no'}\nm:\n  <<: *l\n  x: own\no: {<<: [*l, {z: 1}]}\n").unwrap();
        assert_eq!(value["m"], json!({"x": "own", "w": "no"}));
        assert_eq!(value["o"], json!({"x": "one", "w": "no", "z": 1}));
    }

    #[test]
    fn keys_become_text_and_repeated_ones_are_problems() {
        let mut problems = Problems::default();
        let value = from_yaml(b"{y: 1, 2: b, 2.5: c, k: 1, k: 2}", &mut problems).unwrap();
        assert_eq!(value, json!({"true": 1, "2": "b", "2.5": "c", "k": 2}));
        assert_eq!(problems.into_texts().len(), 1);
    }

    #[test]
    fn a_repeated_key_is_told_by_the_line_that_its_value_begins_in() {
        let text = "a: 1\na:\n\n  b: 2\n  c: 3\na:\n- x\n- y\na: |\n  text\n  more\na: {}\n";
        let mut problems = Problems::default();
        from_yaml(text.as_bytes(), &mut problems).unwrap();
        let lines = [4, 7, 9, 12].map(|line| format!("line {line}: key \"a\" already set in map"));
        assert_eq!(problems.into_texts(), lines);
    }

    #[test]
    fn only_the_first_document_counts_and_none_is_null() {
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap(), json!({"a": 1}));
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("---\n").unwrap(), Value::Null);
    }

    #[test]
    fn hostile_documents_are_refused() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (from, to) in ('a'..'j').zip('b'..='j') {
            bomb.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(", ")));
        }
        assert!(matches!(parse(&bomb), Err(DecodeError::Syntax(_))));
        assert!(parse(&"[".repeat(2000)).is_err());
        assert_eq!(parse("a: !thing 7\nb: !!str 7\n").unwrap(), json!({"a": "7", "b": "7"}));
        assert!(parse("%YAML 1.1\n---\na: b").is_ok() && parse("%YAML 1.2\n---\na: b").is_err());
        for bad in ["{a: b", "\tx: y\n", "a: *nope", "[a, b]: c", "a: b: c", "{? [x] : y}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
