//! One message, as the reference's generated code writes it: fields in the order of their numbers, and those that Go holds by
//! value even where they are unset.

use super::value::{Keyed, put_int_or_string};
use crate::wire;
use gantry_kinds::{Field, Shape, Type};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use smallvec::SmallVec;
use std::{fmt, ops::Range};

/// Where messages are written.
pub(super) struct Sink<'s> {
    pub out: &'s mut Vec<u8>,
    /// Holds a message's fields while they are put in order.
    unordered: Vec<u8>,
}

impl<'s> Sink<'s> {
    pub fn new(out: &'s mut Vec<u8>) -> Self {
        Self { out, unordered: Vec::new() }
    }
}

/// A message whose fields are being written, in whatever order the JSON has them.
pub(super) struct Message<'a> {
    ty: &'a Type,
    start: usize,
    written: SmallVec<[Written; 16]>,
}

/// A field that is set.
struct Written {
    /// In the type's `by_tag`.
    place: usize,
    /// From the message's start.
    bytes: Range<usize>,
}

impl<'a> Message<'a> {
    pub fn new(ty: &'a Type, sink: &Sink<'_>) -> Self {
        Self { ty, start: sink.out.len(), written: SmallVec::new() }
    }

    /// Writes the value that comes next; one of a name that the type does not know is passed over.
    pub fn member<'de, A: MapAccess<'de>>(
        &mut self,
        found: Option<&Field>,
        members: &mut A,
        sink: &mut Sink<'_>,
    ) -> Result<(), A::Error> {
        let Some((field, number)) = found.and_then(|field| Some((field, *field.tag.last()?))) else {
            return members.next_value::<IgnoredAny>().map(drop);
        };
        let from = sink.out.len();
        members.next_value_seed(Keyed { number: number.into(), shape: &field.shape, proto: &field.proto, sink })?;
        let to = sink.out.len();
        if to > from {
            let bytes = from - self.start..to - self.start;
            self.written.push(Written { place: place(self.ty, field), bytes });
        }
        Ok(())
    }

    /// Puts the fields in order and adds those that are always there.
    pub fn finish(mut self, sink: &mut Sink<'_>) {
        if self.is_whole() {
            return;
        }
        let Sink { out, unordered } = sink;
        unordered.clear();
        unordered.extend_from_slice(&out[self.start..]);
        out.truncate(self.start);
        self.written.sort_unstable_by_key(|written| written.place);
        put_run(self.ty, 0..self.ty.by_tag.len(), 0, (&self.written, unordered), out);
    }

    /// True if the fields lie as they are to.
    fn is_whole(&self) -> bool {
        let mut next = self.written.iter().peekable();
        let is_fine = |(place, field): (usize, &Field)| {
            let is_set = next.next_if(|written| written.place == place).is_some();
            field.tag.len() == 1 && (is_set || !field.by_value)
        };
        fields(self.ty).enumerate().all(is_fine) && next.next().is_none()
    }
}

/// The fields in the order of their tags.
fn fields(ty: &Type) -> impl Iterator<Item = &Field> {
    ty.by_tag.iter().map(|at| &ty.fields[usize::from(*at)])
}

fn place(ty: &Type, field: &Field) -> usize {
    let found = ty.by_tag.binary_search_by(|at| ty.fields[usize::from(*at)].tag.cmp(&field.tag));
    found.expect("the tables list every field that has a tag")
}

/// Writes the fields of a run of `by_tag` that share the first `level` parts of their tags. Those that share more lie in a
/// message of their own, which is there even if none of them is set.
fn put_run(ty: &Type, run: Range<usize>, level: usize, set: (&[Written], &[u8]), out: &mut Vec<u8>) {
    let field = |place: usize| &ty.fields[usize::from(ty.by_tag[place])];
    let mut at = run.start;
    while at < run.end {
        let part = field(at).tag[level];
        if field(at).tag.len() == level + 1 {
            put_field(at, field(at), part.into(), set, out);
            at += 1;
            continue;
        }
        let end = (at..run.end).find(|other| field(*other).tag[level] != part).unwrap_or(run.end);
        let start = wire::open(part.into(), out);
        put_run(ty, at..end, level + 1, set, out);
        wire::close(start, out);
        at = end;
    }
}

fn put_field(place: usize, field: &Field, number: u32, (written, bytes): (&[Written], &[u8]), out: &mut Vec<u8>) {
    match written.binary_search_by_key(&place, |written| written.place) {
        Ok(at) => out.extend_from_slice(&bytes[written[at].bytes.clone()]),
        Err(_) if field.by_value => put_zero(&field.shape, number, out),
        Err(_) => {}
    }
}

fn put_zero(shape: &Shape, number: u32, out: &mut Vec<u8>) {
    match shape {
        Shape::Bool | Shape::Int32 | Shape::Int64 => wire::put_varint(number, 0, out),
        Shape::Double => wire::put_double(number, 0.0, out),
        Shape::IntOrString => put_int_or_string(number, 0, None, out),
        shape => {
            let start = wire::open(number, out);
            match shape {
                Shape::Quantity | Shape::ResourceQuantity => wire::put_bytes(wire::ONLY, b"0", out),
                Shape::Struct(ty) => put_run(ty, 0..ty.by_tag.len(), 0, (&[], &[]), out),
                // Texts, and messages that are empty while unset: times and free JSON.
                _ => {}
            }
            wire::close(start, out);
        }
    }
}

/// A struct as a field of that number.
pub(super) struct Nested<'a, 'o, 's> {
    pub number: u32,
    pub ty: &'a Type,
    pub sink: &'o mut Sink<'s>,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { number, ty, sink } = self;
        let start = wire::open(number, sink.out);
        let mut message = Message::new(ty, sink);
        while let Some(found) = members.next_key_seed(Name(ty))? {
            message.member(found, &mut members, sink)?;
        }
        message.finish(sink);
        wire::close(start, sink.out);
        Ok(())
    }
}

/// Looks a member up without copying its name.
pub(super) struct Name<'a>(pub &'a Type);

impl<'a, 'de> DeserializeSeed<'de> for Name<'a> {
    type Value = Option<&'a Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Option<&'a Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.field(name))
    }
}
