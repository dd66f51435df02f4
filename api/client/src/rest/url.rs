//! Where objects are.

use gantry_meta::GroupVersionResource;
use gantry_runtime::{ListOptions, WriteTarget};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a path segment as it is (RFC 3986 unreserved, and the colon of RBAC names).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// `/api/v1/namespaces/NS/pods[/NAME[/SUB]]`. Empty parts are left out.
pub(super) fn object_path(resource: &GroupVersionResource, namespace: &str, name: &str, subresource: &str) -> String {
    let mut path = resource.api_root();
    let mut push = |segment: &str| {
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    };
    if !namespace.is_empty() {
        push("namespaces");
        push(namespace);
    }
    push(&resource.resource);
    for segment in [name, subresource].into_iter().filter(|segment| !segment.is_empty()) {
        push(segment);
    }
    path
}

/// The path to write to. A create goes to the collection, one of a subresource to its object.
pub(super) fn write_path(target: &WriteTarget, create: bool) -> String {
    let name = if create && target.subresource.is_empty() { "" } else { &target.name };
    object_path(&target.resource, &target.namespace, name, &target.subresource)
}

/// `?a=b&...` of what is not empty.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::for_suffix(String::from("?"), 1);
    text.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    let text = text.finish();
    if text.len() == 1 { String::new() } else { text }
}

pub(super) fn selectors(options: &ListOptions) -> [(&'static str, &str); 2] {
    [("labelSelector", &options.label_selector), ("fieldSelector", &options.field_selector)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_spelled_for_urls() {
        let roles = GroupVersionResource::new("rbac.authorization.k8s.io", "v1", "clusterroles");
        assert_eq!(
            object_path(&roles, "", "system:a/b", ""),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%2Fb"
        );
        let pods = GroupVersionResource::new("", "v1", "pods");
        let target = WriteTarget::new(&pods, "ns", "p");
        assert_eq!(write_path(&target, true), "/api/v1/namespaces/ns/pods");
        assert_eq!(write_path(&target.subresource("binding"), true), "/api/v1/namespaces/ns/pods/p/binding");
        assert_eq!(query(&[("a", ""), ("b", "x=1,y")]), "?b=x%3D1%2Cy");
        assert_eq!(query(&[("a", "")]), "");
    }
}
