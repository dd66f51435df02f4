//! What names no class gets the default one: claims a StorageClass, ingresses an IngressClass.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, ClusterView, CreationPlugin, tree};

pub struct DefaultClass {
    view: Arc<dyn ClusterView>,
    of: &'static Kinds,
}

/// Kinds are group and plural.
struct Kinds {
    plugin: &'static str,
    resource: (&'static str, &'static str),
    /// The field of `spec` that names the class.
    field: &'static str,
    /// The annotation that chose a class before the field did.
    annotation: &'static str,
    classes: (&'static str, &'static str),
    /// The annotation of the default.
    default: &'static str,
}

const STORAGE: Kinds = Kinds {
    plugin: "DefaultStorageClass",
    resource: ("", "persistentvolumeclaims"),
    field: "storageClassName",
    annotation: "volume.beta.kubernetes.io/storage-class",
    classes: ("storage.k8s.io", "storageclasses"),
    default: "storageclass.kubernetes.io/is-default-class",
};
const INGRESS: Kinds = Kinds {
    plugin: "DefaultIngressClass",
    resource: ("networking.k8s.io", "ingresses"),
    field: "ingressClassName",
    annotation: "kubernetes.io/ingress.class",
    classes: ("networking.k8s.io", "ingressclasses"),
    default: "ingressclass.kubernetes.io/is-default-class",
};

impl DefaultClass {
    pub fn storage(view: Arc<dyn ClusterView>) -> Self {
        Self { view, of: &STORAGE }
    }

    pub fn ingress(view: Arc<dyn ClusterView>) -> Self {
        Self { view, of: &INGRESS }
    }

    /// The name of the class that is marked: of several the newest, then the first by name.
    async fn default(&self) -> Result<Option<String>, Status> {
        let Kinds { classes: (group, plural), default, .. } = *self.of;
        let mut found = self.view.list(group, plural, "").await?;
        found.retain(|c| c.annotations().and_then(|a| a.get(default)).and_then(Value::as_str) == Some("true"));
        found.sort_by(|a, b| {
            let newer = b.meta_str("creationTimestamp").cmp(a.meta_str("creationTimestamp"));
            newer.then_with(|| a.name().cmp(b.name()))
        });
        Ok(found.first().map(|class| class.name().to_owned()))
    }
}

#[async_trait]
impl CreationPlugin for DefaultClass {
    fn name(&self) -> &'static str {
        self.of.plugin
    }

    fn resource(&self) -> (&'static str, &'static str) {
        self.of.resource
    }

    async fn complete(&self, _attributes: &Attributes<'_>, object: &mut Object) -> Result<(), Status> {
        let named = tree::spec(object).is_some_and(|spec| spec.get(self.of.field).is_some_and(|c| !c.is_null()));
        if named || object.annotations().is_some_and(|a| a.contains_key(self.of.annotation)) {
            return Ok(());
        }
        if let Some(class) = self.default().await? {
            tree::object_mut(object, "spec").insert(self.of.field.into(), class.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gantry_auth::UserInfo;
    use gantry_meta::GroupVersionResource;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Operation, plugins::testing::Stored};

    async fn completed(ingress: Value, classes: &[Value]) -> Value {
        let resource = GroupVersionResource::new("networking.k8s.io", "v1", "ingresses");
        let user = UserInfo::loopback();
        let attributes = Attributes {
            operation: Operation::Create,
            resource: &resource,
            subresource: "",
            namespace: "ns",
            name: "i",
            user: &user,
            dry_run: false,
        };
        let mut ingress = ingress.as_object().cloned().unwrap();
        let plugin = DefaultClass::ingress(Arc::new(Stored::new("ingressclasses", classes)));
        plugin.complete(&attributes, &mut ingress).await.unwrap();
        ingress["spec"].get("ingressClassName").cloned().unwrap_or_default()
    }

    fn class(name: &str, created: &str, default: &str) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": created, "annotations": {"ingressclass.kubernetes.io/is-default-class": default}}})
    }

    #[tokio::test]
    async fn an_ingress_without_a_class_gets_the_newest_default() {
        let classes = [
            class("old", "2026-01-01T00:00:00Z", "true"),
            class("b", "2026-02-01T00:00:00Z", "true"),
            class("a", "2026-02-01T00:00:00Z", "true"),
            class("newest", "2026-03-01T00:00:00Z", "false"),
        ];
        assert_eq!(completed(json!({"spec": {}}), &classes).await, "a");
        assert_eq!(completed(json!({"spec": {}}), &classes[3..]).await, Value::Null);
        assert_eq!(completed(json!({"spec": {"ingressClassName": "mine"}}), &classes).await, "mine");
        let annotated = json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": {}});
        assert_eq!(completed(annotated, &classes).await, Value::Null);
    }
}
