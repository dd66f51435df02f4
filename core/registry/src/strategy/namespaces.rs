//! Namespaces: held by `spec.finalizers` until their contents are gone.

use gantry_kinds::{
    Members as _,
    fields::{
        core_v1::{Namespace, NamespaceSpec, NamespaceStatus},
        meta_v1::ObjectMeta,
    },
    object, path,
};
use gantry_meta::{Object, ObjectView as _};

use super::{Strategy, keep, keep_all_but};

pub(super) struct Namespaces;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const FINALIZER: &str = "kubernetes";

fn label_with_name(namespace: &mut Object) {
    let name = namespace.name().to_owned();
    if name.is_empty() {
        return;
    }
    if let Some(labels) = namespace.metadata_mut().made(ObjectMeta::LABELS) {
        labels.insert(NAME_LABEL.into(), name.into());
    }
}

impl Strategy for Namespaces {
    fn prepare_create(&self, namespace: &mut Object) {
        label_with_name(namespace);
        let spec = namespace.made(Namespace::SPEC);
        if let Some(finalizers) = spec.and_then(|spec| spec.made_list(NamespaceSpec::FINALIZERS))
            && !finalizers.iter().any(|f| f.as_str() == Some(FINALIZER))
        {
            finalizers.push(FINALIZER.into());
        }
        namespace.set(Namespace::STATUS, object! { NamespaceStatus::PHASE => NamespaceStatus::PHASE_DEFAULT });
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        match subresource {
            "finalize" => keep_all_but(&[Namespace::METADATA, Namespace::SPEC], new, old),
            "status" => {}
            _ => keep(Namespace::SPEC, new, old),
        }
        label_with_name(new);
    }

    fn is_held(&self, namespace: &Object) -> bool {
        !namespace.items_at(path![Namespace::SPEC, NamespaceSpec::FINALIZERS]).is_empty()
    }

    fn mark_deleting(&self, namespace: &mut Object) {
        namespace.metadata_mut().unset(ObjectMeta::DELETION_GRACE_PERIOD_SECONDS);
        if let Some(status) = namespace.made(Namespace::STATUS) {
            status.set(NamespaceStatus::PHASE, "Terminating");
        }
    }

    fn applied_status_creates(&self) -> bool {
        true
    }

    fn names_itself_in_plural(&self) -> bool {
        true
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
