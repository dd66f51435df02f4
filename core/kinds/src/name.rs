//! Names of fields that the compiler checks.

use std::fmt;

/// The name of a field of a built-in type, as it stands in JSON: `minReplicas`. Only the tables make one, so that a rule
/// that names a field no type has does not compile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldName(&'static str);

impl FieldName {
    const fn of(name: &'static str) -> Self {
        Self(name)
    }

    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The fields of every type, by the last two parts of its package: `core_v1::PodSpec::HOST_NETWORK`.
pub mod fields {
    use super::FieldName;

    /// What objects have whatever their kind.
    pub enum AnyObject {}

    impl AnyObject {
        pub const API_VERSION: FieldName = FieldName::of("apiVersion");
        pub const KIND: FieldName = FieldName::of("kind");
        pub const METADATA: FieldName = FieldName::of("metadata");
        pub const SPEC: FieldName = FieldName::of("spec");
        pub const STATUS: FieldName = FieldName::of("status");
    }

    include!(concat!(env!("OUT_DIR"), "/names.rs"));
}
