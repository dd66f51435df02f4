//! Requests and limits for containers that state none.

use gantry_meta::{Object, ObjectView as _, Value};

use super::items;
use crate::tree;

/// Says what was given, for people.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Gives each container what the range has for it and the container does not state.
pub(super) fn complete(pod: &mut Object, range: &Object) {
    let limits = gathered(range, "default");
    let requests = gathered(range, "defaultRequest");
    let mut notes = Vec::new();
    let spec = tree::object_mut(pod, "spec");
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        let Some(containers) = spec.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let name = tree::text(container, "name").to_owned();
            for (member, one, from) in [("requests", "request", &requests), ("limits", "limit", &limits)] {
                let given = fill(container, member, from);
                if !given.is_empty() {
                    notes.push(format!("{} {one} for {what} {name}", given.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        tree::object_mut(pod.metadata_mut(), "annotations").insert(ANNOTATION.into(), note.into());
    }
}

/// The amounts of all items for containers; a later item's go before.
fn gathered(range: &Object, member: &str) -> Object {
    let amounts = items(range, "Container").filter_map(|item| item.get(member)?.as_object());
    amounts.flatten().map(|(resource, amount)| (resource.clone(), amount.clone())).collect()
}

/// The names of the resources that were missing, sorted.
fn fill(container: &mut Object, member: &str, from: &Object) -> Vec<String> {
    let stated = container.get("resources").and_then(|r| r.get(member)).and_then(Value::as_object);
    let is_missing = |resource: &String| stated.is_none_or(|stated| !stated.contains_key(resource));
    let mut missing: Vec<String> = from.keys().filter(|resource| is_missing(resource)).cloned().collect();
    if missing.is_empty() {
        return missing;
    }
    missing.sort();
    let amounts = tree::object_mut(tree::object_mut(container, "resources"), member);
    amounts.extend(missing.iter().map(|resource| (resource.clone(), from[resource].clone())));
    missing
}
