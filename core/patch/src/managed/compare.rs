//! What an update changed: one walk over both objects that visits only what differs.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, sync::LazyLock};

use gantry_kinds::{Literal, Type};
use gantry_meta::{Object, Value};

use crate::engine::{Element, FieldSet, Form, Marks, Parts};

static NO_MEMBERS: LazyLock<Object> = LazyLock::new(Object::new);
static NULL: Value = Value::Null;

/// What a member that an object lacks is, if the wire carries it even when unset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsaid {
    /// Its zero: the object is of its type, whether that is spelled out or not.
    Zero,
    /// Not there: the object is a configuration, or has one laid over it.
    Absent,
}

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
    /// The member `name` of an object that does not have it.
    fn unset(parts: Parts<'a>, name: &str, unsaid: Unsaid) -> Self {
        let (Form::Struct(ty), Unsaid::Zero) = (parts.form, unsaid) else { return Side::Absent };
        match ty.field(name).and_then(|f| f.emitted.as_ref()) {
            None => Side::Absent,
            Some(Literal::EmptyObject) => Side::Empty,
            Some(Literal::Null) => Side::Given(&NULL),
            Some(zero) => Side::Zero(zero),
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

/// The differences between two objects of type `ty`, to which an empty list or map is a value.
pub(crate) fn compare<'a>(ty: &'a Type, old: &'a Object, new: &'a Object, unsaid: Unsaid) -> FieldSet<'a> {
    unsaid.members(Parts::owned(ty), Some(old), Some(new))
}

/// Up to so many items are compared each with each; for more, their elements are sorted.
const FEW: usize = 16;

impl Unsaid {
    /// The marks of a value itself and the differences below it.
    fn value<'a>(self, parts: Parts<'a>, old: Side<'a>, new: Side<'a>) -> (Marks, FieldSet<'a>) {
        if let (Side::Given(left), Side::Given(right)) = (old, new)
            && left == right
        {
            return (Marks::NONE, FieldSet::default());
        }
        let below = match parts.form {
            Form::Leaf => return (leaf(old, new), FieldSet::default()),
            Form::Struct(_) | Form::Map(_) | Form::Untyped => {
                let untyped_leaf = matches!(parts.form, Form::Untyped) && old.object().or(new.object()).is_none();
                // Structs that the wire always carries have members even when nothing is given.
                let bare = |side: Side<'_>| side.object().is_none_or(Object::is_empty);
                if untyped_leaf
                    || (bare(old) && bare(new) && !(self.has_emitted(parts) && old.object().or(new.object()).is_some()))
                {
                    return (leaf(old, new), FieldSet::default());
                }
                self.members(parts, old.object(), new.object())
            }
            Form::Keyed(..) | Form::Set => {
                if old.list().is_empty() && new.list().is_empty() {
                    return (leaf(old, new), FieldSet::default());
                }
                self.items(parts, old.list(), new.list())
            }
        };
        let marks = match (old.is_absent(), new.is_absent()) {
            (true, false) => Marks::ADDED,
            (false, true) => Marks::REMOVED,
            _ => Marks::NONE,
        };
        (marks, below)
    }

    fn has_emitted(self, parts: Parts<'_>) -> bool {
        self == Unsaid::Zero && matches!(parts.form, Form::Struct(ty) if !ty.emitting.is_empty())
    }

    fn members<'a>(self, parts: Parts<'a>, old: Option<&'a Object>, new: Option<&'a Object>) -> FieldSet<'a> {
        match (old, new) {
            (Some(old), Some(new)) => self.members_of_both(parts, old, new),
            (Some(old), None) => self.members_of_one(parts, old, |side| (side, Side::Absent)),
            (None, Some(new)) => self.members_of_one(parts, new, |side| (Side::Absent, side)),
            (None, None) => FieldSet::default(),
        }
    }

    /// What the wire carries even when unset, and neither has, is the same in both.
    fn members_of_both<'a>(self, parts: Parts<'a>, old: &'a Object, new: &'a Object) -> FieldSet<'a> {
        let mut set = FieldSet::default();
        let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (olds.peek(), news.peek()) {
                (Some((old, _)), Some((new, _))) => old.cmp(new),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return set,
            };
            let left = if order.is_le() { olds.next() } else { None };
            let right = if order.is_ge() { news.next() } else { None };
            if let (Some((_, left)), Some((_, right))) = (left, right)
                && left == right
            {
                continue;
            }
            let (name, _) = left.or(right).expect("one of the two was there");
            let side = |member: Option<(&'a String, &'a Value)>| match member {
                Some((_, value)) => Side::Given(value),
                None => Side::unset(parts, name, self),
            };
            let (marks, below) = self.value(parts.of_member(name), side(left), side(right));
            set.push(Element::field(name), marks, below);
        }
    }

    /// Against an object that is not there nothing is the same, nor is what the wire carries even when unset.
    fn members_of_one<'a>(
        self,
        parts: Parts<'a>,
        object: &'a Object,
        sides: impl Fn(Side<'a>) -> (Side<'a>, Side<'a>),
    ) -> FieldSet<'a> {
        let mut set = FieldSet::default();
        for name in names(parts, object, self) {
            let (old, new) = sides(object.get(name).map_or_else(|| Side::unset(parts, name, self), Side::Given));
            let (marks, below) = self.value(parts.of_member(name), old, new);
            set.push(Element::field(name), marks, below);
        }
        set
    }

    /// The items of both lists by element.
    fn items<'a>(self, parts: Parts<'a>, old: &'a [Value], new: &'a [Value]) -> FieldSet<'a> {
        let repeats = || (1..new.len()).any(|at| new[..at].iter().any(|earlier| parts.same_item(earlier, &new[at])));
        if new.len() > FEW || !parts.same_items(old, new) || repeats() {
            return self.items_by_element(parts, old, new);
        }
        let mut set = FieldSet::default();
        for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
            let (marks, below) = self.value(parts.of_item(), Side::Given(old), Side::Given(new));
            if let Some(element) = parts.item_element(new) {
                set.push(element, marks, below);
            }
        }
        set.sort();
        set
    }

    /// More than one item of an element is a duplicate.
    fn items_by_element<'a>(self, parts: Parts<'a>, old: &'a [Value], new: &'a [Value]) -> FieldSet<'a> {
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
            let (marks, below) = self.item(parts.of_item(), &old, &new);
            set.push(element, marks, below);
        }
        set
    }

    fn item<'a>(self, parts: Parts<'a>, old: &[&'a Value], new: &[&'a Value]) -> (Marks, FieldSet<'a>) {
        let side = |items: &[&'a Value]| items.first().map_or(Side::Absent, |item| Side::Given(item));
        match (old.len(), new.len()) {
            (0 | 1, 0 | 1) => self.value(parts, side(old), side(new)),
            (2.., 2..) => (if old == new { Marks::NONE } else { Marks::MODIFIED }, FieldSet::default()),
            (2.., _) => {
                let (added, below) = self.value(parts, Side::Absent, side(new));
                (if new.is_empty() { Marks::REMOVED } else { added }, below)
            }
            (_, _) => (Marks::ADDED, self.value(parts, side(old), Side::Absent).1),
        }
    }
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

/// The object's names and those that the wire carries even when unset, in order, each once.
fn names<'a>(parts: Parts<'a>, object: &'a Object, unsaid: Unsaid) -> Vec<&'a str> {
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    if let (Form::Struct(ty), Unsaid::Zero) = (parts.form, unsaid) {
        names.extend(ty.emitting().map(|field| &*field.name));
        names.sort_unstable();
        names.dedup();
    }
    names
}
