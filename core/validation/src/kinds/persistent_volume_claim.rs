//! PersistentVolumeClaim.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{
            PersistentVolumeClaim, PersistentVolumeClaimSpec as Spec, PersistentVolumeClaimStatus as Status,
            TypedObjectReference, VolumeResourceRequirements,
        },
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::{Object, Quantity, Value};

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{resources, selector},
    table::Update,
};

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// The annotation that chose a class before the field did.
pub const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub fn create(object: Root<'_>, causes: &mut Causes) {
    spec(&object.member(PersistentVolumeClaim::SPEC), causes);
}

/// Access modes of a claim or a volume.
pub fn access_modes(modes: &Field<'_>, causes: &mut Causes) {
    causes.require(modes);
    for mode in modes.items() {
        // The reference reports these at the list.
        causes.one_of(&mode.reported_at(modes), &ACCESS_MODES);
    }
    let alone = |mode: &Field<'_>| mode.text() == "ReadWriteOncePod";
    let shared = |mode: &Field<'_>| !alone(mode) && ACCESS_MODES.contains(&mode.text());
    if modes.items().any(|mode| alone(&mode)) && modes.items().any(|mode| shared(&mode)) {
        causes.forbidden(modes, "may not use ReadWriteOncePod with other access modes");
    }
}

/// `spec` of a claim, or of a template for claims.
pub fn spec(spec: &Field<'_>, causes: &mut Causes) {
    spec_with(spec, Groups::AreNames, causes);
}

/// Whether the groups of sources have to be names. Those of a claim that had some before do not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Groups {
    AreNames,
    AreAnything,
}

fn spec_with(spec: &Field<'_>, groups: Groups, causes: &mut Causes) {
    access_modes(&spec.member(Spec::ACCESS_MODES), causes);
    selector::label_selector(&spec.member(Spec::SELECTOR), causes);
    request(&spec.member(Spec::RESOURCES), causes);
    let class = spec.member(Spec::STORAGE_CLASS_NAME);
    if !class.is_empty() {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    let mode = spec.member(Spec::VOLUME_MODE);
    if mode.is_set() {
        causes.one_of(&mode, &["Block", "Filesystem"]);
    }
    for source in [Spec::DATA_SOURCE, Spec::DATA_SOURCE_REF] {
        data_source(&spec.member(source), groups, causes);
    }
    sources_agree(spec, causes);
    let attributes = spec.member(Spec::VOLUME_ATTRIBUTES_CLASS_NAME);
    if !attributes.is_empty() {
        causes.invalid_each(&attributes, names::dns_subdomain(attributes.text()));
    }
}

/// The request for storage, which the reference reports without `requests`.
fn request(resources: &Field<'_>, causes: &mut Causes) {
    let storage = resources
        .member(VolumeResourceRequirements::REQUESTS)
        .entry("storage")
        .reported_at(&resources.entry("storage"));
    match resources::amount(&storage) {
        None => causes.required(&storage),
        Some(amount) if amount.signum() <= 0 => causes.invalid(&storage, "must be greater than zero"),
        Some(_) => {}
    }
}

fn data_source(source: &Field<'_>, groups: Groups, causes: &mut Causes) {
    if !source.is_set() {
        return;
    }
    causes.require(&source.member(TypedObjectReference::NAME));
    causes.require(&source.member(TypedObjectReference::KIND));
    let group = source.member(TypedObjectReference::API_GROUP);
    if group.is_empty() && source.member(TypedObjectReference::KIND).text() != "PersistentVolumeClaim" {
        causes.invalid(source, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    if !group.is_empty() && groups == Groups::AreNames {
        causes.invalid_each(&group, names::dns_subdomain(group.text()));
    }
}

/// Both ways to say what a claim is filled from say the same; the older one knows no namespaces.
fn sources_agree(spec: &Field<'_>, causes: &mut Causes) {
    let (source, reference) = (spec.member(Spec::DATA_SOURCE), spec.member(Spec::DATA_SOURCE_REF));
    let namespace = reference.member(TypedObjectReference::NAMESPACE);
    if !namespace.is_empty() {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
    if !source.is_set() || !reference.is_set() {
        return;
    }
    let same = [TypedObjectReference::API_GROUP, TypedObjectReference::KIND, TypedObjectReference::NAME]
        .iter()
        .all(|m| source.member(*m).value() == reference.member(*m).value());
    if !namespace.is_empty() || !same {
        causes.invalid(spec, "dataSource must match dataSourceRef, and has no namespace");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        return status(&update.new.member(PersistentVolumeClaim::STATUS), causes);
    }
    let (new, old) = (update.new.member(PersistentVolumeClaim::SPEC), update.old.member(PersistentVolumeClaim::SPEC));
    let has_group = |source| old.member(source).member(TypedObjectReference::API_GROUP).is_set();
    let groups = if [Spec::DATA_SOURCE, Spec::DATA_SOURCE_REF].into_iter().any(has_group) {
        Groups::AreAnything
    } else {
        Groups::AreNames
    };
    spec_with(&new, groups, causes);
    let named_by_annotation = takes_over_annotated_class(update);
    if !named_by_annotation {
        let annotation = |root: Root<'_>| {
            root.member(PersistentVolumeClaim::METADATA)
                .member(ObjectMeta::ANNOTATIONS)
                .entry(CLASS_ANNOTATION)
                .text()
                .to_owned()
        };
        if annotation(update.old) != annotation(update.new) {
            let annotations = update.new.member(PersistentVolumeClaim::METADATA).member(ObjectMeta::ANNOTATIONS);
            causes.invalid(&annotations.untyped_member(CLASS_ANNOTATION), "field is immutable");
        }
    }
    if fixed_part(update, named_by_annotation) != old.object().cloned().unwrap_or_default() {
        causes.forbidden(
            &new,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
    request_shrinks(update, causes);
    // The reference reports this one without `spec`.
    let mode = new.member(Spec::VOLUME_MODE);
    causes.immutable(&mode.reported_at(&update.new.member(Spec::VOLUME_MODE)), &old.member(Spec::VOLUME_MODE));
    let attributes = new.member(Spec::VOLUME_ATTRIBUTES_CLASS_NAME);
    let is_modified =
        update.old.member(PersistentVolumeClaim::STATUS).member(Status::CURRENT_VOLUME_ATTRIBUTES_CLASS_NAME).is_set();
    if is_modified
        && attributes.is_empty()
        && old.member(Spec::VOLUME_ATTRIBUTES_CLASS_NAME).value() != attributes.value()
    {
        causes.forbidden(&attributes, "may not be unset once status.currentVolumeAttributesClassName is set");
    }
}

fn annotated_class<'a>(root: Root<'a>) -> Option<&'a str> {
    root.member(PersistentVolumeClaim::METADATA)
        .member(ObjectMeta::ANNOTATIONS)
        .property(CLASS_ANNOTATION)
        .map(|annotation| annotation.text())
}

/// Whether the class that was annotated becomes that of the field.
fn takes_over_annotated_class(update: Update<'_>) -> bool {
    let class =
        |root: Root<'_>| root.member(PersistentVolumeClaim::SPEC).member(Spec::STORAGE_CLASS_NAME).value().cloned();
    let (before, after) = (annotated_class(update.old), annotated_class(update.new));
    class(update.old).is_none()
        && before.is_some_and(|name| class(update.new).is_some_and(|class| class == name))
        && (after.is_none() || after == before)
}

/// The new spec with the old values of what may still change: a volume and a class that were not there, and of a bound
/// claim its request and its class of attributes.
fn fixed_part(update: Update<'_>, named_by_annotation: bool) -> Object {
    let member = |root: Root<'_>, name| root.member(PersistentVolumeClaim::SPEC).member(name).value().cloned();
    let mut spec = update.new.member(PersistentVolumeClaim::SPEC).object().cloned().unwrap_or_default();
    let mut put_back = |name: FieldName| match member(update.old, name) {
        Some(value) => drop(spec.insert(name.as_str().to_owned(), value)),
        None => drop(spec.remove(name.as_str())),
    };
    if update.old.member(PersistentVolumeClaim::SPEC).member(Spec::VOLUME_NAME).is_empty() {
        put_back(Spec::VOLUME_NAME);
    }
    let class = update.new.member(PersistentVolumeClaim::SPEC).member(Spec::STORAGE_CLASS_NAME);
    let is_first_class = class.is_set() && member(update.old, Spec::STORAGE_CLASS_NAME).is_none();
    if named_by_annotation || (is_first_class && annotated_class(update.old).is_none_or(|name| name == class.text())) {
        put_back(Spec::STORAGE_CLASS_NAME);
    }
    if update.new.member(PersistentVolumeClaim::STATUS).member(Status::PHASE).text() == "Bound" {
        put_back(Spec::VOLUME_ATTRIBUTES_CLASS_NAME);
        put_back_request(&mut spec, update.old);
    }
    spec
}

fn put_back_request(spec: &mut Object, old: Root<'_>) {
    let requests = spec.get_mut("resources").and_then(|resources| resources.get_mut("requests"));
    let old = old
        .member(PersistentVolumeClaim::SPEC)
        .member(Spec::RESOURCES)
        .member(VolumeResourceRequirements::REQUESTS)
        .untyped_member("storage");
    if let (Some(requests), Some(old)) = (requests.and_then(Value::as_object_mut), old.value()) {
        requests.insert("storage".to_owned(), old.clone());
    }
}

/// A request may shrink after an expansion that failed, to more than the claim has.
fn request_shrinks(update: Update<'_>, causes: &mut Causes) {
    let amount = |field: Field<'_>| resources::amount(&field).unwrap_or(Quantity::from_milli(0));
    let request = |root: Root<'_>| {
        amount(
            root.member(PersistentVolumeClaim::SPEC)
                .member(Spec::RESOURCES)
                .member(VolumeResourceRequirements::REQUESTS)
                .untyped_member("storage"),
        )
    };
    let has =
        amount(update.old.member(PersistentVolumeClaim::STATUS).member(Status::CAPACITY).untyped_member("storage"));
    if request(update.new) < request(update.old) && request(update.new) <= has {
        let field = update
            .new
            .member(PersistentVolumeClaim::SPEC)
            .member(Spec::RESOURCES)
            .member(VolumeResourceRequirements::REQUESTS)
            .untyped_member("storage");
        causes.forbidden(&field, "field can not be less than status.capacity");
    }
}

const RESIZE_STATUSES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

fn status(status: &Field<'_>, causes: &mut Causes) {
    for (_, amount) in status.member(Status::CAPACITY).entries() {
        valid_amount(&amount, causes);
    }
    let statuses = status.member(Status::ALLOCATED_RESOURCE_STATUSES);
    for (name, of_resize) in statuses.entries() {
        resource_key(name, &statuses, causes);
        causes.one_of(&of_resize.reported_at(&statuses), &RESIZE_STATUSES);
    }
    let allocated = status.member(Status::ALLOCATED_RESOURCES);
    for (name, amount) in allocated.entries() {
        let before = causes.len();
        resource_key(name, &allocated, causes);
        if causes.len() == before {
            valid_amount(&amount, causes);
        }
    }
}

fn valid_amount(field: &Field<'_>, causes: &mut Causes) {
    if resources::amount(field).is_some_and(|amount| amount.signum() < 0) {
        causes.invalid(field, "must be a valid resource quantity");
    }
}

/// Of the platform's own resources a claim has storage alone. The reference reports this at the map.
fn resource_key(name: &str, map: &Field<'_>, causes: &mut Causes) {
    let reasons = names::qualified_name(name);
    if !reasons.is_empty() {
        causes.invalid_each(map, reasons);
    } else if resources::is_native(name) && name != "storage" {
        causes.not_supported(map, &["storage"]);
    }
}
