//! Messages as API requests.

use gantry_meta::{GroupVersionResource, Object, Status};
use gantry_proto::v1::{self, PatchType};
use gantry_registry::{
    ApiRequest, Body, DeleteOptions, FieldValidation, GetOptions, ListOptions, Patch, Target, Verb, WriteOptions,
    field_manager_causes,
};

type Refused = Box<Status>;

fn target(target: Option<v1::Target>) -> Result<Target, Refused> {
    let target = target.unwrap_or_default();
    if target.version.is_empty() || target.resource.is_empty() {
        return Err(Box::new(Status::bad_request("a target needs at least a version and a resource")));
    }
    let resource = GroupVersionResource::new(&target.group, &target.version, &target.resource);
    let object = Target::object(&resource, &target.namespace, &target.name);
    Ok(object.with_subresource(&target.subresource))
}

fn collection(wanted: Option<v1::Target>) -> Result<Target, Refused> {
    let mut target = target(wanted)?;
    target.name.clear();
    Ok(target)
}

fn named(wanted: Option<v1::Target>) -> Result<Target, Refused> {
    let target = target(wanted)?;
    if target.name.is_empty() {
        return Err(Box::new(Status::bad_request("this call needs the name of an object")));
    }
    Ok(target)
}

pub(crate) fn get(message: v1::GetRequest) -> Result<ApiRequest, Refused> {
    let options = GetOptions { resource_version: message.resource_version };
    Ok(ApiRequest::Get { target: named(message.target)?, options })
}

pub(crate) fn list(message: v1::ListRequest) -> Result<ApiRequest, Refused> {
    let selection = message.selection.unwrap_or_default();
    let options = ListOptions {
        label_selector: selection.label_selector,
        field_selector: selection.field_selector,
        resource_version: message.resource_version,
        resource_version_match: message.resource_version_match,
        limit: message.limit,
        continue_token: message.continue_token,
        ..ListOptions::default()
    };
    Ok(ApiRequest::List { target: collection(message.target)?, options })
}

pub(crate) fn watch(message: v1::WatchStart) -> Result<ApiRequest, Refused> {
    let selection = message.selection.unwrap_or_default();
    let options = ListOptions {
        label_selector: selection.label_selector,
        field_selector: selection.field_selector,
        resource_version: message.resource_version,
        resource_version_match: message.resource_version_match,
        allow_watch_bookmarks: true,
        send_initial_events: message.send_initial_events,
        timeout_seconds: (message.timeout_seconds > 0).then_some(message.timeout_seconds),
        ..ListOptions::default()
    };
    Ok(ApiRequest::Watch { target: collection(message.target)?, options })
}

pub(crate) fn create(message: v1::WriteRequest) -> Result<ApiRequest, Refused> {
    let mut target = target(message.target)?;
    if target.subresource.is_empty() {
        target.name.clear();
    }
    Ok(with_options(target, Verb::Create, "CreateOptions", message.options, |target, options| ApiRequest::Create {
        target,
        body: Body::json(message.json),
        options,
    }))
}

pub(crate) fn update(message: v1::WriteRequest) -> Result<ApiRequest, Refused> {
    let target = named(message.target)?;
    Ok(with_options(target, Verb::Update, "UpdateOptions", message.options, |target, options| ApiRequest::Update {
        target,
        body: Body::json(message.json),
        options,
    }))
}

pub(crate) fn patch(message: v1::PatchRequest) -> Result<ApiRequest, Refused> {
    let (kind, force, body) = (message.r#type(), message.force, message.patch);
    let patch = match kind {
        PatchType::Json => Patch::Json(body),
        PatchType::Merge => Patch::Merge(body),
        PatchType::StrategicMerge => Patch::Strategic(body),
        PatchType::Apply => Patch::Apply { body, force },
        PatchType::Unspecified => return Err(Box::new(Status::bad_request("a patch needs a type"))),
    };
    let target = named(message.target)?;
    Ok(with_options(target, Verb::Patch, "PatchOptions", message.options, |target, options| ApiRequest::Patch {
        target,
        patch,
        options,
    }))
}

pub(crate) fn delete(message: v1::DeleteRequest) -> Result<ApiRequest, Refused> {
    let target = named(message.target)?;
    Ok(match delete_options(&message.options) {
        Ok(options) => ApiRequest::Delete { target, options },
        Err(refusal) => unacceptable(target, Verb::Delete, refusal),
    })
}

fn delete_options(json: &[u8]) -> Result<DeleteOptions, Status> {
    if json.is_empty() {
        return Ok(DeleteOptions::default());
    }
    let options: Object = serde_json::from_slice(json)
        .map_err(|error| Status::bad_request(format!("the delete options cannot be read: {error}")))?;
    DeleteOptions::from_object(&options)
}

/// Bad options are refused only after authorisation, as over HTTP.
fn with_options(
    target: Target,
    verb: Verb,
    options_kind: &str,
    options: Option<v1::WriteOptions>,
    request: impl FnOnce(Target, WriteOptions) -> ApiRequest,
) -> ApiRequest {
    let options = options.unwrap_or_default();
    let causes = field_manager_causes(&options.field_manager);
    if !causes.is_empty() {
        return unacceptable(target, verb, Status::invalid("meta.k8s.io", options_kind, "", causes));
    }
    match FieldValidation::parse(&options.field_validation, options_kind) {
        Ok(field_validation) => {
            let (dry_run, field_manager) = (options.dry_run, options.field_manager);
            request(target, WriteOptions { dry_run, field_manager, field_validation })
        }
        Err(refusal) => unacceptable(target, verb, refusal),
    }
}

fn unacceptable(target: Target, verb: Verb, refusal: Status) -> ApiRequest {
    ApiRequest::Unacceptable { target, verb, refusal: Box::new(refusal) }
}
