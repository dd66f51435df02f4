//! Volumes, claims and classes of volume attributes carry a finalizer that their controller lifts once nothing uses them.

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, MutatingPlugin, Operation, tree};

pub struct StorageObjectInUseProtection;

/// Resource and finalizer of all that is protected.
const PROTECTED: [(&str, &str, &str); 3] = [
    ("", "persistentvolumeclaims", "kubernetes.io/pvc-protection"),
    ("", "persistentvolumes", "kubernetes.io/pv-protection"),
    ("storage.k8s.io", "volumeattributesclasses", "kubernetes.io/vac-protection"),
];

fn finalizer_of(attributes: &Attributes<'_>) -> Option<&'static str> {
    PROTECTED.iter().find(|(group, plural, _)| attributes.is(group, plural)).map(|(.., finalizer)| *finalizer)
}

#[async_trait]
impl MutatingPlugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && finalizer_of(attributes).is_some()
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let (Some(object), Some(finalizer)) = (object, finalizer_of(attributes)) else { return Ok(()) };
        let finalizers = tree::list_mut(object.metadata_mut(), "finalizers");
        if !finalizers.iter().any(|f| f.as_str() == Some(finalizer)) {
            finalizers.push(Value::from(finalizer));
        }
        Ok(())
    }
}
