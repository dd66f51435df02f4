//! The parts of metadata that the server owns.

use std::collections::HashSet;

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        AnyObject,
        meta_v1::{ObjectMeta, OwnerReference},
    },
};
use gantry_meta::{Object, ObjectView as _, Status, time};
use jiff::Timestamp;
use rand::Rng as _;

use crate::{request::Target, served::Served, strategy::keep};

/// Members that only the server sets, and that a client's new object loses.
const NOT_ON_CREATE: [FieldName; 3] =
    [ObjectMeta::DELETION_TIMESTAMP, ObjectMeta::DELETION_GRACE_PERIOD_SECONDS, ObjectMeta::SELF_LINK];
/// Members that an update cannot change.
const KEPT: [FieldName; 3] = [ObjectMeta::CREATION_TIMESTAMP, ObjectMeta::GENERATION, ObjectMeta::RESOURCE_VERSION];
/// Members that an update may state as a condition.
const FILLED: [FieldName; 3] =
    [ObjectMeta::UID, ObjectMeta::DELETION_TIMESTAMP, ObjectMeta::DELETION_GRACE_PERIOD_SECONDS];
/// Of generated names: no vowels, so that no words come out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;
/// A generated name leaves room for its suffix within this.
const MAX_GENERATED: usize = 63;

/// Name and namespace of the body must be those of the URL, where both name one (400).
pub(super) fn settle_namespace(served: &Served, target: &Target, object: &mut Object) -> Result<(), Status> {
    check_namespace(served, target, object)?;
    if served.resource.namespaced {
        object.metadata_mut().set(ObjectMeta::NAMESPACE, target.namespace.clone());
    } else {
        object.metadata_mut().unset(ObjectMeta::NAMESPACE);
    }
    Ok(())
}

/// The check of [`settle_namespace`] alone.
pub(super) fn check_namespace(served: &Served, target: &Target, object: &Object) -> Result<(), Status> {
    let given = object.namespace();
    if served.resource.namespaced && !given.is_empty() && given != target.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    Ok(())
}

/// An update names its object in the body too, and the same (400).
pub(super) fn check_name(target: &Target, object: &Object) -> Result<(), Status> {
    match object.name() {
        "" => Err(Status::bad_request("name must be provided")),
        name if name != target.name => {
            let why = format!("the name of the object ({name}) does not match the name on the URL ({})", target.name);
            Err(Status::bad_request(why))
        }
        _ => Ok(()),
    }
}

/// True if the object's name is for the server to make.
pub(super) fn is_generated(object: &Object) -> bool {
    object.name().is_empty() && !generated_base(object).is_empty()
}

/// `metadata.generateName`
pub(super) fn generated_base(object: &Object) -> &str {
    object.metadata().map(|metadata| metadata.text(ObjectMeta::GENERATE_NAME)).unwrap_or_default()
}

/// Names the object after its `generateName`.
pub(super) fn generate_name(object: &mut Object) {
    let base = generated_base(object);
    let base = base.get(..MAX_GENERATED - SUFFIX).unwrap_or(base);
    let mut name = String::with_capacity(base.len() + SUFFIX);
    name.push_str(base);
    let mut random = rand::rng();
    name.extend((0..SUFFIX).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])));
    object.metadata_mut().set(ObjectMeta::NAME, name);
}

/// Identity and time of birth. A dry run shows the version that was sent, as nothing takes its place.
pub(super) fn fill_new(object: &mut Object, now: Timestamp, keeps_version: bool) {
    let metadata = object.metadata_mut();
    NOT_ON_CREATE.iter().for_each(|member| _ = metadata.unset(*member));
    if !keeps_version {
        metadata.unset(ObjectMeta::RESOURCE_VERSION);
    }
    metadata.set(ObjectMeta::UID, uuid::Uuid::new_v4().to_string());
    metadata.set(ObjectMeta::CREATION_TIMESTAMP, time::format_time(now));
}

/// What an update cannot change is kept; what it may state as a condition (uid, deletion) is filled in where absent.
pub(super) fn keep_system_fields(new: &mut Object, old: &Object) {
    let Some(before) = old.metadata() else { return };
    let metadata = new.metadata_mut();
    metadata.unset(ObjectMeta::SELF_LINK);
    // A deletion that has begun goes on.
    if let Some(began) = before.member(ObjectMeta::DELETION_TIMESTAMP) {
        metadata.set(ObjectMeta::DELETION_TIMESTAMP, began.clone());
    }
    KEPT.iter().for_each(|member| keep(*member, metadata, before));
    for filled in FILLED {
        if metadata.member(filled).is_none_or(|value| value == "") {
            keep(filled, metadata, before);
        }
    }
}

/// Removes owner references that repeat an earlier one; their uids.
pub(super) fn drop_repeated_owners(object: &mut Object) -> Vec<String> {
    let metadata = object.object_mut(AnyObject::METADATA);
    let Some(references) = metadata.and_then(|metadata| metadata.list_mut(ObjectMeta::OWNER_REFERENCES)) else {
        return Vec::new();
    };
    // By their text: to compare each with all before it takes minutes where there are many.
    let (mut known, mut repeated) = (HashSet::with_capacity(references.len()), Vec::new());
    references.retain(|reference| {
        let is_new = known.insert(reference.to_string());
        if !is_new {
            repeated.extend(reference.as_object().map(|reference| reference.text(OwnerReference::UID).to_owned()));
        }
        is_new
    });
    repeated
}

/// Sets the marks of a deletion that has begun.
pub(crate) fn mark_deleting(object: &mut Object, at: Timestamp, grace_seconds: i64) {
    let generation = object.generation();
    let metadata = object.metadata_mut();
    metadata.set(ObjectMeta::DELETION_TIMESTAMP, time::format_time(at));
    metadata.set(ObjectMeta::DELETION_GRACE_PERIOD_SECONDS, grace_seconds);
    if generation > 0 {
        metadata.set(ObjectMeta::GENERATION, generation + 1);
    }
}

/// `metadata.deletionGracePeriodSeconds`, if deletion has begun with one.
pub(super) fn grace_period(object: &Object) -> Option<i64> {
    object.metadata()?.int(ObjectMeta::DELETION_GRACE_PERIOD_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_generated_name_fits_a_label() {
        let mut long = object(json!({"metadata": {"generateName": "x".repeat(80)}}));
        assert!(is_generated(&long));
        generate_name(&mut long);
        assert_eq!(long.name().len(), 63);
        let mut short = object(json!({"metadata": {"generateName": "gen-"}}));
        generate_name(&mut short);
        assert!(short.name().starts_with("gen-") && short.name().len() == 9);
    }

    #[test]
    fn an_owner_that_is_named_twice_is_kept_once() {
        let owner = |uid: &str, block: bool| json!({"kind": "ConfigMap", "uid": uid, "blockOwnerDeletion": block});
        let stated = [owner("a", true), owner("b", true), owner("a", true), owner("a", false)];
        let mut owned = object(json!({"metadata": {"ownerReferences": stated}}));
        assert_eq!(drop_repeated_owners(&mut owned), ["a"]);
        let kept = json!([owner("a", true), owner("b", true), owner("a", false)]);
        assert_eq!(owned["metadata"]["ownerReferences"], kept);
        assert!(drop_repeated_owners(&mut object(json!({"metadata": {}}))).is_empty());
    }

    #[test]
    fn an_update_keeps_what_the_server_owns() {
        let old = object(json!({"metadata": {"uid": "u", "creationTimestamp": "t", "generation": 3}}));
        let mut new = object(json!({"metadata": {"creationTimestamp": "x", "generation": 40, "selfLink": "s"}}));
        keep_system_fields(&mut new, &old);
        assert_eq!(json!(new), json!(old));
        let mut other = object(json!({"metadata": {"uid": "other"}}));
        keep_system_fields(&mut other, &old);
        assert_eq!(other.uid(), "other", "another uid is for validation to refuse");
        let going = object(json!({"metadata": {"deletionTimestamp": "then", "deletionGracePeriodSeconds": 9}}));
        let mut later = object(json!({"metadata": {"deletionTimestamp": "now"}}));
        keep_system_fields(&mut later, &going);
        let kept = json!({"deletionTimestamp": "then", "deletionGracePeriodSeconds": 9});
        assert_eq!(later["metadata"], kept);
    }
}
