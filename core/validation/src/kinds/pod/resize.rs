//! `resize` of a pod: amounts of cpu and memory change, of its containers and of the whole.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{Container, ContainerState, ContainerStatus, Pod, PodOS, PodSpec, PodStatus, ResourceRequirements},
        meta_v1::ObjectMeta,
    },
};

use super::{annotations, metadata_and_spec, refuse_whole};
use crate::{
    field::{Causes, Field, alike},
    rules::resources::amount,
    table::Update,
};

/// What may change.
const RESIZABLE: [&str; 2] = ["cpu", "memory"];
const AMOUNTS: [FieldName; 2] = [ResourceRequirements::REQUESTS, ResourceRequirements::LIMITS];

pub(super) fn update(update: Update<'_>, causes: &mut Causes) {
    let (new, old) = (update.new.member(Pod::SPEC), update.old.member(Pod::SPEC));
    if annotations::is_mirror(&update.old.member(Pod::METADATA).member(ObjectMeta::ANNOTATIONS)) {
        return refuse_whole(causes, "static pods cannot be resized");
    }
    if old.member(PodSpec::OS).member(PodOS::NAME).text() == "windows" {
        return refuse_whole(causes, "windows pods cannot be resized");
    }
    metadata_and_spec(update.new, causes);
    if !node_resizes(&update.old.member(Pod::STATUS)) {
        causes.forbidden(&new, "Pod running on node without support for resize");
    }
    of_pod(&new, &old, causes);
    if !update.old.member(Pod::STATUS).member(PodStatus::NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUSES).is_empty() {
        causes.forbidden(&new, "pods with node allocatable resource claims cannot be resized");
    }
    if same_containers(&new, &old, causes) {
        of_containers(&new, &old, causes);
    }
}

/// A node that reports what a running container has can change it.
fn node_resizes(status: &Field<'_>) -> bool {
    let mut statuses = status.member(PodStatus::CONTAINER_STATUSES).items();
    let running =
        statuses.find(|container| container.member(ContainerStatus::STATE).member(ContainerState::RUNNING).is_set());
    running.is_none_or(|container| container.member(Container::RESOURCES).is_set())
}

/// Neither added, removed, renamed nor reordered.
fn same_containers(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) -> bool {
    let before = causes.len();
    for list in [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS] {
        let (new, old) = (new.member(list), old.member(list));
        if new.len() != old.len() {
            causes.forbidden(&new, "containers may not be added or removed on resize");
            continue;
        }
        for (is, was) in
            new.items().zip(old.items()).map(|(is, was)| (is.member(Container::NAME), was.member(Container::NAME)))
        {
            if is.text() != was.text() {
                causes.forbidden(&is, "containers may not be renamed or reordered on resize");
            }
        }
    }
    causes.len() == before
}

fn of_containers(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let pairs = |list| new.member(list).items().zip(old.member(list).items());
    for (is, was) in [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS].into_iter().flat_map(pairs) {
        none_removed(&is.member(Container::RESOURCES), &was.member(Container::RESOURCES), causes);
    }
    for (is, was) in pairs(PodSpec::CONTAINERS) {
        if !is_resized_alone(&is, &was) {
            causes.forbidden(new, "only cpu and memory resources are mutable");
        }
    }
    for (is, was) in pairs(PodSpec::INIT_CONTAINERS) {
        if !is_resized_alone(&is, &was) {
            causes.forbidden(&is, "only cpu and memory resources for init or sidecar containers are mutable");
        }
        if is.value() != was.value() && is.member(Container::RESTART_POLICY).text() != "Always" {
            let policies = is.member(Container::RESIZE_POLICY);
            let restarting = |policy: &Field<'_>| policy.member(Container::RESTART_POLICY).text() == "RestartContainer";
            for _ in policies.items().filter(restarting) {
                causes.forbidden(&is, "init containers that a resize restarts cannot be resized");
            }
        }
    }
}

/// Requests and limits stay set.
fn none_removed(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    for member in AMOUNTS {
        let (new, old) = (new.member(member), old.member(member));
        if old.entries().any(|(name, _)| new.property(name).is_none()) {
            causes.forbidden(&new, "resource requests and limits cannot be removed");
        }
    }
}

/// True if nothing but cpu and memory differs. The reference cannot resize a container that uses claims.
fn is_resized_alone(new: &Field<'_>, old: &Field<'_>) -> bool {
    let has_claims = !old.member(Container::RESOURCES).member(ResourceRequirements::CLAIMS).is_empty();
    let same_policies = new.member(Container::RESIZE_POLICY).value() == old.member(Container::RESIZE_POLICY).value();
    same_policies && !has_claims && same_others(&new.member(Container::RESOURCES), &old.member(Container::RESOURCES))
}

/// True if all amounts but those of cpu and memory are the same.
fn same_others(new: &Field<'_>, old: &Field<'_>) -> bool {
    let others = |amounts: Field<'_>| -> Vec<_> {
        let others = amounts.entries().filter(|(name, _)| !RESIZABLE.contains(name));
        others.map(|(name, field)| (name.to_owned(), amount(&field))).collect()
    };
    AMOUNTS.into_iter().all(|member| others(new.member(member)) == others(old.member(member)))
}

/// What the pod asks for as a whole.
fn of_pod(new_spec: &Field<'_>, old_spec: &Field<'_>, causes: &mut Causes) {
    let (new, old) = (new_spec.member(PodSpec::RESOURCES), old_spec.member(PodSpec::RESOURCES));
    let asks = |resources: &Field<'_>| AMOUNTS.iter().any(|member| !resources.member(*member).is_empty());
    if !asks(&new) && !asks(&old) {
        return;
    }
    if old.is_set() && !new.is_set() {
        return causes.forbidden(&new, "pod-level resources cannot be removed");
    }
    none_removed(&new, &old, causes);
    let [claims, before] = [&new, &old].map(|resources| resources.member(ResourceRequirements::CLAIMS));
    if !alike(claims.value(), before.value()) || !same_others(&new, &old) {
        causes.forbidden(new_spec, "only cpu and memory resources are mutable at pod-level");
    }
}
