//! A pod of a runtime class takes the class's overhead and scheduling.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value, quantity::Quantity};

use crate::{Attributes, ClusterView, CreationPlugin, Operation, ValidatingPlugin, tree};

pub struct RuntimeClass {
    view: Arc<dyn ClusterView>,
}

impl RuntimeClass {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn class(&self, attributes: &Attributes<'_>, name: &str) -> Result<Object, Status> {
        let found = self.view.get("node.k8s.io", "runtimeclasses", "", name).await?;
        found.ok_or_else(|| attributes.forbidden(format!("pod rejected: RuntimeClass {name:?} not found")))
    }
}

/// Equal amounts count as equal, however they are written.
fn same_amounts(a: &Object, b: &Object) -> bool {
    let amount = |v: &Value| v.as_str().and_then(|text| Quantity::parse(text).ok());
    a.len() == b.len()
        && a.iter().all(|(name, value)| match (amount(value), b.get(name).and_then(amount)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        })
}

fn fixed_overhead(class: &Object) -> Option<&Object> {
    class.get("overhead")?.get("podFixed")?.as_object()
}

fn set_overhead(attributes: &Attributes<'_>, spec: &mut Object, class: &Object) -> Result<(), Status> {
    let Some(fixed) = fixed_overhead(class) else { return Ok(()) };
    match spec.get("overhead").and_then(Value::as_object) {
        None => {
            spec.insert("overhead".into(), Value::Object(fixed.clone()));
            Ok(())
        }
        Some(given) if same_amounts(given, fixed) => Ok(()),
        Some(_) => Err(attributes.forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's")),
    }
}

fn set_scheduling(attributes: &Attributes<'_>, spec: &mut Object, scheduling: &Object) -> Result<(), Status> {
    for (label, value) in scheduling.get("nodeSelector").and_then(Value::as_object).into_iter().flatten() {
        let selector = tree::object_mut(spec, "nodeSelector");
        if selector.get(label).is_some_and(|given| given != value) {
            let why = format!("conflict: runtimeClass.scheduling.nodeSelector[{label}] differs from the pod's");
            return Err(attributes.forbidden(why));
        }
        selector.insert(label.clone(), value.clone());
    }
    for toleration in tree::items(scheduling, "tolerations") {
        let tolerations = tree::list_mut(spec, "tolerations");
        if !tolerations.contains(toleration) {
            tolerations.push(toleration.clone());
        }
    }
    Ok(())
}

#[async_trait]
impl CreationPlugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn resource(&self) -> (&'static str, &'static str) {
        ("", "pods")
    }

    async fn complete(&self, attributes: &Attributes<'_>, pod: &mut Object) -> Result<(), Status> {
        let spec = tree::object_mut(pod, "spec");
        let name = tree::text(spec, "runtimeClassName").to_owned();
        if name.is_empty() {
            return Ok(());
        }
        let class = self.class(attributes, &name).await?;
        set_overhead(attributes, spec, &class)?;
        match class.get("scheduling").and_then(Value::as_object) {
            Some(scheduling) => set_scheduling(attributes, spec, scheduling),
            None => Ok(()),
        }
    }
}

/// Overhead is the class's to say. That it is another one is found while it is set, that there is none once the pod is valid.
#[async_trait]
impl ValidatingPlugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is("", "pods")
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let spec = object.and_then(|pod| pod.get("spec")?.as_object());
        let Some(spec) = spec.filter(|spec| spec.get("overhead").is_some_and(Value::is_object)) else { return Ok(()) };
        let name = tree::text(spec, "runtimeClassName");
        if !name.is_empty() && fixed_overhead(&self.class(attributes, name).await?).is_some() {
            return Ok(());
        }
        Err(attributes.forbidden("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"))
    }
}
