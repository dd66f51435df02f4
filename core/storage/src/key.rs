//! The name of an object in storage.

use std::{borrow::Borrow, fmt, sync::Arc};

/// `/<group>/<resource>/<namespace>/<name>`; group `core` for the core group, `-` as the namespace of cluster-scoped objects.
/// Byte order of keys is the order of lists.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(Arc<str>);

impl Key {
    /// `namespace` empty means cluster-scoped.
    pub fn new(group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self([&*Self::prefix(group, resource, namespace), name].concat().into())
    }

    /// The prefix of all objects of a resource, in all namespaces.
    pub fn resource_prefix(group: &str, resource: &str) -> String {
        let group = if group.is_empty() { "core" } else { group };
        format!("/{group}/{resource}/")
    }

    /// The prefix of all objects of a resource in one namespace (empty: the cluster-scoped ones).
    pub fn prefix(group: &str, resource: &str, namespace: &str) -> String {
        let namespace = if namespace.is_empty() { "-" } else { namespace };
        format!("{}{namespace}/", Self::resource_prefix(group, resource))
    }

    /// A key read back from storage.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.splitn(5, '/').skip(1)
    }

    /// `/<group>/<resource>/`
    pub fn resource_part(&self) -> &str {
        let end = self.0.match_indices('/').nth(2).map_or(self.0.len(), |(i, _)| i + 1);
        &self.0[..end]
    }

    /// Empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.parts().nth(2).filter(|n| *n != "-").unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.parts().nth(3).unwrap_or_default()
    }
}

/// Maps ordered or hashed by key may be asked by text: both compare by the same bytes.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_gives_back_its_parts() {
        let key = Key::new("", "pods", "default", "web");
        assert_eq!(key.as_str(), "/core/pods/default/web");
        assert_eq!((key.resource_part(), key.namespace(), key.name()), ("/core/pods/", "default", "web"));
        let role = Key::new("rbac.authorization.k8s.io", "clusterroles", "", "system:node");
        assert_eq!((role.namespace(), role.name()), ("", "system:node"));
    }
}
