//! Selectable fields of stored objects, read without decoding the rest.

use std::fmt;

use gantry_kinds::{Resource, SelectableField};
use gantry_watch_cache::AttributeExtractor;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How a selectable field gets its value from the stored form.
#[derive(Clone, Debug)]
struct Rule {
    field: Box<str>,
    /// Members from the root; of several paths the first that is set counts.
    paths: Vec<Vec<Box<str>>>,
    /// What an absent field reads as.
    absent: &'static str,
}

/// Values of all selectable fields of one stored resource.
pub(crate) struct SelectableFields {
    rules: Vec<Rule>,
    tree: PathTree,
    indexed: Vec<&'static str>,
}

impl SelectableFields {
    /// `served` are all resources whose objects are stored in the same place: each may name fields in its own way.
    pub fn new<'a>(served: impl IntoIterator<Item = &'a Resource>) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        for resource in served {
            for rule in resource.selectable.iter().filter_map(rule_of) {
                if !rules.iter().any(|known| known.field == rule.field) {
                    rules.push(rule);
                }
            }
        }
        let mut tree = PathTree::default();
        for (slot, path) in rules.iter().flat_map(|rule| &rule.paths).enumerate() {
            tree.insert(path, slot);
        }
        let indexed = if rules.iter().any(|rule| &*rule.field == NODE_NAME) { vec![NODE_NAME] } else { Vec::new() };
        Self { rules, tree, indexed }
    }
}

/// Nodes watch their own pods: an event about a pod must not wake every node.
pub(crate) const NODE_NAME: &str = "spec.nodeName";

impl AttributeExtractor for SelectableFields {
    fn indexed_fields(&self) -> &[&'static str] {
        &self.indexed
    }

    fn fields(&self, wire: &[u8]) -> Vec<(Box<str>, Box<str>)> {
        let slots = self.rules.iter().map(|rule| rule.paths.len()).sum();
        let mut found: Vec<Option<String>> = vec![None; slots];
        // What is stored is JSON that the codec wrote; anything else has no fields.
        let mut json = serde_json::Deserializer::from_slice(wire);
        let _ = Collect { tree: &self.tree, found: &mut found }.deserialize(&mut json);
        let mut found = found.into_iter();
        let mut pairs = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let values: Vec<Option<String>> = found.by_ref().take(rule.paths.len()).collect();
            let value = values.into_iter().flatten().find(|value| !value.is_empty());
            pairs.push((rule.field.clone(), value.map_or_else(|| rule.absent.into(), String::into_boxed_str)));
        }
        pairs
    }
}

fn split(path: &str) -> Vec<Box<str>> {
    path.split('.').map(Into::into).collect()
}

/// Reads the table's words. Names and namespaces are known to the cache; what never has a value needs no rule.
fn rule_of(selectable: &SelectableField) -> Option<Rule> {
    let field = &*selectable.field;
    let stored = |path: &str, absent| Some(Rule { field: field.into(), paths: vec![split(path)], absent });
    match (field, &*selectable.rule) {
        ("metadata.name" | "metadata.namespace", _) => None,
        (_, rule) if rule.starts_with("accepted, but no value") || rule == "always empty" => None,
        ("spec.host", _) => stored(NODE_NAME, ""),
        ("status.podIP", _) => stored("status.podIP", ""),
        ("status.successful", _) => stored("status.succeeded", "0"),
        ("status.replicas", _) => stored("status.replicas", "0"),
        (_, "true or false") => stored(field, "false"),
        ("source", _) => Some(Rule {
            field: field.into(),
            paths: vec![split("source.component"), split("reportingComponent")],
            absent: "",
        }),
        // Events are stored in their core form, whichever group they came through.
        ("reportingController", _) => stored("reportingComponent", ""),
        (field, _) => match field.strip_prefix("regarding.") {
            Some(member) => stored(&format!("involvedObject.{member}"), ""),
            None => stored(field, ""),
        },
    }
}

/// Which members to look into, and where the values found go.
#[derive(Default)]
struct PathTree {
    children: Vec<(Box<str>, PathTree)>,
    slots: Vec<usize>,
}

impl PathTree {
    fn insert(&mut self, path: &[Box<str>], slot: usize) {
        let Some((first, rest)) = path.split_first() else { return self.slots.push(slot) };
        let at = self.children.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.children.push((first.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[at].1.insert(rest, slot);
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(child, _)| **child == *name).map(|(_, tree)| tree)
    }
}

/// Walks JSON along a [`PathTree`] and skips everything beside it.
struct Collect<'a> {
    tree: &'a PathTree,
    found: &'a mut [Option<String>],
}

impl Collect<'_> {
    fn leaf(self, text: impl fmt::Display) {
        for slot in &self.tree.slots {
            self.found[*slot] = Some(text.to_string());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Collect<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.tree.child(&name) {
                Some(tree) => map.next_value_seed(Collect { tree, found: self.found })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.leaf(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.leaf(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.leaf(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.leaf(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.leaf(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(plural: &str, wire: &str, field: &str) -> String {
        let served = gantry_kinds::catalog().resources().filter(|r| r.plural == plural);
        let values = SelectableFields::new(served).fields(wire.as_bytes());
        values.into_iter().find(|(f, _)| **f == *field).map(|(_, v)| v.into()).unwrap_or_default()
    }

    #[test]
    fn fields_are_read_by_the_rules_of_the_table() {
        let pod = r#"{"spec":{"x":[{}],"nodeName":"n1","hostNetwork":true},"status":{"phase":"Running"}}"#;
        for (field, expected) in [("spec.nodeName", "n1"), ("spec.host", "n1"), ("spec.hostNetwork", "true")] {
            assert_eq!(value("pods", pod, field), expected, "{field}");
        }
        assert_eq!(value("nodes", "{}", "spec.unschedulable"), "false");
        assert_eq!(value("jobs", r#"{"status":{"succeeded":3}}"#, "status.successful"), "3");
        let event = r#"{"involvedObject":{"name":"p"},"reportingComponent":"rc"}"#;
        assert_eq!(value("events", event, "regarding.name"), "p");
        assert_eq!(value("events", event, "source"), "rc");
    }

    #[test]
    fn only_pods_are_indexed_by_node() {
        let pods = gantry_kinds::catalog().resources().filter(|r| r.plural == "pods");
        assert_eq!(SelectableFields::new(pods).indexed_fields(), [NODE_NAME]);
        let secrets = gantry_kinds::catalog().resources().filter(|r| r.plural == "secrets");
        assert!(SelectableFields::new(secrets).indexed_fields().is_empty());
    }
}
