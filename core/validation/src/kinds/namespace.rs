//! Namespace.

use gantry_kinds::fields::{
    core_v1::{Namespace, NamespaceSpec, NamespaceStatus},
    meta_v1::ObjectMeta,
};

use crate::{
    field::{Causes, Root},
    names,
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    finalizers(object, false, causes);
}

/// `spec.finalizers`: qualified names, or the one standard word. A new namespace is told of the list, not of the item.
fn finalizers(object: Root<'_>, by_item: bool, causes: &mut Causes) {
    let finalizers = object.member(Namespace::SPEC).member(NamespaceSpec::FINALIZERS);
    for finalizer in finalizers.items() {
        let reasons = names::qualified_name(finalizer.text());
        let unqualified = !finalizer.text().contains('/') && finalizer.text() != "kubernetes";
        let reported = if by_item { finalizer.clone() } else { finalizers.clone() };
        causes.invalid_each(&reported, reasons);
        if unqualified {
            causes.invalid(&reported, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    match update.subresource {
        Some("finalize") => finalizers(update.new, true, causes),
        Some("status") => status(update, causes),
        _ => {}
    }
}

/// The phase says Terminating exactly while the namespace is being deleted.
fn status(update: Update<'_>, causes: &mut Causes) {
    let deleting = update.new.member(Namespace::METADATA).member(ObjectMeta::DELETION_TIMESTAMP).is_set();
    // The reference reports it under this name.
    let phase = update.new.member(Namespace::STATUS).member_as(NamespaceStatus::PHASE, "Phase");
    let expected = if deleting { "Terminating" } else { "Active" };
    if phase.text() != expected {
        causes.invalid(&phase, "may only be 'Active' without and 'Terminating' with a `metadata.deletionTimestamp`");
    }
}
