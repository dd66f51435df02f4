//! Server-side apply: a manager states the fields it cares about and owns them.

use gantry_meta::{Object, ObjectView as _, Value};

use super::{
    check::check,
    compare::{Unsaid, compare},
    entries::{self, Entry, Operation},
    extract::field_set,
    last_applied,
    merge::merge,
    prune::prune,
    update::{RECORD, Writer, strip_unowned, updated},
    versions::{Touched, touched},
};
use crate::{
    Conflict, PatchError,
    engine::{FieldSet, Marks},
};

/// Owner of what was there before the first apply to an object without a record.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager that takes over from client-side apply.
const KUBECTL: &str = "kubectl";

/// Applies `config` over `live` (`None`: it creates the object), in the name of `writer.manager`.
///
/// The result is a tree as stated, with `managedFields`; the caller decodes it with defaults. `config` carries
/// `apiVersion` and `kind`.
///
/// # Errors
/// [`PatchError::Conflicts`] unless `force`, if others own fields that would change; [`PatchError::Malformed`] if the
/// configuration has unknown fields, wrong shapes, repeated items, or `managedFields`.
pub fn apply(writer: Writer<'_>, live: Option<&Object>, config: &Object, force: bool) -> Result<Object, PatchError> {
    if config.get("metadata").and_then(|m| m.get("managedFields")).is_some_and(|m| !m.is_null()) {
        return Err(PatchError::Malformed("metadata.managedFields must be nil".into()));
    }
    check(writer.ty, config)?;
    let Some(live) = live else { return Ok(created(writer, config)) };
    let (applied, recorded) = over_live(writer, live, config, force)?;
    let mut object = applied.unwrap_or_else(|| live.clone());
    entries::take(&mut object);
    entries::put(&mut object, recorded);
    if writer.manager == KUBECTL {
        last_applied::rewrite(&mut object, config);
    }
    Ok(object)
}

/// What the configuration states, but for what this request cannot set.
fn stated<'a>(writer: Writer<'a>, config: &'a Object) -> FieldSet<'a> {
    let mut set = field_set(writer.ty, config);
    writer.reset.iter().for_each(|path| set.remove_subtree(path));
    set
}

/// What of that is recorded.
fn recorded_part(mut set: FieldSet<'_>) -> FieldSet<'_> {
    set.remove_subtree(RECORD);
    strip_unowned(&mut set);
    set
}

/// The entry of who applies; `fields` is its set where that is on the wire already.
fn applied<'a>(writer: Writer<'_>, time: String, set: FieldSet<'a>, fields: Option<&'a Value>) -> Entry<'a> {
    Entry { owner: writer.owner(Operation::Apply), time, set, wire: None, fields }
}

fn created(writer: Writer<'_>, config: &Object) -> Object {
    let mut object = config.clone();
    entries::take(&mut object);
    let time = writer.time();
    let set = recorded_part(stated(writer, config));
    let recorded = entries::encode(vec![applied(writer, time, set, None)]);
    entries::put(&mut object, recorded);
    object
}

/// The object, if anything but its record changes, and the record.
type Outcome = (Option<Object>, Option<Value>);

fn over_live(writer: Writer<'_>, live: &Object, config: &Object, force: bool) -> Result<Outcome, PatchError> {
    let stored = live.metadata().and_then(|metadata| metadata.get("managedFields"));
    let owner = writer.owner(Operation::Apply);
    let set = stated(writer, config);
    let recorded = recorded_part(set.clone());
    let mut managed = stored.and_then(|stored| entries::decode_but(stored, &owner, &recorded)).unwrap_or_default();
    let nothing = Object::new();
    if managed.is_empty() {
        let before = Writer { manager: BEFORE_FIRST_APPLY, ..writer };
        managed = updated(before, &nothing, live, managed);
    }
    let (own, mut others): (Vec<Entry<'_>>, Vec<Entry<'_>>) =
        managed.into_iter().partition(|entry| entry.owner.is(&owner));
    let last = own.into_iter().next();

    let mut merged = without_record(live);
    merge(writer.ty, &mut merged, config);
    let merged = match &last {
        // Most configurations state all that they stated before: nothing can go.
        Some(last) if !last.set.is_within(&set) => prune(writer, merged, last, &others, &set),
        _ => merged,
    };
    let mut changes = compare(writer.ty, live, &merged, Unsaid::Absent);
    changes.remove_subtree(RECORD);
    writer.reset.iter().for_each(|path| changes.remove_subtree(path));
    take_from_others(writer, (live, &merged), &mut others, &changes, force)?;

    let changed = !same_without_record(live, &merged);
    // Known to be what has to be written, or nothing.
    let fields = last.as_ref().and_then(|last| last.fields);
    let time = if changed { writer.time() } else { last.map(|last| last.time).unwrap_or_default() };
    others.push(applied(writer, time, recorded, fields));
    Ok((changed.then_some(merged), entries::encode(others)))
}

/// True if `live` is `bare` but for its record.
fn same_without_record(live: &Object, bare: &Object) -> bool {
    live.len() == bare.len()
        && live.iter().zip(bare).all(|((name, value), (other, bare))| match (value, bare) {
            (Value::Object(metadata), Value::Object(bare)) if name == "metadata" => {
                name == other && metadata.iter().filter(|(member, _)| *member != "managedFields").eq(bare)
            }
            _ => name == other && value == bare,
        })
}

/// The live object without its record, which is not copied.
fn without_record(live: &Object) -> Object {
    let bare = |(name, value): (&String, &Value)| match value {
        Value::Object(metadata) if name == "metadata" => {
            let rest = metadata.iter().filter(|(member, _)| *member != "managedFields");
            (name.clone(), Value::Object(rest.map(|(member, value)| (member.clone(), value.clone())).collect()))
        }
        _ => (name.clone(), value.clone()),
    };
    live.iter().map(bare).collect()
}

/// What changes is taken from its owners, if `force` or client-side apply allows it.
fn take_from_others(
    writer: Writer<'_>,
    (live, merged): (&Object, &Object),
    others: &mut Vec<Entry<'_>>,
    changes: &FieldSet<'_>,
    force: bool,
) -> Result<(), PatchError> {
    let touched = touched(writer, others, (live, merged), changes);
    let conflicts = if force { Vec::new() } else { conflicts(writer, live, others, &touched) };
    if !conflicts.is_empty() {
        return Err(PatchError::Conflicts(conflicts));
    }
    others.iter_mut().zip(touched).for_each(|(entry, touched)| touched.take_from(entry));
    others.retain(|entry| !entry.set.is_empty());
    Ok(())
}

/// One conflict for each owner and field, but for what client-side apply left to `kubectl`.
fn conflicts(writer: Writer<'_>, live: &Object, others: &[Entry<'_>], touched: &[Touched<'_>]) -> Vec<Conflict> {
    let contested = others.iter().zip(touched).filter(|(_, touched)| !touched.written.is_empty());
    let mut contested: Vec<(&Entry<'_>, FieldSet<'_>)> = contested.map(|(e, t)| (e, t.written.clone())).collect();
    if writer.manager == KUBECTL && !contested.is_empty() {
        let left = last_applied::configuration(writer.ty, live, writer.api_version);
        let allowed = left.as_ref().map(|config| last_applied::still_live(writer.ty, config, live)).unwrap_or_default();
        contested.iter_mut().for_each(|(_, fields)| _ = fields.subtract(&allowed, Marks::OWNED));
    }
    contested.sort_by(|(one, _), (other, _)| one.owner.cmp_listed(&other.owner));
    let listed = |(entry, fields): (&Entry<'_>, FieldSet<'_>)| {
        let owner = describe(entry);
        fields.paths().into_iter().map(move |field| Conflict { owner: owner.clone(), field })
    };
    contested.into_iter().flat_map(listed).collect()
}

fn describe(entry: &Entry<'_>) -> String {
    let mut text = format!("{:?}", entry.owner.manager);
    if !entry.owner.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", entry.owner.subresource));
    }
    if entry.owner.operation == Operation::Update {
        text.push_str(&format!(" using {}", entry.owner.api_version));
    }
    text
}
