//! A pod of a runtime class takes the class's overhead and scheduling.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value, quantity::Quantity};

use crate::{Attributes, ClusterView, CreationPlugin, tree};

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

fn set_overhead(attributes: &Attributes<'_>, spec: &mut Object, class: Option<&Object>) -> Result<(), Status> {
    let fixed = class.and_then(|c| c.get("overhead")?.get("podFixed")?.as_object());
    match (spec.get("overhead").and_then(Value::as_object), fixed) {
        (None, None) => Ok(()),
        (None, Some(fixed)) => {
            spec.insert("overhead".into(), Value::Object(fixed.clone()));
            Ok(())
        }
        (Some(given), Some(fixed)) if same_amounts(given, fixed) => Ok(()),
        (Some(_), Some(_)) => Err(attributes.forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's")),
        (Some(_), None) => {
            Err(attributes
                .forbidden("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"))
        }
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
            return set_overhead(attributes, spec, None);
        }
        let class = self.class(attributes, &name).await?;
        set_overhead(attributes, spec, Some(&class))?;
        match class.get("scheduling").and_then(Value::as_object) {
            Some(scheduling) => set_scheduling(attributes, spec, scheduling),
            None => Ok(()),
        }
    }
}
