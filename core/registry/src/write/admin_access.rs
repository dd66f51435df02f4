//! Who asks for devices as an administrator works in a namespace that allows it.

use gantry_kinds::{
    FieldChain, FieldName, Members as _,
    fields::resource_v1::{
        AllocationResult, DeviceAllocationResult, DeviceClaim, DeviceRequest, DeviceRequestAllocationResult,
        ExactDeviceRequest, ResourceClaim, ResourceClaimSpec, ResourceClaimStatus, ResourceClaimTemplate,
        ResourceClaimTemplateSpec,
    },
    path,
};
use gantry_meta::{Cause, FieldPath, Object, ObjectView as _};
use gantry_storage::Key;
use serde::Deserialize;

use super::Write;

/// The label of such a namespace; its value is `true`.
const LABEL: &str = "resource.kubernetes.io/admin-access";

/// The first request for administrator's access of a claim, of a template or of an allocation that is refused.
pub(super) fn admin_access(write: &Write<'_>, new: &Object, old: Option<&Object>) -> Option<Cause> {
    let resource = &write.served.resource;
    if resource.group != "resource.k8s.io" {
        return None;
    }
    let path = match (&*resource.plural, write.subresource, old) {
        ("resourceclaims", "", None) => requested(new.object(ResourceClaim::SPEC)),
        ("resourceclaimtemplates", "", None) => {
            requested(new.object_at(path![ResourceClaimTemplate::SPEC, ResourceClaimTemplateSpec::SPEC]))
        }
        ("resourceclaims", "status", Some(old)) if granted(old).is_none() => granted(new),
        _ => None,
    }?;
    (!is_allowed(write, new.namespace()))
        .then(|| Cause::forbidden(&path, format!("needs the label {LABEL}=true on the namespace")))
}

const OF_REQUEST: FieldName = ExactDeviceRequest::ADMIN_ACCESS;
const OF_RESULT: FieldName = DeviceRequestAllocationResult::ADMIN_ACCESS;

/// The reference reports templates as it does claims, and leaves `exactly` out.
fn requested(spec: Option<&Object>) -> Option<FieldPath> {
    const REQUESTS: FieldChain = path![ResourceClaimSpec::DEVICES, DeviceClaim::REQUESTS];
    const REPORTED: FieldChain = path![ResourceClaim::SPEC, ResourceClaimSpec::DEVICES, DeviceClaim::REQUESTS];
    let asks =
        |request: &Object| request.object(DeviceRequest::EXACTLY).is_some_and(|exactly| exactly.flag(OF_REQUEST));
    let at = first(spec?, REQUESTS, asks)?;
    Some(REPORTED.field_path().index(at).field(OF_REQUEST.as_str()))
}

fn granted(claim: &Object) -> Option<FieldPath> {
    const RESULTS: FieldChain = path![
        ResourceClaim::STATUS,
        ResourceClaimStatus::ALLOCATION,
        AllocationResult::DEVICES,
        DeviceAllocationResult::RESULTS
    ];
    let at = first(claim, RESULTS, |result| result.flag(OF_RESULT))?;
    Some(RESULTS.field_path().index(at).field(OF_RESULT.as_str()))
}

fn first(part: &Object, list: FieldChain, is_it: impl Fn(&Object) -> bool) -> Option<usize> {
    part.items_at(list).iter().position(|item| item.as_object().is_some_and(&is_it))
}

#[derive(Deserialize)]
struct Namespace {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
}

fn is_allowed(write: &Write<'_>, namespace: &str) -> bool {
    let found = write.state.cache.get(&Key::new("", "namespaces", "", namespace));
    let read = found.and_then(|object| serde_json::from_slice::<Namespace>(&object.wire()).ok());
    read.is_some_and(|namespace| namespace.metadata.labels.get(LABEL).is_some_and(|value| value == "true"))
}
