//! What is reconciled.

use std::fmt;

/// Any three texts; by default the namespace and name of an object.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Key {
    /// Free for the controller's use, for example a kind or a uid. Empty for keys that the host maps.
    pub scope: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn of(namespace: &str, name: &str) -> Self {
        Self { scope: String::new(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub fn scoped(scope: &str, namespace: &str, name: &str) -> Self {
        Self { scope: scope.to_owned(), ..Self::of(namespace, name) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.scope, &self.namespace] {
            if !part.is_empty() {
                write!(f, "{part}/")?;
            }
        }
        f.write_str(&self.name)
    }
}
