//! What a write of a workload's scale leaves in the workload's record.
//!
//! The reference shows a scale with the entries that own the replicas, in the scale's version, and brings them back after the
//! write. Of applies it finds the entry again that it took one from; of updates it does not: the replicas become an entry of
//! their own, without a time, beside the one that keeps the rest. Two entries of one owner are one for the next write: the
//! later counts.

use gantry_meta::{Object, ObjectView as _, Value};

use super::{
    entries::{self, Entry, Operation, Owner},
    set::{Element, FieldSet, Marks},
    update::Writer,
};

const BEFORE_FIRST_APPLY: &str = "before-first-apply";

fn replicas() -> FieldSet<'static> {
    let (mut below, mut set) = (FieldSet::default(), FieldSet::default());
    below.push(Element::field("replicas"), Marks::OWNED, FieldSet::default());
    set.push(Element::field("spec"), Marks::NONE, below);
    set
}

fn owns_replicas(entry: &Entry<'_>) -> bool {
    !entry.set.intersect(&replicas(), Marks::OWNED).is_empty()
}

/// Gives the replicas that updates own entries of their own, after a write of the scale.
pub fn settle_scale(object: &mut Object) {
    let Some(record) = entries::take(object) else { return };
    let settled =
        entries::decode(&record).map(|entries| entries::encode(entries.into_iter().flat_map(settled).collect()));
    entries::put(object, settled.unwrap_or(Some(record)));
}

fn settled(mut entry: Entry<'_>) -> Vec<Entry<'_>> {
    if entry.owner.operation != Operation::Update || !owns_replicas(&entry) {
        return vec![entry];
    }
    let own = Entry { owner: entry.owner.clone(), time: String::new(), set: replicas(), wire: None, fields: None };
    entry.subtract(&replicas(), Marks::OWNED);
    vec![entry, own]
}

/// The object as an apply of its scale finds it: replicas that nobody owns are owned by who was there before.
pub fn before_scale_is_applied(writer: Writer<'_>, live: &Object) -> Object {
    let stored = live.metadata().and_then(|metadata| metadata.get("managedFields"));
    let mut managed = stored.and_then(entries::decode).unwrap_or_default();
    let is_set =
        live.get("spec").and_then(|spec| spec.get("replicas")).and_then(Value::as_i64).unwrap_or_default() != 0;
    let mut found = live.clone();
    if is_set && !managed.iter().any(owns_replicas) {
        let owner = Owner { manager: BEFORE_FIRST_APPLY.to_owned(), ..writer.owner(Operation::Update) };
        managed.push(Entry { owner, time: String::new(), set: replicas(), wire: None, fields: None });
        entries::put(&mut found, entries::encode(managed));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(record: Value) -> Object {
        json!({"metadata": {"managedFields": record}, "spec": {"replicas": 2}}).as_object().cloned().unwrap()
    }

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-11-21T14:20:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}})
    }

    #[test]
    fn replicas_of_an_update_part_from_the_rest_and_are_lost_with_the_next_write() {
        let both = json!({"f:paused": {}, "f:replicas": {}});
        let mut scaled = object(json!([entry("a", "Apply", both.clone()), entry("u", "Update", both)]));
        settle_scale(&mut scaled);
        let record = scaled["metadata"]["managedFields"].as_array().unwrap().clone();
        let fields: Vec<&Value> = record.iter().map(|entry| &entry["fieldsV1"]["f:spec"]).collect();
        let (paused, replicas) = (json!({"f:paused": {}}), json!({"f:replicas": {}}));
        assert_eq!(fields, [&json!({"f:paused": {}, "f:replicas": {}}), &replicas, &paused]);
        assert!(record[1].get("time").is_none() && record[2].get("time").is_some());
        settle_scale(&mut scaled);
        assert_eq!(scaled["metadata"]["managedFields"].as_array().map(Vec::len), Some(2));
    }
}
