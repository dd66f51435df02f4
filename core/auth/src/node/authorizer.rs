//! The node authoriser: read access along the graph from node to pod to what the pod refers to.
//!
//! Which fields a node may change in what it may write is NodeRestriction's to say (admission).

use std::borrow::Cow;

use super::{PodGraph, Referenced};
use crate::{Attributes, Decision, rbac::PolicyRule};

const READ: [&str; 3] = ["get", "list", "watch"];
const KUBE_NODE_LEASE: &str = "kube-node-lease";

/// Judges a request of the daemon of `node`.
pub fn authorize_node(graph: &PodGraph, node: &str, a: &Attributes<'_>) -> Decision {
    let allowed = match (a.group, a.resource, a.subresource) {
        ("", "secrets", "") => reads_named(graph, node, a, Referenced::Secret),
        ("", "configmaps", "") => reads_named(graph, node, a, Referenced::ConfigMap),
        ("", "persistentvolumeclaims", "") => {
            a.verb == "get" && reaches(graph, node, a, Referenced::PersistentVolumeClaim)
        }
        ("", "persistentvolumeclaims", "status") => {
            matches!(a.verb, "get" | "update" | "patch") && reaches(graph, node, a, Referenced::PersistentVolumeClaim)
        }
        ("", "persistentvolumes", "") => a.verb == "get" && graph.reaches_volume(node, a.name),
        ("", "serviceaccounts", "") => a.verb == "get" && reaches(graph, node, a, Referenced::ServiceAccount),
        ("", "serviceaccounts", "token") => a.verb == "create" && reaches(graph, node, a, Referenced::ServiceAccount),
        ("", "nodes", _) => own_node(node, a),
        ("", "pods", _) => pods(graph, node, a),
        ("coordination.k8s.io", "leases", "") => own_lease(node, a),
        ("storage.k8s.io", "csinodes", "") => own_object(node, a, &["get", "update", "patch", "delete"]),
        ("resource.k8s.io", "resourceslices", "") => resource_slices(node, a),
        _ => node_rules().iter().any(|rule| rule.permits(a)),
    };
    if allowed {
        Decision::Allow(Cow::Borrowed(""))
    } else {
        Decision::NoOpinion(Cow::Owned(format!("no relationship found between node '{node}' and this object")))
    }
}

fn reaches(graph: &PodGraph, node: &str, a: &Attributes<'_>, kind: Referenced) -> bool {
    !a.name.is_empty() && !a.namespace.is_empty() && graph.reaches(node, kind, a.namespace, a.name)
}

fn reads_named(graph: &PodGraph, node: &str, a: &Attributes<'_>, kind: Referenced) -> bool {
    READ.contains(&a.verb) && reaches(graph, node, a, kind)
}

/// Creation has no name yet when it is judged; admission sees that it is the node's own.
fn own_object(node: &str, a: &Attributes<'_>, verbs: &[&str]) -> bool {
    match a.verb {
        "create" => a.name.is_empty() || a.name == node,
        verb => verbs.contains(&verb) && a.name == node,
    }
}

fn own_node(node: &str, a: &Attributes<'_>) -> bool {
    match a.subresource {
        "" => own_object(node, a, &["get", "list", "watch", "update", "patch"]),
        "status" => matches!(a.verb, "update" | "patch") && a.name == node,
        _ => false,
    }
}

fn own_lease(node: &str, a: &Attributes<'_>) -> bool {
    a.namespace == KUBE_NODE_LEASE && own_object(node, a, &["get", "update", "patch", "delete"])
}

/// Reading needs a pod of this node, or a selector for this node. Writes are narrowed to this node's pods by admission.
fn pods(graph: &PodGraph, node: &str, a: &Attributes<'_>) -> bool {
    match (a.subresource, a.verb) {
        ("", "get") => reaches(graph, node, a, Referenced::Pod),
        ("", "list" | "watch") => selects_node(node, a, "spec.nodeName") || reaches(graph, node, a, Referenced::Pod),
        ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => true,
        _ => false,
    }
}

fn resource_slices(node: &str, a: &Attributes<'_>) -> bool {
    match a.verb {
        "create" | "get" | "update" | "patch" | "delete" => true,
        "list" | "watch" | "deletecollection" => selects_node(node, a, "spec.nodeName"),
        _ => false,
    }
}

fn selects_node(node: &str, a: &Attributes<'_>, field: &str) -> bool {
    a.field_selector.and_then(|selector| selector.required_value(field)) == Some(node)
}

/// What every node may do, whatever runs on it. Source: facts/rbac, cluster role `system:node`, less what is judged above.
fn node_rules() -> &'static [PolicyRule] {
    static RULES: std::sync::LazyLock<Vec<PolicyRule>> = std::sync::LazyLock::new(|| {
        vec![
            PolicyRule::on(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            PolicyRule::on(
                &["create"],
                &["authorization.k8s.io"],
                &["localsubjectaccessreviews", "subjectaccessreviews"],
            ),
            PolicyRule::on(&READ, &[""], &["services"]),
            PolicyRule::on(&["create", "patch", "update"], &["", "events.k8s.io"], &["events"]),
            PolicyRule::on(&["get"], &[""], &["endpoints"]),
            PolicyRule::on(
                &["create", "get", "list", "watch"],
                &["certificates.k8s.io"],
                &["certificatesigningrequests"],
            ),
            PolicyRule::on(&READ, &["storage.k8s.io"], &["csidrivers"]),
            PolicyRule::on(&READ, &["node.k8s.io"], &["runtimeclasses"]),
            // Our node daemon is kube-proxy and cluster DNS too (reference: cluster role system:node-proxier, CoreDNS's role).
            PolicyRule::on(&READ, &["discovery.k8s.io"], &["endpointslices"]),
            PolicyRule::on(&READ, &[""], &["namespaces"]),
        ]
    });
    &RULES
}

#[cfg(test)]
mod tests {
    use gantry_meta::{FieldSelector, Object};
    use serde_json::json;

    use super::*;
    use crate::UserInfo;

    fn graph() -> PodGraph {
        let mut graph = PodGraph::default();
        for (name, node, secret) in [("mine", "n1", "s1"), ("other", "n2", "s2")] {
            let pod = json!({"spec": {"nodeName": node, "serviceAccountName": format!("a-{node}"),
                "volumes": [{"secret": {"secretName": secret}}]}});
            let pod: Object = pod.as_object().cloned().expect("an object");
            graph.apply_pod("ns", name, Some(&pod));
        }
        graph
    }

    fn may(verb: &str, resource: &str, sub: &str, name: &str) -> bool {
        let user = UserInfo::new("system:node:n1", &["system:nodes"]);
        let (group, resource) = resource.split_once('/').unwrap_or(("", resource));
        let namespace = if group == "coordination.k8s.io" { "kube-node-lease" } else { "ns" };
        let attributes = Attributes::resource(&user, verb, group, resource).at(namespace, name).subresource(sub);
        authorize_node(&graph(), "n1", &attributes).is_allowed()
    }

    #[test]
    fn a_node_reads_what_its_own_pods_use() {
        assert!(may("get", "secrets", "", "s1") && may("watch", "secrets", "", "s1") && may("get", "pods", "", "mine"));
        assert!(may("create", "serviceaccounts", "token", "a-n1"));
        for (verb, resource, sub, name) in [
            ("get", "secrets", "", "s2"),
            ("list", "secrets", "", ""),
            ("update", "secrets", "", "s1"),
            ("get", "pods", "", "other"),
            ("patch", "pods", "", "mine"),
            ("create", "serviceaccounts", "token", "a-n2"),
            ("create", "apps/deployments", "", ""),
        ] {
            assert!(!may(verb, resource, sub, name), "{verb} {resource} {name}");
        }
    }

    #[test]
    fn a_node_keeps_its_own_node_and_lease() {
        assert!(
            may("create", "nodes", "", "") && may("patch", "nodes", "status", "n1") && may("get", "nodes", "", "n1")
        );
        assert!(
            may("update", "coordination.k8s.io/leases", "", "n1")
                && may("create", "coordination.k8s.io/leases", "", "")
        );
        for (verb, resource, name) in [
            ("delete", "nodes", "n1"),
            ("get", "nodes", "n2"),
            ("list", "nodes", ""),
            ("get", "coordination.k8s.io/leases", "n2"),
            ("list", "coordination.k8s.io/leases", ""),
        ] {
            assert!(!may(verb, resource, "", name), "{verb} {resource} {name}");
        }
    }

    #[test]
    fn a_node_lists_pods_with_a_selector_for_itself() {
        let user = UserInfo::new("system:node:n1", &["system:nodes"]);
        for (selector, allowed) in
            [("spec.nodeName=n1", true), ("spec.nodeName=n2", false), ("spec.nodeName!=n1", false)]
        {
            let fields = FieldSelector::parse(selector).unwrap();
            let attributes = Attributes::resource(&user, "list", "", "pods").selecting(Some(&fields), None);
            assert_eq!(authorize_node(&graph(), "n1", &attributes).is_allowed(), allowed, "{selector}");
        }
    }
}
