//! Reading a tree by field, with the path at hand for when something is wrong.

use std::rc::Rc;

use crate::ratchet::Ratchet;
use gantry_kinds::{
    FieldName,
    fields::{AnyObject, meta_v1::ObjectMeta},
};
use gantry_meta::{Cause, CauseType, FieldPath, Object, Value};

/// A field of an object, present or not, that knows where it stands. Cheap to clone; its path is spelled out only when
/// a cause needs it. Most fields are looked at and left: only what has parts takes memory for its place.
#[derive(Clone)]
pub struct Field<'a> {
    value: Option<&'a Value>,
    parent: Option<Rc<Step<'a>>>,
    segment: Segment<'a>,
    /// This place, for the fields below it, where there are some.
    place: Option<Rc<Step<'a>>>,
}

struct Step<'a> {
    parent: Option<Rc<Step<'a>>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Member(&'a str),
    Index(usize),
    Key(&'a str),
}

impl Step<'_> {
    fn path(&self) -> FieldPath {
        path(self.parent.as_deref(), self.segment)
    }
}

fn path(parent: Option<&Step<'_>>, segment: Segment<'_>) -> FieldPath {
    let parent = parent.map_or_else(FieldPath::root, Step::path);
    match segment {
        Segment::Member(name) => parent.field(name),
        Segment::Index(at) => parent.index(at),
        Segment::Key(key) => parent.key(key),
    }
}

impl<'a> Field<'a> {
    fn new(value: Option<&'a Value>, parent: Option<Rc<Step<'a>>>, segment: Segment<'a>) -> Self {
        let has_parts = matches!(value, Some(Value::Object(_) | Value::Array(_)));
        let place = has_parts.then(|| Rc::new(Step { parent: parent.clone(), segment }));
        Self { value, parent, segment, place }
    }

    /// A member of an object, at the path `name`.
    pub fn root_member(object: &'a Object, name: FieldName) -> Self {
        Self::new(object.get(name.as_str()), None, Segment::Member(name.as_str()))
    }

    fn place(&self) -> Rc<Step<'a>> {
        let step = || Rc::new(Step { parent: self.parent.clone(), segment: self.segment });
        self.place.clone().unwrap_or_else(step)
    }

    fn below(&self, value: Option<&'a Value>, segment: Segment<'a>) -> Self {
        Self::new(value, Some(self.place()), segment)
    }

    /// The member `name`; absent if this is absent or no object.
    #[must_use]
    pub fn member(&self, name: FieldName) -> Self {
        self.member_as(name, name.as_str())
    }

    /// As [`Self::member`], for what no table knows: values without a type, and maps whose entries are reported as members.
    #[must_use]
    pub fn untyped_member(&self, name: &'a str) -> Self {
        self.below(self.value.and_then(|v| v.get(name)), Segment::Member(name))
    }

    /// The member `name`, reported as `reported`: the reference's internal names differ here and there.
    #[must_use]
    pub fn member_as(&self, name: FieldName, reported: &'a str) -> Self {
        self.below(self.value.and_then(|v| v.get(name.as_str())), Segment::Member(reported))
    }

    /// The member `name` of a map, at `self[name]`.
    #[must_use]
    pub fn entry(&self, name: &'a str) -> Self {
        self.below(self.value.and_then(|v| v.get(name)), Segment::Key(name))
    }

    /// The place of the element at an index, without a value.
    #[must_use]
    pub fn element(&self, at: usize) -> Self {
        self.below(None, Segment::Index(at))
    }

    /// The entry `name` of a map, at `self[name]`, if it is there.
    pub fn property(&self, name: &str) -> Option<Self> {
        let (name, value) = self.object()?.get_key_value(name)?;
        Some(self.below(Some(value), Segment::Key(name)))
    }

    /// No value, at the same place.
    #[must_use]
    pub fn nothing(&self) -> Self {
        Self { value: None, ..self.clone() }
    }

    /// Another value at the same place: what is read from a text that stands there.
    pub fn holding<'b>(&self, value: &'b Value) -> Field<'b>
    where
        'a: 'b,
    {
        Field { value: Some(value), ..self.clone() }
    }

    /// The same value, reported at another place.
    #[must_use]
    pub fn reported_at(&self, other: &Field<'a>) -> Self {
        Self { value: self.value, ..other.clone() }
    }

    /// The same member under another name.
    #[must_use]
    pub fn renamed(&self, name: &'a str) -> Self {
        Self::new(self.value, self.parent.clone(), Segment::Member(name))
    }

    /// The elements of a list, each at `self[i]`.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = Field<'a>> + ExactSizeIterator + use<'a> {
        let items = self.value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let place = (!items.is_empty()).then(|| self.place());
        let item = move |(at, item)| Self::new(Some(item), place.clone(), Segment::Index(at));
        items.iter().enumerate().map(item)
    }

    /// The members of a map in key order, each at `self[key]`.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> + use<'a> {
        let members = self.object().filter(|members| !members.is_empty());
        let place = members.map(|_| self.place());
        let entry = move |(key, value): (&'a String, &'a Value)| {
            (key.as_str(), Self::new(Some(value), place.clone(), Segment::Key(key)))
        };
        members.into_iter().flatten().map(entry)
    }

    /// The value, null counting as absent.
    pub fn value(&self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    pub fn is_set(&self) -> bool {
        self.value().is_some()
    }

    /// True for absent, null, `""`, `[]` and `{}`.
    pub fn is_empty(&self) -> bool {
        match self.value() {
            None => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(members)) => members.is_empty(),
            Some(_) => false,
        }
    }

    /// Number of elements or members.
    pub fn len(&self) -> usize {
        match self.value() {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(members)) => members.len(),
            _ => 0,
        }
    }

    /// The text, empty if absent or no text.
    pub fn text(&self) -> &'a str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    pub fn int(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    /// True only for `true`.
    pub fn flag(&self) -> bool {
        self.value.and_then(Value::as_bool).unwrap_or_default()
    }

    pub fn object(&self) -> Option<&'a Object> {
        self.value.and_then(Value::as_object)
    }

    pub fn path(&self) -> FieldPath {
        path(self.parent.as_deref(), self.segment)
    }
}

/// An object under validation: its members by name.
#[derive(Clone, Copy)]
pub struct Root<'a>(pub &'a Object);

impl<'a> Root<'a> {
    #[must_use]
    pub fn member(self, name: FieldName) -> Field<'a> {
        Field::root_member(self.0, name)
    }

    /// As [`Field::untyped_member`].
    #[must_use]
    pub fn untyped_member(self, name: &'a str) -> Field<'a> {
        Field::new(self.0.get(name), None, Segment::Member(name))
    }

    /// As [`Field::member_as`].
    #[must_use]
    pub fn member_as(self, name: FieldName, reported: &'a str) -> Field<'a> {
        Field::new(self.0.get(name.as_str()), None, Segment::Member(reported))
    }

    /// `metadata.name`
    pub fn name(self) -> &'a str {
        self.member(AnyObject::METADATA).member(ObjectMeta::NAME).text()
    }

    /// `metadata.namespace`
    pub fn namespace(self) -> &'a str {
        self.member(AnyObject::METADATA).member(ObjectMeta::NAMESPACE).text()
    }
}

/// What is wrong with an object, in the order in which it was found.
#[derive(Default)]
pub struct Causes(pub(crate) Vec<(Cause, Option<Ratchet>)>);

impl Causes {
    pub fn push(&mut self, cause: Cause) {
        self.0.push((cause, None));
    }

    pub fn append(&mut self, other: Causes) {
        self.0.extend(other.0);
    }

    /// Appends in the order of fields.
    pub fn append_sorted(&mut self, mut other: Causes) {
        other.0.sort_by(|(one, _), (two, _)| (&one.field, &one.message).cmp(&(&two.field, &two.message)));
        self.append(other);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<Cause> {
        self.0.into_iter().map(|(cause, _)| cause).collect()
    }

    pub fn required(&mut self, field: &Field<'_>) {
        self.push(Cause::required(&field.path(), "Required value"));
    }

    /// [`Causes::required`] if the field is empty; whether it is there.
    pub fn require(&mut self, field: &Field<'_>) -> bool {
        let there = !field.is_empty();
        if !there {
            self.required(field);
        }
        there
    }

    pub fn invalid(&mut self, field: &Field<'_>, why: &'static str) {
        self.push(Cause::invalid(&field.path(), shown(field, why)));
    }

    /// [`Causes::invalid`] with a reason that is known only now.
    pub fn invalid_because(&mut self, field: &Field<'_>, why: &str) {
        self.push(Cause::invalid(&field.path(), shown(field, why)));
    }

    /// One cause for each reason.
    pub fn invalid_each(&mut self, field: &Field<'_>, reasons: impl IntoIterator<Item = &'static str>) {
        reasons.into_iter().for_each(|why| self.invalid(field, why));
    }

    pub fn forbidden(&mut self, field: &Field<'_>, why: &'static str) {
        self.push(Cause::forbidden(&field.path(), why));
    }

    /// [`Causes::forbidden`] with a reason that is known only now.
    pub fn forbidden_because(&mut self, field: &Field<'_>, why: &str) {
        self.push(Cause::forbidden(&field.path(), why.to_owned()));
    }

    pub fn duplicate(&mut self, field: &Field<'_>) {
        self.push(Cause::duplicate(&field.path(), &display(field)));
    }

    /// What the reference reports where it stumbles itself.
    pub fn internal(&mut self, field: &Field<'_>, why: &'static str) {
        self.push(Cause::new(CauseType::InternalError, field.path().to_string(), why));
    }

    pub fn not_found(&mut self, field: &Field<'_>) {
        let message = format!("Not found: {:?}", display(field));
        self.push(Cause::new(CauseType::FieldValueNotFound, field.path().to_string(), message));
    }

    pub fn not_supported(&mut self, field: &Field<'_>, supported: &[&str]) {
        self.push(Cause::not_supported(&field.path(), &display(field), supported));
    }

    pub fn too_long(&mut self, field: &Field<'_>, max_bytes: usize) {
        self.push(Cause::too_long(&field.path(), max_bytes));
    }

    pub fn too_many(&mut self, field: &Field<'_>, max: usize) {
        self.push(Cause::too_many(&field.path(), field.len(), max));
    }

    /// [`Causes::not_supported`] unless the text is one of `supported`; an empty one is required first.
    pub fn require_one_of(&mut self, field: &Field<'_>, supported: &[&str]) {
        if self.require(field) {
            self.one_of(field, supported);
        }
    }

    /// [`Causes::not_supported`] unless the text is one of `supported`.
    pub fn one_of(&mut self, field: &Field<'_>, supported: &[&str]) {
        if !supported.contains(&field.text()) {
            self.not_supported(field, supported);
        }
    }

    /// [`Causes::invalid`] for a number below zero.
    pub fn non_negative(&mut self, field: &Field<'_>) {
        if field.int().is_some_and(|n| n < 0) {
            self.invalid(field, "must be greater than or equal to 0");
        }
    }

    /// [`Causes::invalid`] for a number of one or less than one.
    pub fn positive(&mut self, field: &Field<'_>) {
        if field.int().is_some_and(|n| n <= 0) {
            self.invalid(field, "must be greater than 0");
        }
    }

    /// As [`Causes::positive`], an absent number counting as zero.
    pub fn positive_or_absent(&mut self, field: &Field<'_>) {
        if field.int().unwrap_or_default() <= 0 {
            self.invalid(field, "must be positive");
        }
    }

    /// [`Causes::invalid`] unless both are [`alike`].
    pub fn immutable(&mut self, new: &Field<'_>, old: &Field<'_>) {
        if !alike(new.value(), old.value()) {
            self.invalid(new, "field is immutable");
        }
    }
}

/// Whether two values say the same to the reference: at any depth null is as good as absent, and so is a list without items.
pub fn alike(one: Option<&Value>, other: Option<&Value>) -> bool {
    let says_nothing = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    one == other
        || match (one, other) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => objects_alike(one, other),
            (Some(Value::Array(one)), Some(Value::Array(other))) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(Some(one), Some(other)))
            }
            _ => says_nothing(one) && says_nothing(other),
        }
}

/// As [`alike`], of the members of objects.
pub fn objects_alike(one: &Object, other: &Object) -> bool {
    let mut names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    names.all(|name| alike(one.get(name), other.get(name)))
}

/// Longest value that is repeated in a message.
const SHOWN_BYTES: usize = 80;

fn display(field: &Field<'_>) -> String {
    match field.value() {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

fn shown(field: &Field<'_>, why: &str) -> String {
    let Some(value) = field.value() else { return why.to_owned() };
    let text = display(field);
    let start = &text[..text.floor_char_boundary(SHOWN_BYTES)];
    match value {
        Value::String(_) => format!("{start:?}: {why}"),
        _ => format!("{start}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_kinds::fields::core_v1::{Container, PodSpec};
    use serde_json::json;

    #[test]
    fn a_list_without_items_says_as_much_as_none_and_a_struct_without_members_more() {
        let (one, other) = (json!({"a": [{"b": [], "c": null}]}), json!({"a": [{}], "d": []}));
        assert!(alike(Some(&one), Some(&other)));
        assert!(!alike(Some(&json!({"a": {}})), Some(&json!({}))));
        assert!(!alike(Some(&json!([1])), None));
    }

    #[test]
    fn fields_know_their_path_even_when_absent() {
        let Value::Object(object) = json!({"spec": {"containers": [{"name": "a"}], "m": {"a.b/c": 1}}}) else {
            unreachable!("an object is written above")
        };
        let spec = Root(&object).member(AnyObject::SPEC);
        let container = spec.member(PodSpec::CONTAINERS).items().next().unwrap();
        assert_eq!(container.member(Container::PORTS).path().as_str(), "spec.containers[0].ports");
        assert_eq!(spec.untyped_member("m").entries().next().unwrap().1.path().as_str(), "spec.m[a.b/c]");
        assert!(spec.member(PodSpec::AFFINITY).untyped_member("x").is_empty());
    }
}
