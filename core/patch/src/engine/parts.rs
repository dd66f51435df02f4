//! How a value is taken apart: what is one leaf, and what its parts are called.

use std::borrow::Cow;

use gantry_kinds::{Field, Literal, Shape, Text, Topology, Type};
use gantry_meta::{Object, Value};

use super::element::Element;

/// Which marks of the field tables say how a value is taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    /// What managers own by itself: topologies, and the keys of maps in lists.
    Ownership,
    /// What a strategic merge patch merges: patch strategies and merge keys.
    Patch,
}

/// What a value is made of, as a view of the field tables has it.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'t> {
    pub form: Form<'t>,
    view: View,
}

#[derive(Clone, Copy)]
pub(crate) enum Form<'t> {
    /// One whole.
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
    /// Of a value about which no table says anything.
    pub const UNTYPED: Self = Self { form: Form::Untyped, view: View::Ownership };

    /// Of a struct, as owners see it.
    pub fn owned(ty: &'t Type) -> Self {
        Self { form: Form::Struct(ty), view: View::Ownership }
    }

    /// Of a struct, as a strategic merge patch sees it.
    pub fn patched(ty: &'t Type) -> Self {
        Self { form: Form::Struct(ty), view: View::Patch }
    }

    /// Of a field, as owners see it.
    pub fn of_owned_field(field: &'t Field) -> Self {
        Self { form: owned_form(field), view: View::Ownership }
    }

    /// An item's or a map value's parts for owners: only structs and maps have any there.
    pub fn of_shape(shape: &'t Shape) -> Self {
        Self { form: form_of_shape(shape), view: View::Ownership }
    }

    fn of_field(self, field: &'t Field) -> Self {
        self.with(match self.view {
            View::Ownership => owned_form(field),
            View::Patch => patched_form(field),
        })
    }

    fn with(self, form: Form<'t>) -> Self {
        Self { form, view: self.view }
    }

    /// As a list whose items are found by value.
    pub fn as_set(self) -> Self {
        self.with(Form::Set)
    }

    /// The parts of a member. Unknown members of a struct are leaves.
    pub fn of_member(self, name: &str) -> Self {
        match self.form {
            Form::Struct(ty) => match ty.field(name) {
                Some(field) => self.of_field(field),
                None => self.with(Form::Leaf),
            },
            Form::Map(value) => self.with(form_of_shape(value)),
            Form::Untyped => self,
            Form::Leaf | Form::Keyed(..) | Form::Set => self.with(Form::Leaf),
        }
    }

    /// [`Self::of_member`] and [`Self::names_field`] with one look at the table.
    pub fn of_named(self, name: &str) -> (Self, bool) {
        match self.form {
            Form::Struct(ty) => match ty.field(name) {
                Some(field) => (self.of_field(field), true),
                None => (self.with(Form::Leaf), false),
            },
            _ => (self.of_member(name), false),
        }
    }

    /// True if `name` is one of a struct's fields, as opposed to a key of a map.
    pub fn names_field(self, name: &str) -> bool {
        matches!(self.form, Form::Struct(ty) if ty.field(name).is_some())
    }

    /// The parts of an item.
    pub fn of_item(self) -> Self {
        match (self.form, self.view) {
            (Form::Keyed(item, _), View::Ownership) if item.atomic => self.with(Form::Leaf),
            (Form::Keyed(item, _), _) => self.with(Form::Struct(item)),
            _ => self.with(Form::Leaf),
        }
    }

    /// How an item of this list is found. `None` if it is no item of such a list.
    ///
    /// To owners, members of sets are scalars, and keys that an item leaves out have their defaults. To a patch, any value is a
    /// member of a set, and an item without its merge key is none.
    pub fn item_element<'a>(self, item: &Value) -> Option<Element<'a>> {
        match (self.form, self.view) {
            (Form::Set, View::Ownership) => is_scalar(item).then(|| Element::value(item)),
            (Form::Set, View::Patch) => Some(Element::value(item)),
            (Form::Keyed(ty, keys), View::Ownership) => keyed_element(ty, keys, item.as_object()?),
            (Form::Keyed(_, keys), View::Patch) => {
                let item = item.as_object()?;
                let members = keys.iter().map(|key| Some((&**key, item.get(&**key)?)));
                Some(Element::key(members.collect::<Option<Vec<_>>>()?.into_iter()))
            }
            _ => None,
        }
    }

    /// Whether owners find both items of this list by the same element, which is not spelled out for it.
    pub fn same_item(self, one: &Value, other: &Value) -> bool {
        match (self.form, one, other) {
            (Form::Set, ..) => one == other && is_scalar(one),
            (Form::Keyed(ty, keys), Value::Object(one), Value::Object(other)) => {
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

fn owned_form(field: &Field) -> Form<'_> {
    match (field.topology, &field.shape) {
        (Topology::Atomic, _) => Form::Leaf,
        (Topology::GranularStruct, Shape::Struct(ty)) => Form::Struct(ty),
        (Topology::ListSet, _) => Form::Set,
        (Topology::ListMap, Shape::List(item)) => match item.as_struct() {
            Some(item) => Form::Keyed(item, &field.map_keys),
            None => Form::Leaf,
        },
        (_, shape) => form_of_shape(shape),
    }
}

fn form_of_shape(shape: &Shape) -> Form<'_> {
    match shape {
        Shape::Struct(ty) if !ty.atomic => Form::Struct(ty),
        Shape::Map(value) => Form::Map(value),
        Shape::Raw => Form::Untyped,
        _ => Form::Leaf,
    }
}

/// A patch has no marks for what is in maps.
fn patched_form(field: &Field) -> Form<'_> {
    match &field.shape {
        _ if field.patch.replace => Form::Leaf,
        Shape::Struct(ty) => Form::Struct(ty),
        Shape::List(item) if field.patch.merge => match (&field.merge_key, item.as_struct()) {
            (Some(key), Some(item)) => Form::Keyed(item, std::slice::from_ref(key)),
            _ => Form::Set,
        },
        Shape::List(_) => Form::Leaf,
        _ => Form::Untyped,
    }
}

fn value_of_key<'i>(ty: &Type, key: &str, item: &'i Object) -> Option<Cow<'i, Value>> {
    match item.get(key) {
        Some(value) => Some(Cow::Borrowed(value)),
        None => ty.field(key).and_then(default_of_key).map(Cow::Owned),
    }
}

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
