//! An ingress that names no class gets the default one.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status};

use super::default_class::default_class;
use crate::{Attributes, ClusterView, CreationPlugin, tree};

const CLASSES: (&str, &str) = ("networking.k8s.io", "ingressclasses");
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
/// The annotation that chose a class before the field did.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

pub struct DefaultIngressClass {
    view: Arc<dyn ClusterView>,
}

impl DefaultIngressClass {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }
}

#[async_trait]
impl CreationPlugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn resource(&self) -> (&'static str, &'static str) {
        ("networking.k8s.io", "ingresses")
    }

    async fn complete(&self, _attributes: &Attributes<'_>, ingress: &mut Object) -> Result<(), Status> {
        let named = tree::spec(ingress).is_some_and(|spec| spec.get("ingressClassName").is_some_and(|c| !c.is_null()));
        if named || ingress.annotations().is_some_and(|a| a.contains_key(CLASS_ANNOTATION)) {
            return Ok(());
        }
        if let Some(class) = default_class(&*self.view, CLASSES, DEFAULT).await? {
            tree::object_mut(ingress, "spec").insert("ingressClassName".into(), class.into());
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
        let plugin = DefaultIngressClass::new(Arc::new(Stored::new("ingressclasses", classes)));
        plugin.complete(&attributes, &mut ingress).await.unwrap();
        ingress["spec"].get("ingressClassName").cloned().unwrap_or_default()
    }

    fn class(name: &str, created: &str, default: &str) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": created, "annotations": {DEFAULT: default}}})
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
        let annotated = json!({"metadata": {"annotations": {CLASS_ANNOTATION: "x"}}, "spec": {}});
        assert_eq!(completed(annotated, &classes).await, Value::Null);
    }
}
