//! The members of structs: looked up by name, and kept if they say something.

use crate::canonical;
use gantry_kinds::{Field, Gate, Shape, Type};
use gantry_meta::{Object, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};
use std::fmt;

/// `null` leaves a field unset; so does a zero that the reference would not write.
pub(super) fn store(object: &mut Object, field: &Field, value: Option<Value>) {
    let marks = value.is_some() && field.gate == Gate::OffWithParent;
    let value = value.and_then(|mut value| {
        forget_gated(field, &mut value);
        is_kept(field, &value).then_some(value)
    });
    match value.or(marks.then_some(Value::Null)) {
        Some(value) => {
            object.insert(field.name.clone().into_owned(), value);
        }
        None => {
            object.remove(&*field.name);
        }
    }
}

/// A member that takes its struct along left a null there: it goes, and with it a struct that has nothing else.
pub(super) fn forget_gated(field: &Field, value: &mut Value) {
    let (Shape::Struct(ty), Value::Object(members)) = (&field.shape, &mut *value) else { return };
    let is_mark = |name: &str| ty.field(name).is_some_and(|field| field.gate == Gate::OffWithParent);
    let before = members.len();
    if members.values().any(Value::is_null) {
        members.retain(|name, value| !(value.is_null() && is_mark(name)));
    }
    if members.is_empty() && before > 0 {
        *value = Value::Null;
    }
}

/// Whether a field with this value counts as set. An empty list of managed fields does, because in an update it asks for them
/// to be cleared; so does what says something else than none. One that is always written stays for now: who sent it owns it,
/// and it is stored as null.
pub(super) fn is_kept(field: &Field, value: &Value) -> bool {
    let stays_empty = || field.name == "managedFields" || canonical::is_stated_empty(field, value);
    field.gate == Gate::Open && (!canonical::is_omitted(field, value) || stays_empty())
}

/// Which fields of a struct came already, by index.
#[derive(Default)]
pub(super) struct Seen([u64; 4]);

impl Seen {
    /// Notes the field; true if it came before. Fields beyond the 256th are not watched: no type has so many.
    pub fn again(&mut self, at: usize) -> bool {
        let Some(word) = self.0.get_mut(at / 64) else { return false };
        let bit = 1 << (at % 64);
        let again = *word & bit != 0;
        *word |= bit;
        again
    }
}

/// Looks a member's name up without copying it.
pub(super) struct Name<'a>(pub &'a Type);

pub(super) enum Member {
    /// The field's place.
    Known(usize),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Member, E> {
        Ok(self.0.place(name).map_or_else(|| Member::Unknown(name.to_owned()), Member::Known))
    }
}
