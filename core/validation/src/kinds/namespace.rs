//! Namespace.

use crate::{
    field::{Causes, Root},
    names,
    table::Update,
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    finalizers(object, causes);
}

/// `spec.finalizers`: qualified names, or the one standard word.
fn finalizers(object: Root<'_>, causes: &mut Causes) {
    let finalizers = object.member("spec").member("finalizers");
    for finalizer in finalizers.items() {
        let reasons = names::qualified_name(finalizer.text());
        let unqualified = !finalizer.text().contains('/') && finalizer.text() != "kubernetes";
        causes.invalid_each(&finalizers, reasons);
        if unqualified {
            causes.invalid(&finalizers, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    match update.subresource {
        Some("finalize") => finalizers(update.new, causes),
        Some("status") => status(update, causes),
        _ => {}
    }
}

/// The phase says Terminating exactly while the namespace is being deleted.
fn status(update: Update<'_>, causes: &mut Causes) {
    let deleting = update.new.member("metadata").member("deletionTimestamp").is_set();
    let phase = update.new.member("status").member("phase");
    let expected = if deleting { "Terminating" } else { "Active" };
    if phase.text() != expected {
        causes.invalid(&phase, "may only be 'Active' without and 'Terminating' with a `metadata.deletionTimestamp`");
    }
}
