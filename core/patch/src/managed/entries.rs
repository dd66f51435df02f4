//! `metadata.managedFields`: one entry for each manager, operation, version and subresource.

use std::cmp::Ordering;

use gantry_meta::{Object, ObjectView as _, Value, time};
use jiff::Timestamp;

use super::fields_v1;
use crate::engine::{FieldSet, Marks};

/// More updaters than this are merged, oldest first, into [`ANCIENT_CHANGES`].
const MAX_UPDATERS: usize = 10;
const ANCIENT_CHANGES: &str = "ancient-changes";
const MANAGER_MAX_BYTES: usize = 128;
/// `2026-11-21T14:20:00Z`
const WIRE_TIME_BYTES: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// Who owns an entry's fields. The version of an apply is no part of its identity: an applier has one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
}

fn text<'w>(wire: &'w Value, member: &str) -> &'w str {
    wire.get(member).and_then(Value::as_str).unwrap_or_default()
}

impl Owner {
    fn read(wire: &Value) -> Option<Self> {
        let operation = match text(wire, "operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text(wire, "manager").to_owned(),
            operation,
            api_version: text(wire, "apiVersion").to_owned(),
            subresource: text(wire, "subresource").to_owned(),
        })
    }

    /// The order in which conflicts name owners: that of the names by which the reference keeps them, in which an entry for a
    /// subresource comes before the one without.
    pub fn cmp_listed(&self, other: &Owner) -> Ordering {
        (self.manager.cmp(&other.manager))
            .then_with(|| self.operation.cmp(&other.operation))
            .then_with(|| match self.operation {
                Operation::Apply => Ordering::Equal,
                Operation::Update => self.api_version.cmp(&other.api_version),
            })
            .then_with(|| self.subresource.is_empty().cmp(&other.subresource.is_empty()))
            .then_with(|| self.subresource.cmp(&other.subresource))
    }

    pub fn is(&self, other: &Owner) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

/// One entry, its set decoded.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub owner: Owner,
    /// As on the wire; empty if the entry has none.
    pub time: String,
    pub set: FieldSet<'a>,
    /// The wire form, as long as the entry is what it was.
    pub wire: Option<&'a Value>,
    /// The wire form of the set where that is known to be what has to be written.
    pub fields: Option<&'a Value>,
}

impl<'a> Entry<'a> {
    fn decode(wire: &'a Value, is_known: impl FnOnce(&Owner, &Value) -> bool) -> Option<Self> {
        let owner = Owner::read(wire)?;
        let fields = wire.get("fieldsV1");
        let known = fields.filter(|fields| is_known(&owner, fields));
        let set = match (known, fields) {
            (None, Some(fields)) => fields_v1::decode(fields)?,
            _ => FieldSet::default(),
        };
        Some(Self { owner, time: text(wire, "time").to_owned(), set, wire: Some(wire), fields: known })
    }

    /// An entry that a client wrote.
    fn read(wire: &'a Value) -> Option<Self> {
        let owner = Owner::read(wire).filter(|owner| !owner.api_version.is_empty())?;
        if text(wire, "fieldsType") != "FieldsV1" {
            return None;
        }
        let set = match wire.get("fieldsV1") {
            None | Some(Value::Null) => FieldSet::default(),
            Some(fields) => fields_v1::read(fields)?,
        };
        Some(Self { owner, time: text(wire, "time").to_owned(), set, wire: None, fields: None })
    }

    /// Forgets what is on the wire: something else has to be written.
    pub fn is_changed(&mut self) {
        (self.wire, self.fields) = (None, None);
    }

    /// Takes fields out of the set; the entry is dropped by its owner when nothing is left.
    pub fn subtract(&mut self, other: &FieldSet<'_>, marks: Marks) {
        if self.set.subtract(other, marks) {
            self.is_changed();
        }
    }

    fn encode(&self) -> Value {
        if let Some(wire) = self.wire {
            return wire.clone();
        }
        let operation = match self.owner.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        let mut entry = Object::new();
        let mut put = |member: &str, text: &str| {
            if !text.is_empty() {
                entry.insert(member.to_owned(), Value::from(text));
            }
        };
        put("manager", &self.owner.manager);
        put("operation", operation);
        put("apiVersion", &self.owner.api_version);
        put("subresource", &self.owner.subresource);
        put("time", &self.time);
        put("fieldsType", "FieldsV1");
        let fields = self.fields.map_or_else(|| fields_v1::encode(&self.set), Value::clone);
        entry.insert("fieldsV1".to_owned(), fields);
        Value::Object(entry)
    }

    fn seconds(&self) -> i64 {
        time::parse_time(&self.time).map_or(0, Timestamp::as_second)
    }

    /// Our own spelling of times sorts as text.
    fn cmp_times(&self, other: &Self) -> Ordering {
        if self.time.len() == WIRE_TIME_BYTES && other.time.len() == WIRE_TIME_BYTES {
            return self.time.cmp(&other.time);
        }
        self.seconds().cmp(&other.seconds())
    }

    fn cmp_on_wire(&self, other: &Self) -> Ordering {
        (self.owner.operation.cmp(&other.owner.operation))
            .then_with(|| self.cmp_times(other))
            .then_with(|| self.owner.manager.cmp(&other.owner.manager))
            .then_with(|| self.owner.api_version.cmp(&other.owner.api_version))
            .then_with(|| self.owner.subresource.cmp(&other.owner.subresource))
    }
}

/// Reads the list as it is stored. Of two entries of one owner the later counts. `None` if an entry cannot be read.
pub(crate) fn decode(managed_fields: &Value) -> Option<Vec<Entry<'_>>> {
    last_of_each(managed_fields.as_array()?.iter().map(|wire| Entry::decode(wire, |_, _| false)))
}

/// As [`decode`], but for the entry of `owner` if it spells `set`: that one comes with its `fields` and an empty set, as whoever
/// writes `set` again has nothing to find out about it.
pub(crate) fn decode_but<'a>(managed_fields: &'a Value, owner: &Owner, set: &FieldSet<'_>) -> Option<Vec<Entry<'a>>> {
    let is_known = |of: &Owner, fields: &Value| of.is(owner) && fields_v1::is_spelled(set, fields);
    last_of_each(managed_fields.as_array()?.iter().map(|wire| Entry::decode(wire, is_known)))
}

fn last_of_each<'a>(decoded: impl Iterator<Item = Option<Entry<'a>>>) -> Option<Vec<Entry<'a>>> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(decoded.size_hint().0);
    for entry in decoded {
        let entry = entry?;
        match entries.iter_mut().find(|other| other.owner.is(&entry.owner)) {
            Some(earlier) => *earlier = entry,
            None => entries.push(entry),
        }
    }
    Some(entries)
}

/// The list in its order on the wire; `None` if nothing is owned.
pub(crate) fn encode(mut entries: Vec<Entry<'_>>) -> Option<Value> {
    entries.retain(|entry| !entry.set.is_empty());
    entries.sort_by(Entry::cmp_on_wire);
    (!entries.is_empty()).then(|| Value::Array(entries.iter().map(Entry::encode).collect()))
}

/// Merges the oldest updaters until no more than [`MAX_UPDATERS`] are left.
pub(crate) fn cap_updaters(entries: &mut Vec<Entry<'_>>) {
    let updates = |entries: &[Entry<'_>]| entries.iter().filter(|e| e.owner.operation == Operation::Update).count();
    while updates(entries) > MAX_UPDATERS {
        let Some((kept, merged)) = oldest_of_one_version(entries) else { return };
        let merged = entries.remove(merged);
        // Removing an earlier entry moves the kept one.
        let kept = entries.iter().position(|e| e.owner.is(&kept)).expect("only the other entry was removed");
        let kept = &mut entries[kept];
        kept.owner.manager = ANCIENT_CHANGES.to_owned();
        kept.owner.subresource = String::new();
        kept.set = std::mem::take(&mut kept.set).union(merged.set);
        kept.time = merged.time;
        kept.is_changed();
    }
}

/// The owner of the bucket for ancient changes, or else of the oldest update, and the place of the next older update of
/// the same version.
fn oldest_of_one_version(entries: &[Entry<'_>]) -> Option<(Owner, usize)> {
    let mut by_age: Vec<usize> =
        (0..entries.len()).filter(|&at| entries[at].owner.operation == Operation::Update).collect();
    by_age.sort_by_key(|&at| {
        let entry = &entries[at];
        (entry.owner.manager != ANCIENT_CHANGES, entry.seconds(), entry.owner.manager.clone())
    });
    by_age.iter().enumerate().find_map(|(rank, &first)| {
        let same_version = |&&at: &&usize| entries[at].owner.api_version == entries[first].owner.api_version;
        by_age[rank + 1..].iter().find(same_version).map(|&next| (entries[first].owner.clone(), next))
    })
}

/// What `metadata.managedFields` of a request says.
pub(crate) enum Sent<'a> {
    /// Nothing usable: what is stored stays.
    Nothing,
    /// An empty list, or one empty entry: forget everything.
    Reset,
    Entries(Vec<Entry<'a>>),
}

impl<'a> Sent<'a> {
    pub fn read(managed_fields: Option<&'a Value>) -> Self {
        match managed_fields {
            Some(Value::Array(items)) if items.is_empty() => Sent::Reset,
            Some(Value::Array(items)) if items.len() == 1 && is_empty_entry(&items[0]) => Sent::Reset,
            Some(Value::Array(items)) => {
                last_of_each(items.iter().map(Entry::read)).map_or(Sent::Nothing, Sent::Entries)
            }
            _ => Sent::Nothing,
        }
    }
}

fn is_empty_entry(entry: &Value) -> bool {
    entry.as_object().is_some_and(Object::is_empty)
}

/// `metadata.managedFields`, taken out of the object.
pub(crate) fn take(object: &mut Object) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}

pub(crate) fn put(object: &mut Object, managed_fields: Option<Value>) {
    if let Some(managed_fields) = managed_fields {
        object.metadata_mut().insert("managedFields".to_owned(), managed_fields);
    }
}

/// True if `new` differs from `old` in nothing but the times of its entries: such a write stores nothing. Entries that another
/// time moved are others.
pub fn unchanged_but_for_times(old: &Object, new: &Object) -> bool {
    let same = |a: &Object, b: &Object, skip: &str| {
        let rest = |object: &Object| object.iter().filter(|(name, _)| *name != skip).count();
        rest(a) == rest(b) && a.iter().filter(|(name, _)| *name != skip).all(|(name, value)| b.get(name) == Some(value))
    };
    let empty = Object::new();
    let (old_metadata, new_metadata) = (old.metadata().unwrap_or(&empty), new.metadata().unwrap_or(&empty));
    let entries =
        |metadata: &'_ Object| metadata.get("managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let same_entry = |(a, b): (&Value, &Value)| match (a, b) {
        (Value::Object(a), Value::Object(b)) => same(a, b, "time"),
        (a, b) => a == b,
    };
    same(old, new, "metadata") && same(old_metadata, new_metadata, "managedFields") && {
        let (old, new) = (entries(old_metadata), entries(new_metadata));
        old.len() == new.len() && old.iter().zip(&new).all(same_entry)
    }
}

/// The manager that an update without `fieldManager` is recorded under: the User-Agent up to its first `/`, without what
/// cannot be printed.
pub fn manager_of_user_agent(user_agent: &str) -> String {
    let name = user_agent.split('/').next().unwrap_or_default();
    let printable = |c: &char| !c.is_control() && (*c == ' ' || !c.is_whitespace());
    let mut manager = String::new();
    for c in name.chars().filter(printable) {
        if manager.len() + c.len_utf8() > MANAGER_MAX_BYTES {
            break;
        }
        manager.push(c);
    }
    if manager.is_empty() { "unknown".to_owned() } else { manager }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn update(manager: &str, second: u32, field: &str) -> Value {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "time": format!("2026-11-21T14:20:{second:02}Z"), "fieldsV1": {field: {}}})
    }

    #[test]
    fn the_oldest_updaters_merge_when_there_are_too_many() {
        let list: Vec<Value> = (0..12).map(|i| update(&format!("m{i:02}"), i, &format!("f:x{i:02}"))).collect();
        let list = Value::Array(list);
        let mut entries = decode(&list).unwrap();
        cap_updaters(&mut entries);
        let capped = encode(entries).unwrap();
        let names: Vec<&str> = capped.as_array().unwrap().iter().filter_map(|e| e["manager"].as_str()).collect();
        assert_eq!(names[..2], ["ancient-changes", "m03"]);
        assert_eq!(names.len(), 10);
        assert_eq!(capped[0]["fieldsV1"], json!({"f:x00": {}, "f:x01": {}, "f:x02": {}}));
        assert_eq!(capped[0]["time"], "2026-11-21T14:20:02Z");
    }

    #[test]
    fn the_manager_is_the_printable_start_of_the_user_agent() {
        assert_eq!(manager_of_user_agent("kubectl/v1.36.0 (linux/amd64)"), "kubectl");
        assert_eq!(manager_of_user_agent("a\tb\u{7f}c"), "abc");
        assert_eq!(manager_of_user_agent("/x"), "unknown");
        assert_eq!(manager_of_user_agent(&"é".repeat(100)).len(), 128);
    }
}
