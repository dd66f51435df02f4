//! Fields that a request through a resource or subresource cannot set, so that it never owns them.

type Path = &'static [&'static str];

const STATUS: &[Path] = &[&["status"]];
const SPEC: &[Path] = &[&["spec"]];
const SPEC_AND_METADATA: &[Path] = &[&["spec"], &["metadata"]];

/// The paths that no write through `subresource` (empty: the resource itself) of a resource owns.
pub fn reset_fields(group: &str, resource: &str, subresource: &str) -> &'static [Path] {
    match (group, resource, subresource) {
        ("", "pods", "status") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("apps", "deployments", "status") => &[&["spec"], &["metadata", "labels"]],
        ("certificates.k8s.io", "certificatesigningrequests", "") => &[&["spec"], &["status"]],
        ("certificates.k8s.io", "certificatesigningrequests", "status") => &[&["spec"], &["status", "conditions"]],
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => &[&["spec"], &["status", "certificate"]],
        ("apiextensions.k8s.io" | "flowcontrol.apiserver.k8s.io" | "admissionregistration.k8s.io", _, "status")
        | ("storage.k8s.io", "volumeattachments", "status")
        | ("resource.k8s.io", "resourceclaims", "status")
        | ("networking.k8s.io", "servicecidrs", "status") => SPEC_AND_METADATA,
        (_, _, "status") => SPEC,
        (_, _, "" | "finalize") => STATUS,
        _ => &[],
    }
}
