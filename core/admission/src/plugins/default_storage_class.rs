//! A claim that names no class gets the default one.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status};

use super::default_class::default_class;
use crate::{Attributes, ClusterView, CreationPlugin, tree};

const CLASSES: (&str, &str) = ("storage.k8s.io", "storageclasses");
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub struct DefaultStorageClass {
    view: Arc<dyn ClusterView>,
}

impl DefaultStorageClass {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }
}

#[async_trait]
impl CreationPlugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn resource(&self) -> (&'static str, &'static str) {
        ("", "persistentvolumeclaims")
    }

    async fn complete(&self, _attributes: &Attributes<'_>, claim: &mut Object) -> Result<(), Status> {
        let named = tree::spec(claim).is_some_and(|spec| spec.get("storageClassName").is_some_and(|c| !c.is_null()));
        if named || claim.annotations().is_some_and(|a| a.contains_key(CLASS_ANNOTATION)) {
            return Ok(());
        }
        if let Some(class) = default_class(&*self.view, CLASSES, DEFAULT).await? {
            tree::object_mut(claim, "spec").insert("storageClassName".into(), class.into());
        }
        Ok(())
    }
}
