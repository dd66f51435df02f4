//! What each resource does beyond the generic rules. Those with none of their own use [`Generic`].

mod api_services;
mod autoscalers;
mod certificate_signing_requests;
mod custom_resource_definitions;
mod daemon_sets;
mod endpoint_slices;
mod events;
mod generation;
mod jobs;
mod limit_ranges;
mod namespaces;
mod nodes;
mod persistent_volume_claims;
mod persistent_volumes;
mod pods;
mod replication_controllers;
mod resource_claims;
mod secrets;
mod service_accounts;
mod services;
mod status;
mod template_labels;
mod workloads;

use gantry_kinds::{
    FieldName, Members as _, Resource,
    fields::{AnyObject, meta_v1::ObjectMeta},
};
use gantry_meta::{Cause, Object, ObjectView as _, Value};

use crate::request::Propagation;

/// Rules of one resource. `subresource` is empty for the object itself.
pub(crate) trait Strategy: Send + Sync {
    /// Turns members that a new object has in an old way into those of today, before [`Strategy::prepare_create`]. What is
    /// returned is warned about, also where the object is refused later on.
    fn modernise(&self, _new: &mut Object) -> Vec<String> {
        Vec::new()
    }

    /// Sets and resets what the server owns on a new object, after mutating admission and before validation.
    fn prepare_create(&self, _new: &mut Object) {}

    /// Labels of an object that would have none, made once the object is known to be valid.
    fn fill_labels(&self, _new: &mut Object) {}

    /// Sets and resets what this request may not write, after the generic separation of status and spec.
    fn prepare_update(&self, _subresource: &str, _new: &mut Object, _old: &Object) {}

    /// Removes what is not kept of an update, once it is decided whether that makes a new generation.
    fn drop_from_update(&self, _new: &mut Object, _old: &Object) {}

    /// Whether a change makes a new generation. `None`: every change of what is desired does, where generations are kept.
    fn is_new_generation(&self, _new: &Object, _old: &Object) -> Option<bool> {
        None
    }

    /// Whether an empty list says something else than an absent one; what is stored has none.
    fn tells_empty_lists(&self) -> bool {
        false
    }

    /// Members of metadata whose change counts as one of what is wanted: it raises the generation.
    fn counted_metadata(&self) -> &'static [FieldName] {
        &[]
    }

    /// Members of metadata that a write of the status leaves as they are stored.
    fn kept_by_status(&self) -> &'static [FieldName] {
        &[]
    }

    /// Whether server-side apply through `status` makes an object that does not exist; else it is not found.
    fn applied_status_creates(&self) -> bool {
        false
    }

    /// What a deletion that names no policy for the object's dependents is warned about.
    fn deletion_warning(&self) -> Option<&'static str> {
        None
    }

    /// Causes beyond those of `gantry-validation`.
    fn validate_update(&self, _subresource: &str, _new: &Object, _old: &Object) -> Vec<Cause> {
        Vec::new()
    }

    /// Warnings beyond those of `gantry-validation`, about an object that is accepted.
    fn warnings(&self, _object: &Object) -> Vec<String> {
        Vec::new()
    }

    /// False for what nothing depends on: its deletion waits for no dependents, whatever is asked for.
    fn has_dependents(&self) -> bool {
        true
    }

    /// What happens to dependents where a deletion does not say.
    fn propagation(&self) -> Propagation {
        Propagation::Background
    }

    /// Which finalizer list, besides `metadata.finalizers`, must be empty before the object goes.
    fn is_held(&self, _object: &Object) -> bool {
        false
    }

    /// How a deletion marks an object that stays for now; `metadata` is done by the caller.
    fn mark_deleting(&self, _object: &mut Object) {}

    /// `None`: deletion knows no grace period.
    fn grace_seconds(&self, _object: &Object, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// A deletion whose preconditions fail is answered with the resource's name, not the kind's.
    fn names_itself_in_plural(&self) -> bool {
        false
    }

    /// The group that a deletion whose preconditions fail is answered with; `served` is the resource's own.
    fn named_group<'a>(&self, served: &'a str) -> &'a str {
        served
    }

    /// Deletions answer with the object, not a Status.
    fn returns_deleted_object(&self) -> bool {
        false
    }
}

/// No rules of its own.
struct Generic;

impl Strategy for Generic {}

/// Priority classes are of the first generation for good.
struct PriorityClasses;

impl Strategy for PriorityClasses {
    fn is_new_generation(&self, _new: &Object, _old: &Object) -> Option<bool> {
        Some(false)
    }
}

/// CSI drivers count changes of their spec, from none on.
struct CsiDrivers;

impl Strategy for CsiDrivers {
    fn is_new_generation(&self, new: &Object, old: &Object) -> Option<bool> {
        Some(generation::differs(new.member(AnyObject::SPEC), old.member(AnyObject::SPEC)))
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// Policies and webhooks: the reference compares them by reflection.
struct TellsEmptyLists;

impl Strategy for TellsEmptyLists {
    fn tells_empty_lists(&self) -> bool {
        true
    }
}

/// As [`Generic`], but deletions answer with the object.
struct ReturnsDeleted;

impl Strategy for ReturnsDeleted {
    fn returns_deleted_object(&self) -> bool {
        true
    }
}

pub(crate) fn of(group: &str, plural: &str) -> &'static dyn Strategy {
    match (group, plural) {
        ("", "pods") => &pods::Pods,
        ("", "namespaces") => &namespaces::Namespaces,
        ("", "nodes") => &nodes::Nodes,
        ("", "secrets") => &secrets::Secrets,
        ("", "services") => &services::Services,
        ("", "events") | ("events.k8s.io", "events") => &events::Events,
        ("", "replicationcontrollers") => &replication_controllers::ReplicationControllers,
        ("autoscaling", "horizontalpodautoscalers") => &autoscalers::Autoscalers,
        ("batch", "jobs") => &jobs::Jobs,
        ("apps", "daemonsets") => &daemon_sets::DaemonSets,
        ("apps", "deployments") => &workloads::Deployments,
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            &custom_resource_definitions::CustomResourceDefinitions
        }
        ("apiregistration.k8s.io", "apiservices") => &api_services::ApiServices,
        ("certificates.k8s.io", "certificatesigningrequests") => {
            &certificate_signing_requests::CertificateSigningRequests
        }
        ("", "limitranges") => &limit_ranges::LimitRanges,
        ("", "persistentvolumes") => &persistent_volumes::PersistentVolumes,
        ("", "persistentvolumeclaims") => &persistent_volume_claims::PersistentVolumeClaims,
        ("", "serviceaccounts") => &service_accounts::ServiceAccounts,
        ("discovery.k8s.io", "endpointslices") => &endpoint_slices::EndpointSlices,
        ("", "podtemplates" | "resourcequotas") => &ReturnsDeleted,
        ("scheduling.k8s.io", "priorityclasses") => &PriorityClasses,
        ("storage.k8s.io", "csidrivers") => &CsiDrivers,
        ("storage.k8s.io", "csistoragecapacities") => &Generic,
        ("storage.k8s.io", "volumeattachments") => &status::VolumeAttachments,
        ("resource.k8s.io", "resourceclaims") => &resource_claims::ResourceClaims,
        ("storage.k8s.io" | "resource.k8s.io", _) => &ReturnsDeleted,
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => &status::AdmissionPolicies,
        ("flowcontrol.apiserver.k8s.io", _) => &status::FlowControl,
        ("networking.k8s.io", "servicecidrs") => &status::StatusAlone,
        ("networking.k8s.io", "networkpolicies")
        | ("admissionregistration.k8s.io", "validatingwebhookconfigurations" | "mutatingwebhookconfigurations") => {
            &TellsEmptyLists
        }
        _ => &Generic,
    }
}

/// The generic part of a create, then the resource's own.
pub(crate) fn prepare_create(resource: &Resource, own: &dyn Strategy, new: &mut Object) {
    if resource.status_reset {
        new.unset(AnyObject::STATUS);
    }
    // Where nothing counts, what the client says stands.
    if resource.manages_generation {
        set_generation(new, Some(1));
    }
    own.prepare_create(new);
}

/// The generic part of an update, then the resource's own: a request writes the status or everything else, never both.
pub(crate) fn prepare_update(
    resource: &Resource,
    own: &dyn Strategy,
    subresource: &str,
    new: &mut Object,
    old: &Object,
) {
    if subresource == "status" {
        keep_all_but(&[AnyObject::METADATA, AnyObject::STATUS], new, old);
        keep_in_metadata(own.kept_by_status(), new, old);
    } else if subresource.is_empty() && resource.subresource("status").is_some() {
        keep(AnyObject::STATUS, new, old);
    }
    own.prepare_update(subresource, new, old);
    let generation = old.metadata().and_then(|metadata| metadata.int(ObjectMeta::GENERATION));
    // A status says nothing of what is wanted.
    let counted = if subresource == "status" { &[] } else { own.counted_metadata() };
    let exactly = own.tells_empty_lists();
    let differs = || generation::desired_state_differs(new, old, exactly) || metadata_differs(counted, new, old);
    let own_rule = own.is_new_generation(new, old);
    let counts = own_rule.unwrap_or_else(|| resource.manages_generation && differs());
    let before = generation.unwrap_or_default();
    set_generation(new, if counts { Some(before + 1) } else { generation });
    own.drop_from_update(new, old);
}

/// As [`keep`], of members of metadata.
pub(crate) fn keep_in_metadata(members: &[FieldName], new: &mut Object, old: &Object) {
    let nothing = Object::new();
    let before = old.metadata().unwrap_or(&nothing);
    members.iter().for_each(|member| keep(*member, new.metadata_mut(), before));
}

fn metadata_differs(members: &[FieldName], new: &Object, old: &Object) -> bool {
    // An empty map and none are the same.
    fn part(object: &Object, member: FieldName) -> Option<&Value> {
        let value = object.metadata()?.member(member);
        value.filter(|value| value.as_object().is_none_or(|map| !map.is_empty()))
    }
    members.iter().any(|member| part(new, *member) != part(old, *member))
}

/// Sets a member back to what is stored.
pub(crate) fn keep(member: FieldName, new: &mut Object, old: &Object) {
    match old.get(member.as_str()) {
        Some(value) => new.set(member, value.clone()),
        None => _ = new.unset(member),
    }
}

/// Sets every member but those named back to what is stored.
pub(crate) fn keep_all_but(written: &[FieldName], new: &mut Object, old: &Object) {
    let is_written = |member: &str| written.iter().any(|name| name.as_str() == member);
    new.retain(|member, _| is_written(member));
    for (member, value) in old.iter().filter(|(member, _)| !is_written(member)) {
        new.insert(member.clone(), value.clone());
    }
}

fn set_generation(object: &mut Object, generation: Option<i64>) {
    let Some(metadata) = object.object_mut(AnyObject::METADATA) else { return };
    match generation {
        Some(generation) => metadata.set(ObjectMeta::GENERATION, generation),
        None => _ = metadata.unset(ObjectMeta::GENERATION),
    }
}
