//! Volumes and claims carry a finalizer that their controller lifts once nothing uses them.

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, MutatingPlugin, Operation, tree};

pub struct StorageObjectInUseProtection;

#[async_trait]
impl MutatingPlugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create
            && (attributes.is("", "persistentvolumeclaims") || attributes.is("", "persistentvolumes"))
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(object) = object else { return Ok(()) };
        let claim = attributes.is("", "persistentvolumeclaims");
        let finalizer = if claim { "kubernetes.io/pvc-protection" } else { "kubernetes.io/pv-protection" };
        let finalizers = tree::list_mut(object.metadata_mut(), "finalizers");
        if !finalizers.iter().any(|f| f.as_str() == Some(finalizer)) {
            finalizers.push(Value::from(finalizer));
        }
        Ok(())
    }
}
