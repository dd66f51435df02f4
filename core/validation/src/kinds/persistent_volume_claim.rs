//! PersistentVolumeClaim.

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
    spec(&object.member("spec"), causes);
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
    access_modes(&spec.member("accessModes"), causes);
    selector::label_selector(&spec.member("selector"), causes);
    request(&spec.member("resources"), causes);
    let class = spec.member("storageClassName");
    if !class.is_empty() {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    let mode = spec.member("volumeMode");
    if mode.is_set() {
        causes.one_of(&mode, &["Block", "Filesystem"]);
    }
    for source in ["dataSource", "dataSourceRef"] {
        data_source(&spec.member(source), groups, causes);
    }
    sources_agree(spec, causes);
    let attributes = spec.member("volumeAttributesClassName");
    if !attributes.is_empty() {
        causes.invalid_each(&attributes, names::dns_subdomain(attributes.text()));
    }
}

/// The request for storage, which the reference reports without `requests`.
fn request(resources: &Field<'_>, causes: &mut Causes) {
    let storage = resources.member("requests").entry("storage").reported_at(&resources.entry("storage"));
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
    causes.require(&source.member("name"));
    causes.require(&source.member("kind"));
    let group = source.member("apiGroup");
    if group.is_empty() && source.member("kind").text() != "PersistentVolumeClaim" {
        causes.invalid(source, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    if !group.is_empty() && groups == Groups::AreNames {
        causes.invalid_each(&group, names::dns_subdomain(group.text()));
    }
}

/// Both ways to say what a claim is filled from say the same; the older one knows no namespaces.
fn sources_agree(spec: &Field<'_>, causes: &mut Causes) {
    let (source, reference) = (spec.member("dataSource"), spec.member("dataSourceRef"));
    let namespace = reference.member("namespace");
    if !namespace.is_empty() {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
    if !source.is_set() || !reference.is_set() {
        return;
    }
    let same = ["apiGroup", "kind", "name"].iter().all(|m| source.member(m).value() == reference.member(m).value());
    if !namespace.is_empty() || !same {
        causes.invalid(spec, "dataSource must match dataSourceRef, and has no namespace");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource == Some("status") {
        return status(&update.new.member("status"), causes);
    }
    let (new, old) = (update.new.member("spec"), update.old.member("spec"));
    let has_group = |source| old.member(source).member("apiGroup").is_set();
    let groups =
        if ["dataSource", "dataSourceRef"].into_iter().any(has_group) { Groups::AreAnything } else { Groups::AreNames };
    spec_with(&new, groups, causes);
    let named_by_annotation = takes_over_annotated_class(update);
    if !named_by_annotation {
        let annotation =
            |root: Root<'_>| root.member("metadata").member("annotations").entry(CLASS_ANNOTATION).text().to_owned();
        if annotation(update.old) != annotation(update.new) {
            let annotations = update.new.member("metadata").member("annotations");
            causes.invalid(&annotations.member(CLASS_ANNOTATION), "field is immutable");
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
    let mode = new.member("volumeMode");
    causes.immutable(&mode.reported_at(&update.new.member("volumeMode")), &old.member("volumeMode"));
    let attributes = new.member("volumeAttributesClassName");
    let is_modified = update.old.member("status").member("currentVolumeAttributesClassName").is_set();
    if is_modified && attributes.is_empty() && old.member("volumeAttributesClassName").value() != attributes.value() {
        causes.forbidden(&attributes, "may not be unset once status.currentVolumeAttributesClassName is set");
    }
}

fn annotated_class<'a>(root: Root<'a>) -> Option<&'a str> {
    root.member("metadata").member("annotations").property(CLASS_ANNOTATION).map(|annotation| annotation.text())
}

/// Whether the class that was annotated becomes that of the field.
fn takes_over_annotated_class(update: Update<'_>) -> bool {
    let class = |root: Root<'_>| root.member("spec").member("storageClassName").value().cloned();
    let (before, after) = (annotated_class(update.old), annotated_class(update.new));
    class(update.old).is_none()
        && before.is_some_and(|name| class(update.new).is_some_and(|class| class == name))
        && (after.is_none() || after == before)
}

/// The new spec with the old values of what may still change: a volume and a class that were not there, and of a bound
/// claim its request and its class of attributes.
fn fixed_part(update: Update<'_>, named_by_annotation: bool) -> Object {
    let member = |root: Root<'_>, name| root.member("spec").member(name).value().cloned();
    let mut spec = update.new.member("spec").object().cloned().unwrap_or_default();
    let mut put_back = |name: &'static str| match member(update.old, name) {
        Some(value) => drop(spec.insert(name.to_owned(), value)),
        None => drop(spec.remove(name)),
    };
    if update.old.member("spec").member("volumeName").is_empty() {
        put_back("volumeName");
    }
    let class = update.new.member("spec").member("storageClassName");
    let is_first_class = class.is_set() && member(update.old, "storageClassName").is_none();
    if named_by_annotation || (is_first_class && annotated_class(update.old).is_none_or(|name| name == class.text())) {
        put_back("storageClassName");
    }
    if update.new.member("status").member("phase").text() == "Bound" {
        put_back("volumeAttributesClassName");
        put_back_request(&mut spec, update.old);
    }
    spec
}

fn put_back_request(spec: &mut Object, old: Root<'_>) {
    let requests = spec.get_mut("resources").and_then(|resources| resources.get_mut("requests"));
    let old = old.member("spec").member("resources").member("requests").member("storage");
    if let (Some(requests), Some(old)) = (requests.and_then(Value::as_object_mut), old.value()) {
        requests.insert("storage".to_owned(), old.clone());
    }
}

/// A request may shrink after an expansion that failed, to more than the claim has.
fn request_shrinks(update: Update<'_>, causes: &mut Causes) {
    let amount = |field: Field<'_>| resources::amount(&field).unwrap_or(Quantity::from_milli(0));
    let request = |root: Root<'_>| amount(root.member("spec").member("resources").member("requests").member("storage"));
    let has = amount(update.old.member("status").member("capacity").member("storage"));
    if request(update.new) < request(update.old) && request(update.new) <= has {
        let field = update.new.member("spec").member("resources").member("requests").member("storage");
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
    for (_, amount) in status.member("capacity").entries() {
        valid_amount(&amount, causes);
    }
    let statuses = status.member("allocatedResourceStatuses");
    for (name, of_resize) in statuses.entries() {
        resource_key(name, &statuses, causes);
        causes.one_of(&of_resize.reported_at(&statuses), &RESIZE_STATUSES);
    }
    let allocated = status.member("allocatedResources");
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
