//! A node daemon writes about its own node and its own pods only.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};

use crate::{Attributes, ClusterView, MutatingPlugin, Operation, tree};

const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
const RESTRICTED_PREFIX: &str = "node-restriction.kubernetes.io";
/// Labels under kubernetes.io and k8s.io that a node may set on itself, beside the two prefixes below.
const OWN_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
];
const OWN_LABEL_PREFIXES: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];

pub struct NodeRestriction {
    view: Arc<dyn ClusterView>,
}

/// One decision: the request, the node that asks, and the object before and after.
struct Write<'a> {
    attributes: &'a Attributes<'a>,
    node: &'a str,
    object: Option<&'a Object>,
    old: Option<&'a Object>,
}

impl NodeRestriction {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn check(&self, write: &Write<'_>) -> Result<(), Status> {
        let attributes = write.attributes;
        match (&*attributes.resource.group, &*attributes.resource.resource, attributes.subresource) {
            ("", "nodes", _) => write.check_node(),
            ("", "pods", "") => write.check_pod(),
            ("", "pods", "status") => write.check_pod_status(),
            ("", "pods", "eviction") => {
                let pod = self.view.get("", "pods", attributes.namespace, attributes.name).await?;
                write.check_pod_is_own(pod.as_ref())
            }
            ("", "pods", _) if attributes.operation != Operation::Connect => {
                Err(write.refused(format!("pods/{} is not a node's to write", attributes.subresource)))
            }
            ("", "serviceaccounts", "token") => self.check_token(write).await,
            ("coordination.k8s.io", "leases", _) => write.check_lease(),
            ("storage.k8s.io", "csinodes", _) => write.check_named_as_node("CSINode"),
            _ => Ok(()),
        }
    }

    /// A token must be bound to a pod of the node that uses the account.
    async fn check_token(&self, write: &Write<'_>) -> Result<(), Status> {
        let bound = write.object.and_then(|o| o.get("spec")?.get("boundObjectRef")?.as_object());
        let Some(bound) = bound.filter(|b| tree::text(b, "kind") == "Pod") else {
            return Err(write.refused("a token must be bound to a pod"));
        };
        let (name, uid) = (tree::text(bound, "name"), tree::text(bound, "uid"));
        if uid.is_empty() {
            return Err(write.refused("a token's pod must be named with its uid"));
        }
        let pod = self.view.get("", "pods", write.attributes.namespace, name).await?;
        let Some(pod) = pod else { return Err(write.refused(format!("pod {name:?} not found"))) };
        if pod.uid() != uid {
            return Err(write.refused(format!("pod {name:?} has another uid")));
        }
        let account = tree::spec(&pod).map(|spec| tree::text(spec, "serviceAccountName"));
        if account != Some(write.attributes.name) {
            return Err(write.refused(format!("pod {name:?} runs as another account")));
        }
        write.check_pod_is_own(Some(&pod))
    }
}

impl Write<'_> {
    fn refused(&self, why: impl std::fmt::Display) -> Status {
        self.attributes.forbidden(format!("node {:?}: {why}", self.node))
    }

    fn check_named_as_node(&self, kind: &str) -> Result<(), Status> {
        if self.attributes.name == self.node {
            return Ok(());
        }
        Err(self.refused(format!("is not allowed to write {kind} {:?}", self.attributes.name)))
    }

    fn check_lease(&self) -> Result<(), Status> {
        if self.attributes.namespace != "kube-node-lease" {
            return Err(self.refused("may write leases in kube-node-lease only"));
        }
        self.check_named_as_node("Lease")
    }

    fn check_node(&self) -> Result<(), Status> {
        self.check_named_as_node("Node")?;
        if self.attributes.operation == Operation::Delete {
            return Err(self.refused("may not delete itself"));
        }
        let Some(node) = self.object else { return Ok(()) };
        if self.attributes.operation == Operation::Update && taints(self.old) != taints(self.object) {
            return Err(self.refused("is not allowed to modify taints"));
        }
        let before = self.old.and_then(|old| old.labels());
        let refused: Vec<&str> = changed(before, node.labels()).filter(|label| !may_label(label)).collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(self.refused(format!("may not set labels {}", refused.join(", "))))
        }
    }

    fn check_pod(&self) -> Result<(), Status> {
        match self.attributes.operation {
            Operation::Create => self.check_mirror_pod(),
            Operation::Delete => self.check_pod_is_own(self.old),
            Operation::Update => Err(self.refused("may not change pods, only their status")),
            Operation::Connect => Ok(()),
        }
    }

    /// A status must not carry labels along: they would move the pod between services and policies.
    fn check_pod_status(&self) -> Result<(), Status> {
        self.check_pod_is_own(self.old)?;
        let labels = |pod: Option<&Object>| pod.and_then(|pod| pod.labels().cloned()).unwrap_or_default();
        if labels(self.old) == labels(self.object) {
            return Ok(());
        }
        Err(self.refused("may not change labels of a pod through its status"))
    }

    fn check_mirror_pod(&self) -> Result<(), Status> {
        let Some(pod) = self.object else { return Ok(()) };
        if !pod.annotations().is_some_and(|a| a.contains_key(MIRROR_ANNOTATION)) {
            return Err(self.refused("may create mirror pods only"));
        }
        self.check_pod_is_own(Some(pod))
    }

    fn check_pod_is_own(&self, pod: Option<&Object>) -> Result<(), Status> {
        // A pod that is not there is reported as such further on.
        let Some(pod) = pod else { return Ok(()) };
        let on = tree::spec(pod).map_or("", |spec| tree::text(spec, "nodeName"));
        if on == self.node { Ok(()) } else { Err(self.refused("may write about pods on itself only")) }
    }
}

fn taints(node: Option<&Object>) -> Option<&Vec<Value>> {
    node.and_then(tree::spec)?.get("taints")?.as_array().filter(|taints| !taints.is_empty())
}

/// Keys whose value differs between two maps of labels.
fn changed<'a>(before: Option<&'a Object>, after: Option<&'a Object>) -> impl Iterator<Item = &'a str> {
    let added = after.into_iter().flatten().filter(move |(k, v)| before.and_then(|b| b.get(*k)) != Some(*v));
    let removed = before.into_iter().flatten().filter(move |(k, _)| !after.is_some_and(|a| a.contains_key(*k)));
    added.chain(removed).map(|(key, _)| key.as_str())
}

fn may_label(label: &str) -> bool {
    let Some((prefix, _)) = label.split_once('/') else { return true };
    let within = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    if within(RESTRICTED_PREFIX) {
        return false;
    }
    if !within("kubernetes.io") && !within("k8s.io") {
        return true;
    }
    OWN_LABELS.contains(&label) || OWN_LABEL_PREFIXES.iter().any(|domain| within(domain))
}

#[async_trait]
impl MutatingPlugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.user.node_name().is_some()
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(node) = attributes.user.node_name() else { return Ok(()) };
        self.check(&Write { attributes, node, object: object.as_deref(), old }).await
    }
}

#[cfg(test)]
mod tests {
    use super::may_label;

    #[test]
    fn a_node_sets_its_own_labels_and_no_restricted_ones() {
        for yes in [
            "rack",
            "example.com/rack",
            "kubernetes.io/hostname",
            "node.kubernetes.io/any",
            "a.kubelet.kubernetes.io/x",
        ] {
            assert!(may_label(yes), "{yes}");
        }
        for no in ["kubernetes.io/role", "node-restriction.kubernetes.io/x", "node-role.kubernetes.io/control-plane"] {
            assert!(!may_label(no), "{no}");
        }
    }
}
