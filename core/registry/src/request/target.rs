//! What a request is about.

use std::fmt;

use gantry_meta::GroupVersionResource;

/// A resource, and as much of namespace, name and subresource as the request names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    pub resource: GroupVersionResource,
    /// Empty: cluster-scoped, or all namespaces.
    pub namespace: String,
    /// Empty: the collection.
    pub name: String,
    /// `status`, `scale`, `binding`, `token`, ...; empty for the object itself.
    pub subresource: String,
}

impl Target {
    pub fn collection(resource: &GroupVersionResource, namespace: &str) -> Self {
        Self::object(resource, namespace, "")
    }

    pub fn object(resource: &GroupVersionResource, namespace: &str, name: &str) -> Self {
        Self { resource: resource.clone(), namespace: namespace.into(), name: name.into(), subresource: String::new() }
    }

    #[must_use]
    pub fn with_subresource(mut self, subresource: &str) -> Self {
        self.subresource = subresource.into();
        self
    }

    /// Where REST is asked for it.
    pub fn path(&self) -> String {
        let gvr = &self.resource;
        let mut path = match &*gvr.group {
            "" => format!("/api/{}", gvr.version),
            group => format!("/apis/{group}/{}", gvr.version),
        };
        let namespace = if self.namespace.is_empty() { None } else { Some(["namespaces", &self.namespace]) };
        let parts = namespace.into_iter().flatten().chain([&*gvr.resource, &self.name, &self.subresource]);
        for part in parts.filter(|part| !part.is_empty()) {
            path.push('/');
            path.push_str(part);
        }
        path
    }

    pub fn group(&self) -> &str {
        &self.resource.group
    }
}

impl fmt::Display for Target {
    /// `pods/web/status in namespace default`: for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource.resource)?;
        if !self.name.is_empty() {
            write!(f, "/{}", self.name)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.namespace.is_empty() {
            write!(f, " in namespace {}", self.namespace)?;
        }
        Ok(())
    }
}
