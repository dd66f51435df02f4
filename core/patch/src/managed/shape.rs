//! How a value is taken apart for ownership: what is one leaf, and what its parts are called.

use std::borrow::Cow;

use gantry_kinds::{Field, Literal, Shape, Text, Topology, Type};
use gantry_meta::{Object, Value};

use super::set::Element;

/// The value of a key that an item leaves out: the field's default, or its zero where that is the same as none.
fn default_of_key(field: &Field) -> Option<Value> {
    match (&field.default, &field.shape) {
        (Some(default), _) => Some(Literal::to_value(default)),
        _ if field.pointer => None,
        (None, Shape::String) => Some(Value::from("")),
        (None, Shape::Int32 | Shape::Int64) => Some(Value::from(0)),
        _ => None,
    }
}

/// What a value is to ownership.
#[derive(Clone, Copy)]
pub(crate) enum Parts<'t> {
    /// Owned as a whole.
    Leaf,
    Struct(&'t Type),
    Map(&'t Shape),
    /// Items found by these keys.
    Keyed(&'t Type, &'t [Text]),
    /// Items found by value.
    Set,
    /// Without a schema: objects member by member, everything else as a whole.
    Untyped,
}

impl<'t> Parts<'t> {
    pub fn of_field(field: &'t Field) -> Self {
        match (field.topology, &field.shape) {
            (Topology::Atomic, _) => Parts::Leaf,
            (Topology::GranularStruct, Shape::Struct(ty)) => Parts::Struct(ty),
            (Topology::ListSet, _) => Parts::Set,
            (Topology::ListMap, Shape::List(item)) => match item.as_struct() {
                Some(item) => Parts::Keyed(item, &field.map_keys),
                None => Parts::Leaf,
            },
            (_, shape) => Parts::of_shape(shape),
        }
    }

    /// An item's or a map value's parts: only structs and maps have any there.
    pub fn of_shape(shape: &'t Shape) -> Self {
        match shape {
            Shape::Struct(ty) if !ty.atomic => Parts::Struct(ty),
            Shape::Map(value) => Parts::Map(value),
            Shape::Raw => Parts::Untyped,
            _ => Parts::Leaf,
        }
    }

    /// The parts of a member. Unknown members of a struct are leaves.
    pub fn of_member(self, name: &str) -> Self {
        match self {
            Parts::Struct(ty) => ty.field(name).map_or(Parts::Leaf, Parts::of_field),
            Parts::Map(value) => Parts::of_shape(value),
            Parts::Untyped => Parts::Untyped,
            Parts::Leaf | Parts::Keyed(..) | Parts::Set => Parts::Leaf,
        }
    }

    /// [`Self::of_member`] and [`Self::names_field`] with one look at the table.
    pub fn of_named(self, name: &str) -> (Self, bool) {
        match self {
            Parts::Struct(ty) => match ty.field(name) {
                Some(field) => (Parts::of_field(field), true),
                None => (Parts::Leaf, false),
            },
            other => (other.of_member(name), false),
        }
    }

    /// True if `name` is one of a struct's fields, as opposed to a key of a map.
    pub fn names_field(self, name: &str) -> bool {
        matches!(self, Parts::Struct(ty) if ty.field(name).is_some())
    }

    /// The parts of an item.
    pub fn of_item(self) -> Self {
        match self {
            Parts::Keyed(item, _) if !item.atomic => Parts::Struct(item),
            _ => Parts::Leaf,
        }
    }

    /// How an item of this list is found. `None` if it is no item of such a list: of a set, what is no scalar; of others, what is
    /// no object, or lacks all keys.
    pub fn item_element<'a>(self, item: &Value) -> Option<Element<'a>> {
        match self {
            Parts::Set => is_scalar(item).then(|| Element::value(item)),
            Parts::Keyed(ty, keys) => keyed_element(ty, keys, item.as_object()?),
            _ => None,
        }
    }

    /// Whether both are items of this list that have the same element, which is not spelled out for it.
    pub fn same_item(self, one: &Value, other: &Value) -> bool {
        match (self, one, other) {
            (Parts::Set, ..) => one == other && is_scalar(one),
            (Parts::Keyed(ty, keys), Value::Object(one), Value::Object(other)) => {
                let mut has_key = false;
                let same = keys.iter().all(|key| {
                    let (one, other) = (value_of_key(ty, key, one), value_of_key(ty, key, other));
                    has_key |= one.is_some();
                    one == other
                });
                same && has_key
            }
            _ => false,
        }
    }

    /// Whether both lists hold the same items, whatever else is in them, in the same order.
    pub fn same_items(self, one: &[Value], other: &[Value]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| self.same_item(one, other))
    }
}

fn value_of_key<'i>(ty: &Type, key: &str, item: &'i Object) -> Option<Cow<'i, Value>> {
    match item.get(key) {
        Some(value) => Some(Cow::Borrowed(value)),
        None => ty.field(key).and_then(default_of_key).map(Cow::Owned),
    }
}

fn is_scalar(item: &Value) -> bool {
    !matches!(item, Value::Null | Value::Array(_) | Value::Object(_))
}

/// Keys that an item lacks are no part of its element.
fn keyed_element<'a>(ty: &Type, keys: &[Text], item: &Object) -> Option<Element<'a>> {
    let mut members = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(value) = value_of_key(ty, key, item) {
            members.push((&**key, value));
        }
    }
    if members.is_empty() {
        return None;
    }
    members.sort_unstable_by_key(|(name, _)| *name);
    Some(Element::key(members.iter().map(|(name, value)| (*name, &**value))))
}
