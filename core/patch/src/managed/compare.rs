//! What an update changed: one walk over both objects that visits only what differs.

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use gantry_kinds::{Literal, Type};
use gantry_meta::{Object, Value};

use super::{
    set::{Element, FieldSet, Marks},
    shape::Parts,
};

static NO_MEMBERS: LazyLock<Object> = LazyLock::new(Object::new);
static NULL: Value = Value::Null;

/// One side of a comparison.
#[derive(Clone, Copy)]
enum Side<'a> {
    Absent,
    Given(&'a Value),
    /// A scalar that the wire carries even when unset.
    Zero(&'a Literal),
    /// A struct or map that the wire carries even when empty.
    Empty,
}

impl<'a> Side<'a> {
    /// The member `name` of this side's object.
    fn of(object: &'a Object, parts: Parts<'a>, name: &str) -> Self {
        match (object.get(name), parts) {
            (Some(value), _) => Side::Given(value),
            (None, Parts::Struct(ty)) => match ty.field(name).and_then(|f| f.emitted.as_ref()) {
                None => Side::Absent,
                Some(Literal::EmptyObject) => Side::Empty,
                Some(Literal::Null) => Side::Given(&NULL),
                Some(zero) => Side::Zero(zero),
            },
            _ => Side::Absent,
        }
    }

    fn is_absent(self) -> bool {
        matches!(self, Side::Absent)
    }

    fn object(self) -> Option<&'a Object> {
        match self {
            Side::Given(Value::Object(object)) => Some(object),
            Side::Empty => Some(&NO_MEMBERS),
            _ => None,
        }
    }

    fn list(self) -> &'a [Value] {
        if let Side::Given(Value::Array(items)) = self { items } else { &[] }
    }

    fn value(self) -> Cow<'a, Value> {
        match self {
            Side::Absent => Cow::Borrowed(&NULL),
            Side::Given(value) => Cow::Borrowed(value),
            Side::Zero(literal) => Cow::Owned(literal.to_value()),
            Side::Empty => Cow::Owned(Value::Object(Object::new())),
        }
    }

    fn same_value(self, other: Self) -> bool {
        match (self, other) {
            (Side::Given(left), Side::Given(right)) => left == right,
            _ => self.value() == other.value(),
        }
    }
}

/// The differences between two objects of type `ty`. Either may lack what the wire carries even when unset.
pub(crate) fn compare<'a>(ty: &'a Type, old: &'a Object, new: &'a Object) -> FieldSet<'a> {
    members(Parts::Struct(ty), Some(old), Some(new))
}

/// The marks of a value itself and the differences below it.
fn value<'a>(parts: Parts<'a>, old: Side<'a>, new: Side<'a>) -> (Marks, FieldSet<'a>) {
    if let (Side::Given(left), Side::Given(right)) = (old, new)
        && left == right
    {
        return (Marks::NONE, FieldSet::default());
    }
    let below = match parts {
        Parts::Leaf => return (leaf(old, new), FieldSet::default()),
        Parts::Struct(_) | Parts::Map(_) | Parts::Untyped => {
            let untyped_leaf = matches!(parts, Parts::Untyped) && old.object().or(new.object()).is_none();
            // Structs that the wire always carries have members even when nothing is given.
            let bare = |side: Side<'_>| side.object().is_none_or(Object::is_empty);
            if untyped_leaf
                || (bare(old) && bare(new) && !(has_emitted(parts) && old.object().or(new.object()).is_some()))
            {
                return (leaf(old, new), FieldSet::default());
            }
            members(parts, old.object(), new.object())
        }
        Parts::Keyed(..) | Parts::Set => {
            if old.list().is_empty() && new.list().is_empty() {
                return (leaf(old, new), FieldSet::default());
            }
            items(parts, old.list(), new.list())
        }
    };
    let marks = match (old.is_absent(), new.is_absent()) {
        (true, false) => Marks::ADDED,
        (false, true) => Marks::REMOVED,
        _ => Marks::NONE,
    };
    (marks, below)
}

fn has_emitted(parts: Parts<'_>) -> bool {
    matches!(parts, Parts::Struct(ty) if ty.fields.iter().any(|f| f.emitted.is_some()))
}

fn leaf(old: Side<'_>, new: Side<'_>) -> Marks {
    match (old.is_absent(), new.is_absent()) {
        (true, true) => Marks::NONE,
        (true, false) => Marks::ADDED,
        (false, true) => Marks::REMOVED,
        (false, false) if old.same_value(new) => Marks::NONE,
        (false, false) => Marks::MODIFIED,
    }
}

/// The side of a member; one of an object that is not there is absent, whatever the wire would carry.
fn member<'a>(object: Option<&'a Object>, parts: Parts<'a>, name: &str) -> Side<'a> {
    object.map_or(Side::Absent, |object| Side::of(object, parts, name))
}

fn members<'a>(parts: Parts<'a>, old: Option<&'a Object>, new: Option<&'a Object>) -> FieldSet<'a> {
    let mut set = FieldSet::default();
    for name in names(parts, old.unwrap_or(&NO_MEMBERS), new.unwrap_or(&NO_MEMBERS)) {
        let (left, right) = (member(old, parts, name), member(new, parts, name));
        let (marks, below) = value(parts.of_member(name), left, right);
        set.push(Element::field(name), marks, below);
    }
    set
}

/// The names of both, in order, each once, with those that the wire carries even when unset.
fn names<'a>(parts: Parts<'a>, old: &'a Object, new: &'a Object) -> Vec<&'a str> {
    let emitted = match parts {
        Parts::Struct(ty) => &*ty.fields,
        _ => &[],
    };
    let emitted = emitted.iter().filter(|f| f.emitted.is_some()).map(|f| &*f.name);
    let mut names: Vec<&str> = old.keys().chain(new.keys()).map(String::as_str).chain(emitted).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The items of both lists by element; more than one of an element is a duplicate.
fn items<'a>(parts: Parts<'a>, old: &'a [Value], new: &'a [Value]) -> FieldSet<'a> {
    let mut found: BTreeMap<Element<'a>, (Vec<&'a Value>, Vec<&'a Value>)> = BTreeMap::new();
    for item in old {
        if let Some(element) = parts.item_element(item) {
            found.entry(element).or_default().0.push(item);
        }
    }
    for item in new {
        if let Some(element) = parts.item_element(item) {
            found.entry(element).or_default().1.push(item);
        }
    }
    let mut set = FieldSet::default();
    for (element, (old, new)) in found {
        let (marks, below) = item(parts.of_item(), &old, &new);
        set.push(element, marks, below);
    }
    set
}

fn item<'a>(parts: Parts<'a>, old: &[&'a Value], new: &[&'a Value]) -> (Marks, FieldSet<'a>) {
    let side = |items: &[&'a Value]| items.first().map_or(Side::Absent, |item| Side::Given(item));
    match (old.len(), new.len()) {
        (0 | 1, 0 | 1) => value(parts, side(old), side(new)),
        (2.., 2..) => (if old == new { Marks::NONE } else { Marks::MODIFIED }, FieldSet::default()),
        (2.., _) => {
            let (added, below) = value(parts, Side::Absent, side(new));
            (if new.is_empty() { Marks::REMOVED } else { added }, below)
        }
        (_, _) => (Marks::ADDED, value(parts, side(old), Side::Absent).1),
    }
}
