//! Recording who set what when an object is created, replaced or patched without apply.

use std::borrow::Cow;

use gantry_kinds::{Field, FieldNames, Shape, Type};
use gantry_meta::{Object, ObjectView as _, Value, time};
use jiff::Timestamp;

use super::{
    compare::{Unsaid, compare},
    entries::{self, Entry, Operation, Owner, Sent},
    reconcile::reconcile,
    versions::{Versions, touched},
};
use crate::engine::{FieldSet, Marks};

/// Who writes what, for the record.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// The type of the objects.
    pub ty: &'a Type,
    /// Of the request, which the entry carries: `apps/v1`.
    pub api_version: &'a str,
    /// `fieldManager`, or [`super::manager_of_user_agent`].
    pub manager: &'a str,
    /// Empty for the resource itself.
    pub subresource: &'a str,
    /// Fields that this request may not set, which nobody owns through it: [`gantry_kinds::Resource::reset_fields_of`].
    pub reset: &'a [FieldNames],
    /// The versions that others may have written the object in.
    pub versions: &'a dyn Versions,
    pub now: Timestamp,
}

impl Writer<'_> {
    /// When this is, for the record.
    pub(crate) fn time(&self) -> String {
        time::format_time(self.now)
    }

    pub(crate) fn owner(&self, operation: Operation) -> Owner {
        Owner {
            manager: self.manager.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            subresource: self.subresource.to_owned(),
        }
    }
}

/// Fields that are never owned.
const UNOWNED: [&[&str]; 9] = [
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "resourceVersion"],
];

/// Where the record stands.
pub(crate) const RECORD: &[&str] = &["metadata", "managedFields"];

/// `metadata.selfLink` is never stored; a client may send it still.
const SELF_LINK: &[&str] = &["metadata", "selfLink"];

pub(crate) fn strip_unowned(set: &mut FieldSet<'_>) {
    UNOWNED.iter().for_each(|path| set.remove_exactly(path));
    set.remove_exactly(SELF_LINK);
}

/// Brings `metadata.managedFields` of `new` up to date with what this write changes against `old` (`None`: a create).
///
/// Call it on the decoded object with its defaults, before admission and before the parts that the request may not write
/// are put back: what these fill in is owned by nobody. Entries that the client sent replace the stored ones, and an empty
/// list forgets them. No record is kept beside an entry whose version cannot be read.
pub fn record_update(writer: Writer<'_>, old: Option<&Object>, new: &mut Object) {
    let sent = entries::take(new);
    let stored = old.and_then(|old| old.metadata()?.get("managedFields"));
    let recorded = record(writer, old, new, stored, sent.as_ref());
    entries::put(new, recorded);
}

fn record(
    writer: Writer<'_>,
    old: Option<&Object>,
    new: &Object,
    stored: Option<&Value>,
    sent: Option<&Value>,
) -> Option<Value> {
    let sent = if writer.subresource.is_empty() { Sent::read(sent) } else { Sent::Nothing };
    let managed = match sent {
        Sent::Reset => Vec::new(),
        Sent::Entries(entries) => reconciled(writer, entries),
        Sent::Nothing => stored.and_then(entries::decode).unwrap_or_default(),
    };
    // An object whose record was cleared stays without one until somebody applies.
    if (old.is_some() && managed.is_empty()) || managed.iter().any(Entry::is_of_no_version) {
        return None;
    }
    let (nothing, new) = (Object::new(), without_empty_lists(writer.ty, new));
    entries::encode(updated(writer, old.unwrap_or(&nothing), &new, managed))
}

fn reconciled<'a>(writer: Writer<'_>, mut entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
    let of_this_version = |entry: &&mut Entry<'_>| entry.owner.api_version == writer.api_version;
    entries.iter_mut().filter(of_this_version).for_each(|entry| reconcile(writer.ty, &mut entry.set));
    entries
}

/// The object as it will be stored: some empty lists and maps are kept until then, and nobody comes to own them.
fn without_empty_lists<'a>(ty: &Type, object: &'a Object) -> Cow<'a, Object> {
    let is_empty_map = |name: &str, value: &Value| ty.field(name).is_some_and(|field| is_unowned_map(field, value));
    let concerns =
        |(name, value): (&String, &Value)| name != "metadata" && (has_empty_list(value) || is_empty_map(name, value));
    if !object.iter().any(concerns) {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    drop_empty_lists(ty, &mut object);
    Cow::Owned(object)
}

/// Whether an empty map is kept for the rules alone, as some lists are.
fn is_unowned_map(field: &Field, value: &Value) -> bool {
    field.pointer && matches!(field.shape, Shape::Map(_)) && value.as_object().is_some_and(Object::is_empty)
}

fn has_empty_list(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty() || items.iter().any(has_empty_list),
        Value::Object(members) => members.values().any(has_empty_list),
        _ => false,
    }
}

fn drop_empty_lists(ty: &Type, object: &mut Object) {
    object.retain(|name, value| match (ty.field(name), value) {
        (Some(field), Value::Array(items)) if items.is_empty() => field.emitted.is_some(),
        (Some(field), value) if is_unowned_map(field, value) => false,
        (Some(field), value) => {
            drop_empty_lists_of(&field.shape, value);
            true
        }
        (None, _) => true,
    });
}

fn drop_empty_lists_of(shape: &Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(members)) => drop_empty_lists(ty, members),
        (Shape::List(of), Value::Array(items)) => items.iter_mut().for_each(|item| drop_empty_lists_of(of, item)),
        (Shape::Map(of), Value::Object(members)) => {
            members.values_mut().for_each(|value| drop_empty_lists_of(of, value))
        }
        _ => {}
    }
}

/// The entries after `writer` changed `old` into `new`.
pub(crate) fn updated<'a>(
    writer: Writer<'a>,
    old: &'a Object,
    new: &'a Object,
    mut managed: Vec<Entry<'a>>,
) -> Vec<Entry<'a>> {
    let mut changes = compare(writer.ty, old, new, Unsaid::Zero);
    changes.remove_subtree(RECORD);
    writer.reset.iter().for_each(|path| changes.remove_subtree(path));
    // What was written belongs to the writer now, and what was removed to nobody.
    let touched = touched(writer, &mut managed, (old, new), &changes);
    managed.iter_mut().zip(touched).for_each(|(entry, touched)| touched.take_from(entry));
    managed.retain(|entry| !entry.set.is_empty());
    let mut own = changes.select(Marks::WRITTEN);
    strip_unowned(&mut own);
    if !own.is_empty() {
        add_to_owner(&mut managed, writer.owner(Operation::Update), own, writer.time());
    }
    entries::cap_updaters(&mut managed);
    managed
}

fn add_to_owner<'a>(managed: &mut Vec<Entry<'a>>, owner: Owner, own: FieldSet<'a>, time: String) {
    match managed.iter_mut().find(|entry| entry.owner.is(&owner)) {
        Some(entry) => {
            entry.set = std::mem::take(&mut entry.set).union(own);
            entry.time = time;
            entry.is_changed();
        }
        None => managed.push(Entry { owner, time, set: own, wire: None, fields: None }),
    }
}
