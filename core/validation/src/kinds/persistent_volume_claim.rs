//! PersistentVolumeClaim.

use gantry_meta::Object;

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
    if modes.len() > 1 && modes.items().any(|mode| mode.text() == "ReadWriteOncePod") {
        causes.forbidden(modes, "may not use ReadWriteOncePod with other access modes");
    }
}

/// `spec` of a claim, or of a template for claims.
pub fn spec(spec: &Field<'_>, causes: &mut Causes) {
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
        data_source(&spec.member(source), causes);
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

fn data_source(source: &Field<'_>, causes: &mut Causes) {
    if !source.is_set() {
        return;
    }
    causes.require(&source.member("name"));
    causes.require(&source.member("kind"));
    let group = source.member("apiGroup");
    if group.is_empty() && source.member("kind").text() != "PersistentVolumeClaim" {
        causes.invalid(source, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    if !group.is_empty() {
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
        return;
    }
    create(update.new, causes);
    let (new, old) = (update.new.member("spec"), update.old.member("spec"));
    let bound = update.new.member("status").member("phase").text() == "Bound";
    let (Some(new_spec), Some(old_spec)) = (new.object(), old.object()) else { return };
    if fixed_part(new_spec, old_spec, bound) != *old_spec {
        causes.forbidden(
            &new,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    } else if bound {
        request_grows(update, &new, &old, causes);
    }
    let annotations =
        |root: Root<'_>| root.member("metadata").member("annotations").entry(CLASS_ANNOTATION).text().to_owned();
    if annotations(update.old) != annotations(update.new) {
        causes.invalid(
            &update.new.member("metadata").member("annotations").member(CLASS_ANNOTATION),
            "field is immutable",
        );
    }
    let attributes = [&new, &old].map(|spec| spec.member("volumeAttributesClassName"));
    let is_modified = update.old.member("status").member("currentVolumeAttributesClassName").is_set();
    if attributes[1].is_set() && !attributes[0].is_set() && is_modified {
        causes.forbidden(&attributes[0], "update from non-nil value to nil is forbidden");
    }
    // The reference reports this one without `spec`.
    let mode = new.member("volumeMode");
    causes.immutable(&mode.reported_at(&update.new.member("volumeMode")), &old.member("volumeMode"));
}

/// The new spec with the old values of what may still change.
fn fixed_part(new: &Object, old: &Object, bound: bool) -> Object {
    let mut spec = new.clone();
    let mut put_back = |member: &str| match old.get(member) {
        Some(value) => drop(spec.insert(member.to_owned(), value.clone())),
        None => drop(spec.remove(member)),
    };
    if old.get("volumeName").is_none() {
        put_back("volumeName");
    }
    if old.get("storageClassName").is_none() {
        put_back("storageClassName");
    }
    if bound {
        put_back("volumeAttributesClassName");
        put_back("resources");
    }
    spec
}

/// A bound claim's request grows, or shrinks to no less than what it has.
fn request_grows(update: Update<'_>, new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let storage = |spec: &Field<'_>| resources::amount(&spec.member("resources").member("requests").member("storage"));
    let has = resources::amount(&update.old.member("status").member("capacity").member("storage"));
    if let (Some(new_amount), Some(old_amount)) = (storage(new), storage(old))
        && new_amount < old_amount
        && has.is_none_or(|has| new_amount <= has)
    {
        let field = new.member("resources").member("requests").member("storage");
        causes.forbidden(&field, "field can not be less than status.capacity");
    }
}
