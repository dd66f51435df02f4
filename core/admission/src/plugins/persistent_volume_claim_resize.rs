//! A claim grows only where it is bound, and its class says that volumes can.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value, quantity::Quantity};

use crate::{Attributes, ClusterView, Operation, ValidatingPlugin, tree};

/// The annotation that chose a class before the field did.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub struct PersistentVolumeClaimResize {
    view: Arc<dyn ClusterView>,
}

impl PersistentVolumeClaimResize {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn can_grow(&self, new: &Object, old: &Object) -> Result<bool, Status> {
        let name = class(new);
        if name.is_empty() || name != class(old) {
            return Ok(false);
        }
        let found = self.view.get("storage.k8s.io", "storageclasses", "", name).await?;
        Ok(found.is_some_and(|class| class.get("allowVolumeExpansion") == Some(&Value::Bool(true))))
    }
}

fn class(claim: &Object) -> &str {
    let annotated = claim.get("metadata").and_then(|m| m.get("annotations")?.get(CLASS_ANNOTATION)?.as_str());
    annotated.or_else(|| Some(tree::text(tree::spec(claim)?, "storageClassName"))).unwrap_or_default()
}

/// What a claim asks for; nothing counts as none.
fn request(claim: &Object) -> Quantity {
    let text = tree::spec(claim).and_then(|spec| spec.get("resources")?.get("requests")?.get("storage")?.as_str());
    text.and_then(|text| Quantity::parse(text).ok()).unwrap_or(Quantity::from_milli(0))
}

fn is_bound(claim: &Object) -> bool {
    claim.get("status").and_then(|status| status.get("phase")).is_some_and(|phase| phase == "Bound")
}

#[async_trait]
impl ValidatingPlugin for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update && attributes.is("", "persistentvolumeclaims")
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        let (Some(new), Some(old)) = (object, old) else { return Ok(()) };
        if request(new) <= request(old) {
            return Ok(());
        }
        if !is_bound(old) {
            return Err(attributes.forbidden("Only bound persistent volume claims can be expanded"));
        }
        match self.can_grow(new, old).await? {
            true => Ok(()),
            false => Err(attributes.forbidden(
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
                 support resize",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use gantry_auth::UserInfo;
    use gantry_meta::GroupVersionResource;
    use serde_json::json;

    use super::*;

    /// One class that lets its volumes grow, and one that does not.
    struct Classes;

    #[async_trait]
    impl ClusterView for Classes {
        async fn get(&self, _: &str, resource: &str, _: &str, name: &str) -> Result<Option<Object>, Status> {
            assert_eq!(resource, "storageclasses");
            Ok(match name {
                "grows" => json!({"allowVolumeExpansion": true}).as_object().cloned(),
                "fixed" => Some(Object::new()),
                _ => None,
            })
        }

        async fn get_newest(&self, group: &str, resource: &str, _: &str, name: &str) -> Result<Option<Object>, Status> {
            self.get(group, resource, "", name).await
        }

        async fn list(&self, _: &str, _: &str, _: &str) -> Result<Vec<Object>, Status> {
            Ok(Vec::new())
        }
    }

    fn claim(class: &str, storage: &str, phase: &str) -> Object {
        let spec = json!({"storageClassName": class, "resources": {"requests": {"storage": storage}}});
        json!({"spec": spec, "status": {"phase": phase}}).as_object().cloned().unwrap()
    }

    #[tokio::test]
    async fn only_bound_claims_of_classes_that_allow_it_grow() {
        let resource = GroupVersionResource::new("", "v1", "persistentvolumeclaims");
        let user = UserInfo::loopback();
        let attributes = Attributes {
            operation: Operation::Update,
            resource: &resource,
            subresource: "",
            namespace: "ns",
            name: "c",
            user: &user,
            dry_run: false,
        };
        let plugin = PersistentVolumeClaimResize::new(Arc::new(Classes));
        assert!(plugin.handles(&attributes));
        for (class, storage, phase, allowed) in [
            ("grows", "2Gi", "Bound", true),
            ("grows", "2Gi", "Pending", false),
            ("fixed", "2Gi", "Bound", false),
            ("gone", "2Gi", "Bound", false),
            ("", "2Gi", "Bound", false),
            ("", "1Gi", "Pending", true),
        ] {
            let (new, old) = (claim(class, storage, phase), claim(class, "1Gi", phase));
            let code = plugin.validate(&attributes, Some(&new), Some(&old)).await.map_err(|status| status.code);
            assert_eq!(code.is_ok(), allowed, "{class:?} {storage} {phase}: {code:?}");
        }
    }
}
