//! What a URL path names. The rules of the reference: `/api/VERSION/...` for the core group, `/apis/GROUP/VERSION/...` for
//! the others, `namespaces/NS/` before a namespaced resource, `watch/` before any for the old watch paths.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in a path as it is.
const KEPT_IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// The path of a URL without its escapes; `None` if one of them is none. An escaped slash parts segments as any other.
pub fn decoded(path: &str) -> Option<Cow<'_, str>> {
    has_escapes_only(path).then(|| percent_decode_str(path).decode_utf8_lossy())
}

/// False for a `%` that no two hexadecimal digits follow.
pub fn has_escapes_only(text: &str) -> bool {
    let is_escape = |after: &str| after.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    text.split('%').skip(1).all(is_escape)
}

/// A path, read but not yet looked up: whether the group, version or resource exists is for the catalogue to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiPath<'a> {
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(&'a str),
    /// `/api/VERSION`, `/apis/GROUP/VERSION`
    GroupVersion {
        group: &'a str,
        version: &'a str,
    },
    Resource(ResourcePath<'a>),
    /// Everything else: `/healthz`, `/version`, `/openapi/v3`, ...
    Other(&'a str),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResourcePath<'a> {
    pub group: &'a str,
    pub version: &'a str,
    /// What follows `namespaces/`, be it nothing.
    pub namespace: Option<&'a str>,
    pub resource: &'a str,
    pub name: &'a str,
    pub subresource: &'a str,
    /// What follows the subresource, escaped and with its leading slash: the far path of a proxy.
    pub rest: Cow<'a, str>,
    /// One of the old `/watch/` paths.
    pub watch: bool,
    /// An empty segment stands between slashes where something must be named; no resource has such a path.
    pub doubled_slash: bool,
}

impl<'a> ApiPath<'a> {
    /// Reads a path without escapes. Slashes at its end change nothing.
    pub fn parse(path: &'a str) -> Self {
        let Some(rooted) = path.strip_prefix('/') else { return Self::Other(path) };
        let (root, below) = segment(rooted);
        match root {
            "api" => Self::below_core(below),
            "apis" => Self::below_groups(below, path),
            _ => Self::Other(path),
        }
    }

    fn below_core(below: &'a str) -> Self {
        let trimmed = below.trim_end_matches('/');
        if trimmed.is_empty() {
            return Self::CoreVersions;
        }
        let (version, inside) = segment(trimmed);
        Self::below_version("", version, inside, below)
    }

    fn below_groups(below: &'a str, path: &'a str) -> Self {
        let trimmed = below.trim_end_matches('/');
        if trimmed.is_empty() {
            return Self::Groups;
        }
        let (group, inside) = segment(trimmed);
        if group.is_empty() {
            return Self::Other(path);
        }
        if inside.is_empty() {
            return Self::Group(group);
        }
        let (version, inside) = segment(inside);
        Self::below_version(group, version, inside, below)
    }

    /// `untrimmed`: with the slashes at its end, which a proxy's far end is to see.
    fn below_version(group: &'a str, version: &'a str, inside: &'a str, untrimmed: &'a str) -> Self {
        if inside.is_empty() {
            return Self::GroupVersion { group, version };
        }
        Self::Resource(ResourcePath::parse(group, version, inside, untrimmed))
    }
}

impl<'a> ResourcePath<'a> {
    fn parse(group: &'a str, version: &'a str, below: &'a str, untrimmed: &'a str) -> Self {
        let mut path = Self { group, version, ..Self::default() };
        let below = match below.strip_prefix("watch/") {
            Some(below) => {
                path.watch = true;
                below
            }
            None => below,
        };
        match below.strip_prefix("namespaces/") {
            Some(below) => path.below_namespace(below),
            None => path.below_scope(below),
        }
        let slashes = &untrimmed[untrimmed.trim_end_matches('/').len()..];
        if !path.subresource.is_empty() && !slashes.is_empty() {
            path.rest.to_mut().push_str(slashes);
        }
        path
    }

    /// `NS`, `NS/status`, `NS/finalize` are about the namespace itself; `NS/RESOURCE...` is inside it.
    fn below_namespace(&mut self, below: &'a str) {
        let (namespace, inside) = segment(below);
        let (first, rest) = segment(inside);
        if !inside.is_empty() && !matches!(first, "status" | "finalize") {
            self.namespace = Some(namespace);
            return self.below_scope(inside);
        }
        (self.resource, self.name, self.subresource) = ("namespaces", namespace, first);
        self.doubled_slash = namespace.is_empty();
        self.ends_with(rest);
    }

    fn below_scope(&mut self, below: &'a str) {
        let (resource, below) = segment(below);
        let (name, below_name) = segment(below);
        let (subresource, rest) = segment(below_name);
        (self.resource, self.name, self.subresource) = (resource, name, subresource);
        self.doubled_slash = resource.is_empty()
            || (name.is_empty() && !below.is_empty())
            || (subresource.is_empty() && !below_name.is_empty());
        self.ends_with(rest);
    }

    fn ends_with(&mut self, rest: &str) {
        if !rest.is_empty() {
            self.rest = format!("/{}", utf8_percent_encode(rest, KEPT_IN_PATHS)).into();
        }
    }
}

/// The first segment, and what follows its slash.
fn segment(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> ResourcePath<'_> {
        match ApiPath::parse(path) {
            ApiPath::Resource(found) => found,
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn namespaced_paths_name_namespace_resource_name_and_subresource() {
        let pod = resource("/api/v1/namespaces/default/pods/web/log");
        assert_eq!((pod.group, pod.version, pod.namespace), ("", "v1", Some("default")));
        assert_eq!((pod.resource, pod.name, pod.subresource), ("pods", "web", "log"));
        let scale = resource("/apis/apps/v1/namespaces/a/deployments/d/scale");
        assert_eq!((scale.group, scale.resource, scale.subresource), ("apps", "deployments", "scale"));
    }

    #[test]
    fn a_namespace_is_a_resource_itself() {
        let namespace = resource("/api/v1/namespaces/default");
        assert_eq!((namespace.resource, namespace.name, namespace.namespace), ("namespaces", "default", None));
        assert_eq!(resource("/api/v1/namespaces/default/finalize").subresource, "finalize");
        assert_eq!(resource("/api/v1/namespaces").resource, "namespaces");
    }

    #[test]
    fn slashes_at_the_end_change_nothing_and_doubled_ones_are_marked() {
        assert_eq!(resource("/api/v1/namespaces/a/pods//"), resource("/api/v1/namespaces/a/pods"));
        assert_eq!(ApiPath::parse("/apis/apps/"), ApiPath::parse("/apis/apps"));
        for path in ["/api/v1//namespaces/a/pods", "/api/v1/namespaces/a/pods//x", "/api/v1/nodes/x//status"] {
            assert!(resource(path).doubled_slash, "{path}");
        }
        assert!(!resource("/api/v1/namespaces/a/pods/x/proxy//y").doubled_slash);
        let nowhere = resource("/api/v1/namespaces//pods");
        assert_eq!((nowhere.namespace, nowhere.doubled_slash), (Some(""), false));
    }

    #[test]
    fn old_watch_paths_and_proxy_paths_are_read() {
        let watched = resource("/api/v1/watch/namespaces/a/pods/x");
        assert!(watched.watch);
        assert_eq!((watched.namespace, watched.name), (Some("a"), "x"));
        assert_eq!(resource("/api/v1/nodes/n1:10250/proxy/stats x/y/").rest, "/stats%20x/y/");
        assert_eq!(resource("/api/v1/nodes/n1/proxy/").rest, "/");
        assert_eq!(resource("/api/v1/nodes/n1/proxy").rest, "");
    }

    #[test]
    fn escapes_are_read_before_segments_and_must_be_whole() {
        assert_eq!(decoded("/api/v1/nodes/n%3A1%2fproxy").as_deref(), Some("/api/v1/nodes/n:1/proxy"));
        for bad in ["/api/%", "/api/%2", "/api/%zz/x", "/%é0"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn discovery_and_other_paths_are_told_apart() {
        assert_eq!(ApiPath::parse("/api"), ApiPath::CoreVersions);
        assert_eq!(ApiPath::parse("/apis/"), ApiPath::Groups);
        assert!(matches!(ApiPath::parse("/apis/apps/v1"), ApiPath::GroupVersion { .. }));
        for other in ["/healthz", "/apix", "/apis//apps"] {
            assert_eq!(ApiPath::parse(other), ApiPath::Other(other));
        }
    }
}
