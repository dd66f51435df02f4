//! Names of fields that the compiler checks.

use gantry_meta::FieldPath;
use std::fmt;

/// The name of a field of a built-in type, as it stands in JSON: `minReplicas`. Only the tables make one, so that a rule
/// that names a field no type has does not compile. Fields of two types are two, also under one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldName {
    name: &'static str,
    /// Place of the type that has the field in the tables.
    of: u16,
    /// Place of the type of the struct that the field holds.
    holds: u16,
}

/// A field of objects of every kind, or one that holds another struct in each kind.
const ANY: u16 = u16::MAX;
/// A field that holds no struct: a scalar, a list or a map.
const NO_STRUCT: u16 = u16::MAX - 1;

impl FieldName {
    const fn of(name: &'static str, of: u16, holds: u16) -> Self {
        Self { name, of, holds }
    }

    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// Whether what this field holds has the other one.
    const fn leads_to(self, next: Self) -> bool {
        self.holds == ANY || self.holds == next.of
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A way down through structs, made by [`path!`](crate::path).
#[derive(Clone, Copy, Debug)]
pub struct FieldChain(&'static [FieldName]);

impl FieldChain {
    /// # Panics
    /// Where a field is none of what the one before it holds; [`path!`](crate::path) asks while compiling.
    pub const fn new(fields: &'static [FieldName]) -> Self {
        let mut at = 1;
        while at < fields.len() {
            assert!(fields[at - 1].leads_to(fields[at]), "a field is not one of what the field before it holds");
            at += 1;
        }
        Self(fields)
    }

    pub const fn fields(self) -> &'static [FieldName] {
        self.0
    }

    /// As causes name it: `spec.replicas`.
    pub fn field_path(self) -> FieldPath {
        self.0.iter().fold(FieldPath::root(), |path, name| path.field(name.as_str()))
    }
}

/// The way through the named fields: `path![Deployment::SPEC, DeploymentSpec::TEMPLATE]`. One that is no field of what the
/// field before it holds does not compile.
///
/// ```compile_fail
/// use gantry_kinds::{fields::apps_v1::{Deployment, StatefulSetSpec}, path};
/// let wrong = path![Deployment::SPEC, StatefulSetSpec::TEMPLATE];
/// ```
#[macro_export]
macro_rules! path {
    ($($field:expr),+ $(,)?) => {
        const { $crate::FieldChain::new(&[$($field),+]) }
    };
}

/// The fields of every type, by the last two parts of its package: `core_v1::PodSpec::HOST_NETWORK`. `TYPE_NAME` is the
/// type's full name, as the tables spell it.
pub mod fields {
    use super::{ANY, FieldName};

    /// What objects have whatever their kind.
    pub enum AnyObject {}

    impl AnyObject {
        pub const API_VERSION: FieldName = FieldName::of("apiVersion", ANY, super::NO_STRUCT);
        pub const KIND: FieldName = FieldName::of("kind", ANY, super::NO_STRUCT);
        pub const METADATA: FieldName = FieldName::of("metadata", ANY, ANY);
        pub const SPEC: FieldName = FieldName::of("spec", ANY, ANY);
        pub const STATUS: FieldName = FieldName::of("status", ANY, ANY);
    }

    include!(concat!(env!("OUT_DIR"), "/names.rs"));
}
