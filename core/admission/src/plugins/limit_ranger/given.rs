//! Requests and limits for containers that state none.

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        core_v1::{Container, LimitRangeItem, Pod, PodSpec, ResourceRequirements},
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::{Object, ObjectView as _};

use super::items;

/// Says what was given, for people.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

const LISTS: [(FieldName, &str); 2] =
    [(PodSpec::CONTAINERS, "container"), (PodSpec::INIT_CONTAINERS, "init container")];
const REQUESTS: FieldName = ResourceRequirements::REQUESTS;
const LIMITS: FieldName = ResourceRequirements::LIMITS;

/// Gives each container what the range has for it and the container does not state.
pub(super) fn complete(pod: &mut Object, range: &Object) {
    let limits = gathered(range, LimitRangeItem::DEFAULT);
    let requests = gathered(range, LimitRangeItem::DEFAULT_REQUEST);
    let mut notes = Vec::new();
    let Some(spec) = pod.object_mut(Pod::SPEC) else { return };
    for (list, what) in LISTS {
        for container in spec.objects_mut(list) {
            let name = container.text(Container::NAME).to_owned();
            for (member, one, from) in [(REQUESTS, "request", &requests), (LIMITS, "limit", &limits)] {
                let given = fill(container, member, from);
                if !given.is_empty() {
                    notes.push(format!("{} {one} for {what} {name}", given.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        let annotations = pod.metadata_mut().made(ObjectMeta::ANNOTATIONS);
        annotations.map(|annotations| annotations.insert(ANNOTATION.into(), note.into()));
    }
}

/// The amounts of all items for containers; a later item's go before.
fn gathered(range: &Object, member: FieldName) -> Object {
    let amounts = items(range, "Container").filter_map(|item| item.object(member));
    amounts.flatten().map(|(resource, amount)| (resource.clone(), amount.clone())).collect()
}

/// The names of the resources that were missing, sorted.
fn fill(container: &mut Object, member: FieldName, from: &Object) -> Vec<String> {
    let stated = container.object(Container::RESOURCES).and_then(|resources| resources.object(member));
    let is_missing = |resource: &String| stated.is_none_or(|stated| !stated.contains_key(resource));
    let mut missing: Vec<String> = from.keys().filter(|resource| is_missing(resource)).cloned().collect();
    if missing.is_empty() {
        return missing;
    }
    missing.sort();
    let resources = container.made(Container::RESOURCES);
    if let Some(amounts) = resources.and_then(|resources| resources.made(member)) {
        amounts.extend(missing.iter().map(|resource| (resource.clone(), from[resource].clone())));
    }
    missing
}
