//! A bound pod carries its node's zone and region.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, ClusterView, MutatingPlugin, Operation, tree};

const COPIED: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// Writes the labels into the Binding; the registry copies a Binding's labels to the pod.
pub struct PodTopologyLabels {
    view: Arc<dyn ClusterView>,
}

impl PodTopologyLabels {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }
}

#[async_trait]
impl MutatingPlugin for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create
            && (attributes.is_sub("", "pods", "binding") || attributes.is("", "bindings"))
    }

    async fn admit(
        &self,
        _attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(binding) = object else { return Ok(()) };
        let node = binding.get("target").and_then(|t| t.get("name")).and_then(Value::as_str).unwrap_or_default();
        let Some(node) = self.view.get("", "nodes", "", node).await? else { return Ok(()) };
        for label in COPIED {
            if let Some(value) = node.labels().and_then(|labels| labels.get(label)) {
                tree::object_mut(binding.metadata_mut(), "labels").insert(label.into(), value.clone());
            }
        }
        Ok(())
    }
}
