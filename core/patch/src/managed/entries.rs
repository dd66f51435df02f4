//! `metadata.managedFields`: one entry for each manager, operation, version and subresource.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, hash_map},
};

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

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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

    /// True if what it says of its version is no group and version.
    pub fn is_of_no_version(&self) -> bool {
        self.owner.api_version.split('/').count() > 2
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
    last_of_each(managed_fields.as_array()?, |wire| Entry::decode(wire, |_, _| false))
}

/// As [`decode`], but for the entry of `owner` if it spells `set`: that one comes with its `fields` and an empty set, as whoever
/// writes `set` again has nothing to find out about it.
pub(crate) fn decode_but<'a>(managed_fields: &'a Value, owner: &Owner, set: &FieldSet<'_>) -> Option<Vec<Entry<'a>>> {
    let is_known = |of: &Owner, fields: &Value| of.is(owner) && fields_v1::is_spelled(set, fields);
    last_of_each(managed_fields.as_array()?, |wire| Entry::decode(wire, is_known))
}

/// Reads each entry with `decode`.
fn last_of_each<'a>(
    managed_fields: &'a [Value],
    decode: impl Fn(&'a Value) -> Option<Entry<'a>>,
) -> Option<Vec<Entry<'a>>> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(managed_fields.len());
    let mut places = HashMap::with_capacity(managed_fields.len());
    for wire in managed_fields {
        let entry = decode(wire)?;
        // Of an apply, the version is no part of who owns.
        let version = if entry.owner.operation == Operation::Apply { "" } else { text(wire, "apiVersion") };
        let owner = (text(wire, "manager"), entry.owner.operation, version, text(wire, "subresource"));
        match places.entry(owner) {
            hash_map::Entry::Occupied(earlier) => entries[*earlier.get()] = entry,
            hash_map::Entry::Vacant(place) => {
                place.insert(entries.len());
                entries.push(entry);
            }
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

/// Merges the oldest updaters, each into the oldest of its version, until no more than [`MAX_UPDATERS`] are left.
pub(crate) fn cap_updaters(entries: &mut Vec<Entry<'_>>) {
    let updaters = entries.iter().filter(|entry| entry.owner.operation == Operation::Update).count();
    if updaters <= MAX_UPDATERS {
        return;
    }
    let mut excess = updaters - MAX_UPDATERS;
    let mut of_version: HashMap<String, Vec<usize>> = HashMap::new();
    for at in by_age(entries) {
        let together = of_version.entry(entries[at].owner.api_version.clone()).or_default();
        if excess > 0 || together.is_empty() {
            excess = excess.saturating_sub(usize::from(!together.is_empty()));
            together.push(at);
        }
    }
    let mut merged: HashSet<usize> = HashSet::new();
    for together in of_version.values().filter(|together| together.len() > 1) {
        merge_into_first(entries, together);
        merged.extend(&together[1..]);
    }
    let mut at = 0..;
    entries.retain(|_| !at.next().is_some_and(|at| merged.contains(&at)));
}

/// The places of updaters, the bucket for ancient changes first and then the oldest.
fn by_age(entries: &[Entry<'_>]) -> Vec<usize> {
    let updaters = (0..entries.len()).filter(|&at| entries[at].owner.operation == Operation::Update);
    let mut places: Vec<usize> = updaters.collect();
    places.sort_by_cached_key(|&at| {
        let Owner { manager, api_version, subresource, .. } = &entries[at].owner;
        // The reference compares texts in which a quote follows each name.
        let names = format!("{manager}\"{api_version}\"{subresource}\"");
        (manager != ANCIENT_CHANGES, entries[at].seconds(), names)
    });
    places
}

fn merge_into_first(entries: &mut [Entry<'_>], together: &[usize]) {
    let time = together.last().map(|&last| entries[last].time.clone()).unwrap_or_default();
    let sets = together.iter().map(|&at| std::mem::take(&mut entries[at].set)).collect();
    let first = &mut entries[together[0]];
    first.owner.manager = ANCIENT_CHANGES.to_owned();
    first.owner.subresource = String::new();
    first.set = FieldSet::union_of(sets);
    first.time = time;
    first.is_changed();
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
            Some(Value::Array(items)) => last_of_each(items, Entry::read).map_or(Sent::Nothing, Sent::Entries),
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
    fn updaters_without_number_merge_in_their_versions() {
        const ENTRIES: u32 = 20_000;
        let entry = |i: u32| {
            let version = if i.is_multiple_of(2) { "v1" } else { "apps/v1" };
            json!({"manager": format!("m{i:05}"), "operation": "Update", "apiVersion": version,
                "fieldsV1": {format!("f:x{i:05}"): {}}})
        };
        let list = Value::Array((0..ENTRIES).map(entry).collect());
        let mut entries = decode(&list).unwrap();
        cap_updaters(&mut entries);
        let sizes: Vec<usize> = entries.iter().map(|entry| entry.set.0.len()).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (MAX_UPDATERS, ENTRIES as usize));
        let buckets = entries.iter().filter(|entry| entry.owner.manager == ANCIENT_CHANGES);
        assert_eq!(buckets.map(|entry| entry.set.0.len()).collect::<Vec<_>>(), [9996, 9996]);
    }

    #[test]
    fn the_manager_is_the_printable_start_of_the_user_agent() {
        assert_eq!(manager_of_user_agent("kubectl/v1.36.0 (linux/amd64)"), "kubectl");
        assert_eq!(manager_of_user_agent("a\tb\u{7f}c"), "abc");
        assert_eq!(manager_of_user_agent("/x"), "unknown");
        assert_eq!(manager_of_user_agent(&"é".repeat(100)).len(), 128);
    }
}
