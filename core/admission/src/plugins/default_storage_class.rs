//! A claim that names no class gets the default one.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, ClusterView, CreationPlugin, tree};

const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub struct DefaultStorageClass {
    view: Arc<dyn ClusterView>,
}

impl DefaultStorageClass {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    /// Of several defaults the newest, then the first by name.
    async fn default_class(&self) -> Result<Option<String>, Status> {
        let mut classes = self.view.list("storage.k8s.io", "storageclasses", "").await?;
        classes.retain(|c| c.annotations().and_then(|a| a.get(DEFAULT)).and_then(Value::as_str) == Some("true"));
        classes.sort_by(|a, b| {
            let newer = b.meta_str("creationTimestamp").cmp(a.meta_str("creationTimestamp"));
            newer.then_with(|| a.name().cmp(b.name()))
        });
        Ok(classes.first().map(|class| class.name().to_owned()))
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
        if let Some(class) = self.default_class().await? {
            tree::object_mut(claim, "spec").insert("storageClassName".into(), class.into());
        }
        Ok(())
    }
}
