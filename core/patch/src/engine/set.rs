//! Sets of fields: tries of path elements, borrowed from the trees they describe.
//!
//! A node may be in a set itself (it is *marked*), have members below it, or both. The same trie with several marks
//! holds a comparison: what was added, modified and removed.

use std::cmp::Ordering;

use super::element::Element;

/// Which sets of a trie a node is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    pub const NONE: Marks = Marks(0);
    /// In the set: the only mark of an ownership set.
    pub const OWNED: Marks = Marks(1);
    pub const ADDED: Marks = Marks(2);
    pub const MODIFIED: Marks = Marks(4);
    pub const REMOVED: Marks = Marks(8);
    /// Set by the change, whether new or not.
    pub const WRITTEN: Marks = Marks(2 | 4);

    pub fn any_of(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node<'a> {
    pub element: Element<'a>,
    pub marks: Marks,
    pub below: FieldSet<'a>,
}

/// A trie; siblings are sorted by element and unique.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FieldSet<'a>(pub Vec<Node<'a>>);

impl<'a> FieldSet<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One field.
    pub fn of_field(path: &'a [impl AsRef<str>]) -> Self {
        let mut set = FieldSet::default();
        if let [name, rest @ ..] = path {
            let marks = if rest.is_empty() { Marks::OWNED } else { Marks::NONE };
            set.push(Element::field(name.as_ref()), marks, FieldSet::of_field(rest));
        }
        set
    }

    /// Appends a node that sorts after all others; nothing if it would hold nothing.
    pub fn push(&mut self, element: Element<'a>, marks: Marks, below: FieldSet<'a>) {
        if marks != Marks::NONE || !below.is_empty() {
            self.0.push(Node { element, marks, below });
        }
    }

    pub fn sort(&mut self) {
        self.0.sort_unstable_by(|a, b| a.element.cmp(&b.element));
    }

    pub fn find(&self, element: &Element<'_>) -> Option<&Node<'a>> {
        self.0.binary_search_by(|node| node.element.cmp(element)).ok().map(|at| &self.0[at])
    }

    /// True if all of this is in `other`.
    pub fn is_within(&self, other: &FieldSet<'_>) -> bool {
        let mut theirs = other.0.iter();
        self.0.iter().all(|node| {
            let their =
                theirs.find(|their| their.element >= node.element).filter(|their| their.element == node.element);
            their.is_some_and(|their| {
                (node.marks == Marks::NONE || their.marks != Marks::NONE) && node.below.is_within(&their.below)
            })
        })
    }

    /// Takes out what `other` marks with one of `marks`; true if that changed anything.
    pub fn subtract(&mut self, other: &FieldSet<'_>, marks: Marks) -> bool {
        let mut changed = false;
        let mut theirs = other.0.iter().peekable();
        self.0.retain_mut(|node| {
            while theirs.next_if(|t| t.element < node.element).is_some() {}
            let Some(their) = theirs.peek().filter(|t| t.element == node.element) else { return true };
            if their.marks.any_of(marks) && node.marks != Marks::NONE {
                node.marks = Marks::NONE;
                changed = true;
            }
            changed |= node.below.subtract(&their.below, marks);
            node.marks != Marks::NONE || !node.below.is_empty()
        });
        changed
    }

    /// Takes out the node at `path` with all below it.
    pub fn remove_subtree(&mut self, path: &[impl AsRef<str>]) {
        let [name, rest @ ..] = path else { return };
        self.0.retain_mut(|node| {
            if node.element.field_name() != Some(name.as_ref()) {
                return true;
            }
            node.below.remove_subtree(rest);
            !rest.is_empty() && (node.marks != Marks::NONE || !node.below.is_empty())
        });
    }

    /// Takes the mark off the node at `path`, leaving what is below it.
    pub fn remove_exactly(&mut self, path: &[&str]) {
        let [name, rest @ ..] = path else { return };
        self.0.retain_mut(|node| {
            if node.element.field_name() != Some(name) {
                return true;
            }
            if rest.is_empty() {
                node.marks = Marks::NONE;
            }
            node.below.remove_exactly(rest);
            node.marks != Marks::NONE || !node.below.is_empty()
        });
    }

    /// What `marks` names, as an ownership set.
    pub fn select(&self, marks: Marks) -> FieldSet<'a> {
        let mut selected = FieldSet(Vec::with_capacity(self.0.len()));
        for node in &self.0 {
            let owned = if node.marks.any_of(marks) { Marks::OWNED } else { Marks::NONE };
            selected.push(node.element.clone(), owned, node.below.select(marks));
        }
        selected
    }

    /// What is in both, by the marks of each.
    pub fn intersect(&self, other: &FieldSet<'_>, marks: Marks) -> FieldSet<'a> {
        let mut both = FieldSet::default();
        for node in &self.0 {
            if let Some(theirs) = other.find(&node.element) {
                let owned = node.marks != Marks::NONE && theirs.marks.any_of(marks);
                let marks_here = if owned { Marks::OWNED } else { Marks::NONE };
                both.push(node.element.clone(), marks_here, node.below.intersect(&theirs.below, marks));
            }
        }
        both
    }

    /// What is in one or the other.
    pub fn union(self, other: FieldSet<'a>) -> FieldSet<'a> {
        if self.is_empty() {
            return other;
        }
        let mut merged = FieldSet(Vec::with_capacity(self.0.len() + other.0.len()));
        let (mut left, mut right) = (self.0.into_iter().peekable(), other.0.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l.element.cmp(&r.element),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return merged,
            };
            match order {
                Ordering::Less => merged.0.extend(left.next()),
                Ordering::Greater => merged.0.extend(right.next()),
                Ordering::Equal => merged.0.extend(left.next().zip(right.next()).map(|(l, r)| Node {
                    element: l.element,
                    marks: Marks(l.marks.0 | r.marks.0),
                    below: l.below.union(r.below),
                })),
            }
        }
    }

    /// What is in any of the sets, which are merged by halves: of many small ones, none is gone over again and again.
    pub fn union_of(mut sets: Vec<Self>) -> Self {
        while sets.len() > 1 {
            let mut rest = sets.into_iter();
            let mut merged = Vec::with_capacity(rest.len().div_ceil(2));
            while let Some(one) = rest.next() {
                merged.push(one.union(rest.next().unwrap_or_default()));
            }
            sets = merged;
        }
        sets.pop().unwrap_or_default()
    }

    /// Every marked path, as conflicts spell paths, in their order: fields before what is below any of them.
    pub fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_paths(&mut String::new(), &mut found);
        found
    }

    fn collect_paths(&self, prefix: &mut String, found: &mut Vec<String>) {
        let mut nodes: Vec<&Node<'_>> = self.0.iter().collect();
        nodes.sort_by(|a, b| a.element.cmp_listed(&b.element));
        let length = prefix.len();
        for node in nodes.iter().filter(|node| node.marks != Marks::NONE) {
            node.element.append_to(prefix);
            found.push(prefix.clone());
            prefix.truncate(length);
        }
        for node in nodes {
            node.element.append_to(prefix);
            node.below.collect_paths(prefix, found);
            prefix.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed::fields_v1::{self, encode};
    use gantry_meta::Value;
    use serde_json::json;

    fn decode(wire: &Value) -> FieldSet<'_> {
        fields_v1::decode(wire).unwrap()
    }

    #[test]
    fn sets_combine_by_exact_path() {
        let (one, two) = (json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}}), json!({"f:a": {"f:b": {}}, "f:d": {}}));
        let (one, two) = (decode(&one), decode(&two));
        let mut rest = one.clone();
        assert!(rest.subtract(&two, Marks::OWNED));
        assert_eq!(encode(&rest), json!({"f:a": {".": {}, "f:c": {}}}));
        assert_eq!(encode(&one.intersect(&two, Marks::OWNED)), json!({"f:a": {"f:b": {}}}));
        assert!(one.intersect(&two, Marks::OWNED).is_within(&one) && !two.is_within(&one));
        assert_eq!(encode(&rest.union(two)), encode(&one.union(decode(&json!({"f:d": {}})))));
    }

    #[test]
    fn paths_are_spelled_for_people() {
        let set = json!({"f:spec": {"f:containers": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:x": {}}}},
            "f:metadata": {"f:finalizers": {"v:\"a/b\"": {}}}});
        assert_eq!(
            decode(&set).paths(),
            [
                ".metadata.finalizers[=\"a/b\"]",
                ".spec.containers[containerPort=80,protocol=\"TCP\"]",
                ".spec.containers[containerPort=80,protocol=\"TCP\"].x"
            ]
        );
    }

    #[test]
    fn paths_are_listed_with_fields_before_what_is_below_them_and_numbers_by_value() {
        let set = json!({"f:spec": {"f:z": {}, "f:a": {"f:b": {}}, "f:n": {"v:10": {}, "v:9": {}},
            "f:ports": {"k:{\"port\":443}": {"f:name": {}}, "k:{\"port\":80}": {"f:name": {}}}}});
        let listed = [".spec.z", ".spec.a.b", ".spec.n[=9]", ".spec.n[=10]", ".spec.ports[port=80].name"];
        assert_eq!(decode(&set).paths()[..5], listed);
    }
}
