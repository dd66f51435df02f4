//! Types of expressions.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

/// What an expression comes to.
#[derive(Clone, PartialEq, Debug)]
pub enum Type {
    /// Known only when it is evaluated.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// A type as a value.
    Type,
    List(Arc<Type>),
    /// The type of the values.
    Map(Arc<Type>),
    Optional(Arc<Type>),
    /// Something with methods, or a message, by its name.
    Object(Cow<'static, str>),
    /// Something with these fields alone.
    Struct(Arc<BTreeMap<String, Type>>),
}

impl Type {
    /// A list of these.
    pub fn list(self) -> Self {
        Self::List(Arc::new(self))
    }

    /// A map to these.
    pub fn map(self) -> Self {
        Self::Map(Arc::new(self))
    }

    /// Something with these fields alone.
    pub fn structure<const N: usize>(fields: [(&str, Type); N]) -> Self {
        Self::Struct(Arc::new(fields.into_iter().map(|(name, of)| (name.to_owned(), of)).collect()))
    }

    pub(super) fn optional(self) -> Self {
        Self::Optional(Arc::new(self))
    }

    pub(super) fn object(name: &'static str) -> Self {
        Self::Object(Cow::Borrowed(name))
    }

    /// True if a value of this type can stand where `wanted` is.
    pub fn is(&self, wanted: &Type) -> bool {
        match (self, wanted) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::List(own), Type::List(other))
            | (Type::Map(own), Type::Map(other))
            | (Type::Optional(own), Type::Optional(other)) => own.is(other),
            (Type::Null, Type::Struct(_) | Type::Object(_) | Type::Duration | Type::Timestamp) => true,
            (own, wanted) => own == wanted,
        }
    }

    /// The type of either of two values. `None`: they have none in common.
    pub(super) fn join(self, other: Type) -> Option<Type> {
        match (self.is(&other), other.is(&self)) {
            _ if self == other => Some(self),
            (true, true) => Some(Type::Dyn),
            (true, false) => Some(other),
            (false, true) => Some(self),
            (false, false) => None,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Type::Int | Type::Uint | Type::Double)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("google.protobuf.Duration"),
            Type::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Type::Type => f.write_str("type"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(value) => write!(f, "map({value})"),
            Type::Optional(value) => write!(f, "optional({value})"),
            Type::Object(name) => f.write_str(name),
            Type::Struct(_) => f.write_str("object"),
        }
    }
}
