//! Where in an object something is: `spec.containers[0].image`, `metadata.annotations[a.b/c]`.

use std::fmt::{self, Write as _};

/// A path to a field, built from the root outward. Cheap to extend, printed as the reference prints `field.Path`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldPath(String);

impl FieldPath {
    pub fn root() -> Self {
        Self(String::new())
    }

    /// A path that is already spelled out, for example a reference's exceptional name.
    pub fn of(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// `self.name`
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let mut path = String::with_capacity(self.0.len() + 1 + name.len());
        path.push_str(&self.0);
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        Self(path)
    }

    /// `self[index]`
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.0.clone();
        let _ = write!(path, "[{index}]");
        Self(path)
    }

    /// `self[key]`
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::FieldPath;

    #[test]
    fn paths_print_as_the_reference_prints_them() {
        let path = FieldPath::root().field("spec").field("containers").index(2).field("ports").index(0);
        assert_eq!(path.to_string(), "spec.containers[2].ports[0]");
        assert_eq!(FieldPath::of("metadata").field("labels").key("a/b").as_str(), "metadata.labels[a/b]");
    }
}
