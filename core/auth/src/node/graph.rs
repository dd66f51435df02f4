//! Which node runs which pods, and what those pods refer to.

use std::sync::Arc;

use gantry_meta::{Object, ObjectView, Value};
use hashbrown::{HashMap, HashSet};

/// The kinds of objects that a pod gives its node access to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Referenced {
    Pod,
    Secret,
    ConfigMap,
    PersistentVolumeClaim,
    ServiceAccount,
}

type Reference = (Referenced, Arc<str>, Arc<str>);

#[derive(Debug)]
struct PlacedPod {
    node: Arc<str>,
    references: HashSet<Reference>,
}

/// Counts, per node, how many of its pods refer to an object.
#[derive(Default, Debug)]
pub struct PodGraph {
    pods: HashMap<(Arc<str>, Arc<str>), PlacedPod>,
    by_node: HashMap<Arc<str>, HashMap<Reference, u32>>,
    /// Persistent volumes and the claims that they are bound to.
    volumes: HashMap<Arc<str>, (Arc<str>, Arc<str>)>,
}

impl PodGraph {
    /// Takes in a pod's newest state, or its deletion.
    pub fn apply_pod(&mut self, namespace: &str, name: &str, pod: Option<&Object>) {
        let at = (Arc::from(namespace), Arc::from(name));
        let placed = pod.and_then(|pod| placed(namespace, name, pod));
        if let (Some(old), Some(new)) = (self.pods.get(&at), &placed)
            && old.node == new.node
            && old.references == new.references
        {
            return;
        }
        if let Some(old) = self.pods.remove(&at) {
            self.release(&old);
        }
        if let Some(new) = placed {
            self.take(&new);
            self.pods.insert(at, new);
        }
    }

    /// Takes in a persistent volume's newest state, or its deletion.
    pub fn apply_volume(&mut self, name: &str, volume: Option<&Object>) {
        let claim = volume.and_then(|v| v.get("spec")?.get("claimRef")?.as_object());
        match claim {
            Some(claim) => {
                let part = |member: &str| Arc::from(claim.get(member).and_then(Value::as_str).unwrap_or_default());
                self.volumes.insert(name.into(), (part("namespace"), part("name")));
            }
            None => {
                self.volumes.remove(name);
            }
        }
    }

    /// Whether a pod on `node` refers to the object.
    pub fn reaches(&self, node: &str, kind: Referenced, namespace: &str, name: &str) -> bool {
        let reference = (kind, Arc::from(namespace), Arc::from(name));
        self.by_node.get(node).is_some_and(|counts| counts.contains_key(&reference))
    }

    /// Whether a pod on `node` uses a claim that is bound to the volume.
    pub fn reaches_volume(&self, node: &str, volume: &str) -> bool {
        self.volumes
            .get(volume)
            .is_some_and(|(namespace, name)| self.reaches(node, Referenced::PersistentVolumeClaim, namespace, name))
    }

    fn take(&mut self, pod: &PlacedPod) {
        let counts = self.by_node.entry(pod.node.clone()).or_default();
        for reference in &pod.references {
            *counts.entry(reference.clone()).or_default() += 1;
        }
    }

    fn release(&mut self, pod: &PlacedPod) {
        let Some(counts) = self.by_node.get_mut(&pod.node) else { return };
        for reference in &pod.references {
            if let Some(count) = counts.get_mut(reference) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(reference);
                }
            }
        }
        if counts.is_empty() {
            self.by_node.remove(&pod.node);
        }
    }
}

fn text<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(object, |at, member| at.get(member))?.as_str().filter(|text| !text.is_empty())
}

fn list<'a>(object: Option<&'a Value>, member: &str) -> impl Iterator<Item = &'a Value> {
    object.and_then(|object| object.get(member)).and_then(Value::as_array).into_iter().flatten()
}

/// `None` for a pod without a node. A mirror pod gives access to itself alone: its node wrote it.
fn placed(namespace: &str, name: &str, pod: &Object) -> Option<PlacedPod> {
    let spec = pod.get("spec")?;
    let node = text(spec, &["nodeName"])?;
    let namespace: Arc<str> = namespace.into();
    let mut references = HashSet::new();
    references.insert((Referenced::Pod, namespace.clone(), name.into()));
    let mirror = pod.annotations().is_some_and(|a| a.contains_key("kubernetes.io/config.mirror"));
    if !mirror {
        collect(spec, &mut |kind, referenced| {
            references.insert((kind, namespace.clone(), referenced.into()));
        });
        // An ephemeral volume's claim is named after the pod and the volume.
        for volume in list(Some(spec), "volumes").filter(|volume| volume.get("ephemeral").is_some()) {
            let claim = format!("{name}-{}", text(volume, &["name"]).unwrap_or_default());
            references.insert((Referenced::PersistentVolumeClaim, namespace.clone(), claim.into()));
        }
    }
    Some(PlacedPod { node: node.into(), references })
}

fn collect(spec: &Value, found: &mut dyn FnMut(Referenced, &str)) {
    if let Some(account) = text(spec, &["serviceAccountName"]) {
        found(Referenced::ServiceAccount, account);
    }
    for secret in list(Some(spec), "imagePullSecrets").filter_map(|secret| text(secret, &["name"])) {
        found(Referenced::Secret, secret);
    }
    for member in ["initContainers", "containers", "ephemeralContainers"] {
        list(Some(spec), member).for_each(|container| collect_environment(container, found));
    }
    list(Some(spec), "volumes").for_each(|volume| collect_volume(volume, found));
}

fn collect_environment(container: &Value, found: &mut dyn FnMut(Referenced, &str)) {
    for source in list(Some(container), "envFrom") {
        report(source, &["secretRef", "name"], Referenced::Secret, found);
        report(source, &["configMapRef", "name"], Referenced::ConfigMap, found);
    }
    for source in list(Some(container), "env").filter_map(|variable| variable.get("valueFrom")) {
        report(source, &["secretKeyRef", "name"], Referenced::Secret, found);
        report(source, &["configMapKeyRef", "name"], Referenced::ConfigMap, found);
    }
}

fn collect_volume(volume: &Value, found: &mut dyn FnMut(Referenced, &str)) {
    report(volume, &["secret", "secretName"], Referenced::Secret, found);
    report(volume, &["configMap", "name"], Referenced::ConfigMap, found);
    report(volume, &["persistentVolumeClaim", "claimName"], Referenced::PersistentVolumeClaim, found);
    report(volume, &["csi", "nodePublishSecretRef", "name"], Referenced::Secret, found);
    for kind in ["cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"] {
        report(volume, &[kind, "secretRef", "name"], Referenced::Secret, found);
    }
    report(volume, &["azureFile", "secretName"], Referenced::Secret, found);
    for source in list(volume.get("projected"), "sources") {
        report(source, &["secret", "name"], Referenced::Secret, found);
        report(source, &["configMap", "name"], Referenced::ConfigMap, found);
    }
}

fn report(object: &Value, path: &[&str], kind: Referenced, found: &mut dyn FnMut(Referenced, &str)) {
    if let Some(name) = text(object, path) {
        found(kind, name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(node: &str, secret: &str) -> Object {
        let value = json!({"spec": {"nodeName": node, "serviceAccountName": "robot",
            "containers": [{"envFrom": [{"configMapRef": {"name": "env"}}]}],
            "volumes": [{"name": "v", "secret": {"secretName": secret}},
                        {"name": "t", "projected": {"sources": [{"configMap": {"name": "root-ca"}}]}}]}});
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_node_reaches_what_its_pods_refer_to_while_they_exist() {
        let mut graph = PodGraph::default();
        graph.apply_pod("ns", "a", Some(&pod("n1", "s")));
        graph.apply_pod("ns", "b", Some(&pod("n1", "s")));
        for (kind, name) in [
            (Referenced::Secret, "s"),
            (Referenced::ConfigMap, "env"),
            (Referenced::ConfigMap, "root-ca"),
            (Referenced::ServiceAccount, "robot"),
            (Referenced::Pod, "a"),
        ] {
            assert!(graph.reaches("n1", kind, "ns", name), "{kind:?} {name}");
            assert!(!graph.reaches("n2", kind, "ns", name), "{kind:?} {name}");
        }
        graph.apply_pod("ns", "a", None);
        assert!(graph.reaches("n1", Referenced::Secret, "ns", "s"), "pod b still needs it");
        graph.apply_pod("ns", "b", Some(&pod("n2", "s")));
        assert!(!graph.reaches("n1", Referenced::Secret, "ns", "s"));
        assert!(graph.reaches("n2", Referenced::Secret, "ns", "s"));
    }
}
