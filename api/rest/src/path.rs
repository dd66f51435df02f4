//! What a URL path names. The rules of the reference: `/api/VERSION/...` for the core group, `/apis/GROUP/VERSION/...` for
//! the others, `namespaces/NS/` before a namespaced resource, `watch/` before any for the old watch paths.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path, read but not yet looked up: whether the group, version or resource exists is for the catalogue to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiPath<'a> {
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(Cow<'a, str>),
    /// `/api/VERSION`, `/apis/GROUP/VERSION`
    GroupVersion {
        group: Cow<'a, str>,
        version: Cow<'a, str>,
    },
    Resource(ResourcePath<'a>),
    /// Everything else: `/healthz`, `/version`, `/openapi/v3`, ...
    Other(&'a str),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResourcePath<'a> {
    pub group: Cow<'a, str>,
    pub version: Cow<'a, str>,
    pub namespace: Cow<'a, str>,
    pub resource: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub subresource: Cow<'a, str>,
    /// What follows the subresource, undecoded and with its leading slash: the far path of a proxy.
    pub rest: &'a str,
    /// One of the old `/watch/` paths.
    pub watch: bool,
    /// An empty segment stands between slashes; no resource has such a path.
    pub doubled_slash: bool,
}

impl<'a> ApiPath<'a> {
    /// Reads the path of a URL as it stands in the request line (still percent-encoded).
    pub fn parse(path: &'a str) -> Self {
        let Some(rooted) = path.strip_prefix('/') else { return Self::Other(path) };
        let (root, below) = rooted.split_once('/').unwrap_or((rooted, ""));
        match root {
            "api" => Self::below_core(below),
            "apis" => Self::below_groups(below),
            _ => Self::Other(path),
        }
    }

    fn below_core(below: &'a str) -> Self {
        if below.is_empty() {
            return Self::CoreVersions;
        }
        let (version, below) = segment(below);
        Self::below_version(Cow::Borrowed(""), version, below)
    }

    fn below_groups(below: &'a str) -> Self {
        if below.is_empty() {
            return Self::Groups;
        }
        let (group, below) = segment(below);
        if below.is_empty() {
            return Self::Group(group);
        }
        let (version, below) = segment(below);
        Self::below_version(group, version, below)
    }

    fn below_version(group: Cow<'a, str>, version: Cow<'a, str>, below: &'a str) -> Self {
        if below.is_empty() {
            return Self::GroupVersion { group, version };
        }
        Self::Resource(ResourcePath::parse(group, version, below))
    }
}

impl<'a> ResourcePath<'a> {
    fn parse(group: Cow<'a, str>, version: Cow<'a, str>, below: &'a str) -> Self {
        let mut path = Self { group, version, ..Self::default() };
        let below = match below.strip_prefix("watch/") {
            Some(below) => {
                path.watch = true;
                below
            }
            None => below,
        };
        path.doubled_slash = doubled_slash(below);
        match below.strip_prefix("namespaces/") {
            Some(below) => path.below_namespace(below),
            None => path.below_scope(below),
        }
        path
    }

    /// `NS`, `NS/status`, `NS/finalize` are about the namespace itself; `NS/RESOURCE...` is inside it.
    fn below_namespace(&mut self, below: &'a str) {
        let (namespace, inside) = segment(below);
        let (first, _) = segment(inside);
        if !namespace.is_empty() && !inside.is_empty() && !matches!(&*first, "status" | "finalize") {
            self.namespace = namespace;
            return self.below_scope(inside);
        }
        self.resource = Cow::Borrowed("namespaces");
        self.name = namespace;
        self.subresource = first;
    }

    fn below_scope(&mut self, below: &'a str) {
        let (resource, below) = segment(below);
        let (name, below) = segment(below);
        let (subresource, _) = segment(below);
        self.rest = below.find('/').map_or("", |at| &below[at..]);
        (self.resource, self.name, self.subresource) = (resource, name, subresource);
    }
}

/// True for an empty segment anywhere but at the end, below the first few that proxied paths follow.
fn doubled_slash(below: &str) -> bool {
    let mut segments = below.split('/').take(6).peekable();
    while let Some(segment) = segments.next() {
        if matches!(segment, "proxy") {
            return false;
        }
        if segment.is_empty() && segments.peek().is_some() {
            return true;
        }
    }
    false
}

/// The first segment, decoded, and what follows its slash.
fn segment(path: &str) -> (Cow<'_, str>, &str) {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    (percent_decode_str(first).decode_utf8_lossy(), rest)
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
        assert_eq!((&*pod.group, &*pod.version, &*pod.namespace), ("", "v1", "default"));
        assert_eq!((&*pod.resource, &*pod.name, &*pod.subresource), ("pods", "web", "log"));
        let scale = resource("/apis/apps/v1/namespaces/a/deployments/d/scale");
        assert_eq!((&*scale.group, &*scale.resource, &*scale.subresource), ("apps", "deployments", "scale"));
    }

    #[test]
    fn a_namespace_is_a_resource_itself() {
        let namespace = resource("/api/v1/namespaces/default");
        assert_eq!((&*namespace.resource, &*namespace.name, &*namespace.namespace), ("namespaces", "default", ""));
        assert_eq!(&*resource("/api/v1/namespaces/default/finalize").subresource, "finalize");
        assert_eq!(&*resource("/api/v1/namespaces").resource, "namespaces");
    }

    #[test]
    fn one_slash_at_the_end_changes_nothing_and_a_doubled_one_is_marked() {
        assert_eq!(resource("/api/v1/namespaces/a/pods/"), resource("/api/v1/namespaces/a/pods"));
        assert_eq!(ApiPath::parse("/apis/apps/"), ApiPath::parse("/apis/apps"));
        assert!(resource("/api/v1//namespaces/a/pods").doubled_slash);
        assert!(resource("/api/v1/namespaces/a/pods//x").doubled_slash);
        assert!(!resource("/api/v1/namespaces/a/pods/x/proxy//y").doubled_slash);
    }

    #[test]
    fn old_watch_paths_and_proxy_paths_are_read() {
        let watched = resource("/api/v1/watch/namespaces/a/pods/x");
        assert!(watched.watch);
        assert_eq!((&*watched.namespace, &*watched.name), ("a", "x"));
        assert_eq!(resource("/api/v1/nodes/n1:10250/proxy/stats%20x/y").rest, "/stats%20x/y");
        assert_eq!(&*resource("/api/v1/nodes/n%3A1/proxy").name, "n:1");
    }

    #[test]
    fn discovery_and_other_paths_are_told_apart() {
        assert_eq!(ApiPath::parse("/api"), ApiPath::CoreVersions);
        assert_eq!(ApiPath::parse("/apis/"), ApiPath::Groups);
        assert!(matches!(ApiPath::parse("/apis/apps/v1"), ApiPath::GroupVersion { .. }));
        assert_eq!(ApiPath::parse("/healthz"), ApiPath::Other("/healthz"));
        assert_eq!(ApiPath::parse("/apix"), ApiPath::Other("/apix"));
    }
}
