//! Nothing is created in a namespace that is not there or is going, and the system's namespaces stay.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Cause, CauseType, Object, ObjectView, Status, Value};

use crate::{Attributes, ClusterView, MutatingPlugin, Operation};

/// Namespaces that cannot be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

pub struct NamespaceLifecycle {
    view: Arc<dyn ClusterView>,
}

impl NamespaceLifecycle {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn namespace(&self, name: &str) -> Result<Object, Status> {
        if let Some(found) = self.view.get("", "namespaces", "", name).await? {
            return Ok(found);
        }
        let newest = self.view.get_newest("", "namespaces", "", name).await?;
        newest.ok_or_else(|| Status::not_found("", "namespaces", name))
    }
}

fn is_terminating(namespace: &Object) -> bool {
    let phase = namespace.get("status").and_then(|s| s.get("phase")).and_then(Value::as_str);
    namespace.is_terminating() || phase == Some("Terminating")
}

#[async_trait]
impl MutatingPlugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        match attributes.operation {
            Operation::Delete => attributes.is("", "namespaces"),
            // A review asks about a namespace, it makes nothing in it.
            Operation::Create => {
                !attributes.namespace.is_empty() && !attributes.is("authorization.k8s.io", "localsubjectaccessreviews")
            }
            Operation::Update | Operation::Connect => false,
        }
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        _object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        if attributes.operation == Operation::Delete {
            let immortal = IMMORTAL.contains(&attributes.name);
            return if immortal { Err(attributes.forbidden("this namespace may not be deleted")) } else { Ok(()) };
        }
        let namespace = self.namespace(attributes.namespace).await?;
        // What serves the emptying of a namespace (evictions, tokens, bindings) goes on until its objects are gone.
        if !is_terminating(&namespace) || !attributes.subresource.is_empty() {
            return Ok(());
        }
        let name = attributes.namespace;
        let why = format!("unable to create new content in namespace {name} because it is being terminated");
        let cause = format!("namespace {name} is being terminated");
        let cause = Cause::new(CauseType::NamespaceTerminating, "metadata.namespace", cause);
        Err(attributes.forbidden(why).with_cause(cause))
    }
}
