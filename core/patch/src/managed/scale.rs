//! The record of a workload as its scale has it, and back.
//!
//! A scale is shown with the entries that own the replicas, in the scale's version; after a write they are brought back. Of applies
//! the reference finds the entry again that it took one from; of updates it does not: the replicas become an entry of their own,
//! without a time, beside the one that keeps the rest. Two entries of one owner are one for the next write: the later counts.

use gantry_kinds::Text;
use gantry_meta::{Object, ObjectView as _};

use super::entries::{self, Entry, Operation, Owner};
use crate::engine::{FieldSet, Marks};

/// Where a Scale has them.
const OF_SCALE: &[&str] = &["spec", "replicas"];

fn owns(entry: &Entry<'_>, replicas: &FieldSet<'_>) -> bool {
    !entry.set.intersect(replicas, Marks::OWNED).is_empty()
}

fn record(object: &Object) -> Vec<Entry<'_>> {
    object.metadata().and_then(|metadata| entries::decode(metadata.get("managedFields")?)).unwrap_or_default()
}

fn in_version(owner: &Owner, api_version: &str) -> Owner {
    Owner { api_version: api_version.to_owned(), ..owner.clone() }
}

/// A workload that has a scale.
#[derive(Clone, Copy)]
pub struct Scaled<'a> {
    /// Of the workload's record.
    pub api_version: &'a str,
    /// Where it has its replicas.
    pub replicas: &'a [Text],
}

impl Scaled<'_> {
    /// Gives `scale` the entries that own the replicas of `workload`.
    pub fn show(self, workload: &Object, scale: &mut Object, scale_version: &str) {
        let replicas = FieldSet::of_field(self.replicas);
        let is_shown = |entry: &Entry<'_>| entry.owner.api_version == self.api_version && owns(entry, &replicas);
        let shown = record(workload).into_iter().filter(is_shown).map(|entry| Entry {
            owner: in_version(&entry.owner, scale_version),
            time: entry.time,
            set: FieldSet::of_field(OF_SCALE),
            wire: None,
            fields: None,
        });
        let shown = entries::encode(shown.collect());
        entries::put(scale, shown);
    }

    /// Gives `workload` the record that a write of its scale left there. Entries of other versions go.
    pub fn bring_back(self, scale: &Object, workload: &mut Object) {
        let (replicas, of_scale) = (FieldSet::of_field(self.replicas), FieldSet::of_field(OF_SCALE));
        let stored = entries::take(workload);
        let stored = stored.as_ref().and_then(entries::decode).unwrap_or_default();
        let mut scaled: Vec<Entry<'_>> = record(scale).into_iter().filter(|entry| owns(entry, &of_scale)).collect();
        let mut kept: Vec<Entry<'_>> = Vec::with_capacity(stored.len() + scaled.len());
        for mut entry in stored.into_iter().filter(|entry| entry.owner.api_version == self.api_version) {
            // Updates are of a version, and this is another one.
            let same = |other: &Entry<'_>| entry.owner.operation == Operation::Apply && other.owner.is(&entry.owner);
            match scaled.iter().position(same) {
                Some(at) if owns(&entry, &replicas) => drop(scaled.remove(at)),
                _ => entry.subtract(&replicas, Marks::OWNED),
            }
            kept.push(entry);
        }
        kept.extend(scaled.into_iter().map(|entry| Entry {
            owner: in_version(&entry.owner, self.api_version),
            time: String::new(),
            set: replicas.clone(),
            wire: None,
            fields: None,
        }));
        let settled = entries::encode(kept);
        entries::put(workload, settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_meta::Value;
    use serde_json::json;

    const SCALED: Scaled<'_> =
        Scaled { api_version: "apps/v1", replicas: &[Text::Borrowed("spec"), Text::Borrowed("replicas")] };

    fn object(record: Value) -> Object {
        json!({"metadata": {"managedFields": record}, "spec": {"replicas": 2}}).as_object().cloned().unwrap()
    }

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-11-21T14:20:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}})
    }

    fn shown(workload: &Object) -> Object {
        let mut scale = Object::new();
        SCALED.show(workload, &mut scale, "autoscaling/v1");
        scale
    }

    #[test]
    fn a_scale_has_the_entries_that_own_the_replicas() {
        let both = json!({"f:paused": {}, "f:replicas": {}});
        let scale = shown(&object(json!([entry("a", "Apply", both), entry("u", "Update", json!({"f:paused": {}}))])));
        let record = scale["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(
            (record.len(), &record[0]["manager"], &record[0]["apiVersion"]),
            (1, &json!("a"), &json!("autoscaling/v1"))
        );
        assert_eq!(record[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    }

    #[test]
    fn replicas_of_an_update_part_from_the_rest_and_are_lost_with_the_next_write() {
        let both = json!({"f:paused": {}, "f:replicas": {}});
        let mut scaled = object(json!([entry("a", "Apply", both.clone()), entry("u", "Update", both)]));
        let scale = shown(&scaled);
        SCALED.bring_back(&scale, &mut scaled);
        let record = scaled["metadata"]["managedFields"].as_array().unwrap().clone();
        let fields: Vec<&Value> = record.iter().map(|entry| &entry["fieldsV1"]["f:spec"]).collect();
        let (paused, replicas) = (json!({"f:paused": {}}), json!({"f:replicas": {}}));
        assert_eq!(fields, [&json!({"f:paused": {}, "f:replicas": {}}), &replicas, &paused]);
        assert!(record[1].get("time").is_none() && record[2].get("time").is_some());
        let scale = shown(&scaled);
        SCALED.bring_back(&scale, &mut scaled);
        assert_eq!(scaled["metadata"]["managedFields"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn who_scaled_last_takes_the_replicas_from_the_others() {
        let replicas = json!({"f:replicas": {}});
        let mut scaled = object(json!([entry("a", "Apply", replicas.clone()), entry("u", "Update", replicas)]));
        let mut scale = Object::new();
        let writer = json!({"manager": "s", "operation": "Update", "apiVersion": "autoscaling/v1", "subresource": "scale",
            "time": "2026-11-21T14:20:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        entries::put(&mut scale, Some(json!([writer])));
        SCALED.bring_back(&scale, &mut scaled);
        let left = json!([{"manager": "s", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        assert_eq!(scaled["metadata"]["managedFields"], left);
    }
}
