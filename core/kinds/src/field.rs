//! Types, fields, and what fields hold.

use crate::{
    defaults::ConditionalDefault,
    literal::{List, Literal, Text},
};
use std::{fmt, ops::Deref, sync::Arc};

/// A reference into the tables that needs no lifetime: to a static, or shared with a kind made at run time.
pub enum Ref<T: 'static> {
    Static(&'static T),
    Shared(Arc<T>),
}

impl<T> Deref for Ref<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Ref::Static(value) => value,
            Ref::Shared(value) => value,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        match self {
            Ref::Static(value) => Ref::Static(value),
            Ref::Shared(value) => Ref::Shared(Arc::clone(value)),
        }
    }
}

/// A struct of the API.
#[derive(Clone)]
pub struct Type {
    /// The full name as OpenAPI spells it: `io.k8s.api.core.v1.Pod`.
    pub name: Text,
    /// Sorted by name, in byte order.
    pub fields: List<Field>,
    /// The first eight bytes of each name as a number: looking names up here touches a few neighbouring words, and no texts
    /// but one.
    pub name_starts: List<u64>,
    /// Indexes of the fields with a `default`.
    pub defaulted: List<u16>,
    /// What is filled in by what else the struct holds.
    pub conditional: List<ConditionalDefault>,
    /// Indexes of the fields that are `emitted`.
    pub emitting: List<u16>,
    /// Indexes of the fields that have protobuf tags, in the order of these. Empty for types without a protobuf form.
    pub by_tag: List<u16>,
    /// Server-side apply treats a value of this type as one leaf.
    pub atomic: bool,
    /// Some field here or below is filled in when a body is decoded.
    pub reaches_defaults: bool,
}

impl Type {
    /// The field of that exact name: names are case-sensitive.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.place(name).map(|at| &self.fields[at])
    }

    /// The index of the field of that exact name.
    pub fn place(&self, name: &str) -> Option<usize> {
        let start = name_start(name);
        let from = self.name_starts.partition_point(|other| *other < start);
        let alike = self.name_starts[from..].iter().take_while(|other| **other == start).count();
        (from..from + alike).find(|at| self.fields[*at].name == name)
    }

    /// The fields with a `default`.
    pub fn defaulted(&self) -> impl Iterator<Item = &Field> {
        self.defaulted.iter().map(|at| &self.fields[usize::from(*at)])
    }

    /// The fields that are `emitted`.
    pub fn emitting(&self) -> impl Iterator<Item = &Field> {
        self.emitting.iter().map(|at| &self.fields[usize::from(*at)])
    }

    /// The last part of the full name: `Pod`.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// The type that a path of field names leads to, through lists and maps: `["spec", "template", "spec"]`.
    pub fn descend(&self, path: &[&str]) -> Option<&Type> {
        path.iter().try_fold(self, |ty, name| ty.field(name)?.shape.leaf_type())
    }
}

/// The first eight bytes of a name as a number that sorts as they do, shorter names filled up with zeros.
pub(crate) const fn name_start(name: &str) -> u64 {
    let bytes = name.as_bytes();
    if let Some(eight) = bytes.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        start |= (bytes[at] as u64) << (56 - 8 * at);
        at += 1;
    }
    start
}

/// Types may contain themselves, so only the name is shown.
impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Type").field(&self.name).finish()
    }
}

/// The feature gate that a field is behind, by its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// On, or there is none.
    Open,
    /// Off: checked on the way in, then dropped.
    Off,
    /// As `Off`; a struct that held nothing else goes as well.
    OffWithParent,
}

/// One member of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: Text,
    /// Protobuf tags from the outside in: more than one where an embedded message holds the field. Empty for `kind` and
    /// `apiVersion`, which protobuf carries in its envelope.
    pub tag: List<u16>,
    /// The protobuf type as the upstream files spell it: `string`, `map<string, .apimachinery.pkg.api.resource.Quantity>`.
    pub proto: Text,
    pub shape: Shape,
    /// What server-side apply owns of the field: its parts, or the whole.
    pub topology: Topology,
    /// Keys that identify an item of a [`Topology::ListMap`].
    pub map_keys: List<Text>,
    pub patch: PatchStrategy,
    /// The key by which a strategic merge patch finds items of a list of structs.
    pub merge_key: Option<Text>,
    pub required: bool,
    /// A scalar whose zero, when given, differs from unset.
    pub pointer: bool,
    /// Go holds it by value, so that protobuf has it even while it is unset.
    pub by_value: bool,
    pub gate: Gate,
    /// Filled in wherever the field is unset (the condition-free rows of the defaults table).
    pub default: Option<Literal>,
    /// Only what lies below the struct that this holds gets defaults, the struct itself none.
    pub only_below: bool,
    /// Written even when the field is unset.
    pub emitted: Option<Literal>,
    /// Known values, sorted. Empty: any.
    pub allowed: List<Text>,
    /// Values outside `allowed` are refused.
    pub closed: bool,
    /// The reference's OpenAPI documents list `allowed` too.
    pub published: bool,
}

/// What a field, an item or a map's value holds.
#[derive(Clone)]
pub enum Shape {
    String,
    Bool,
    Int32,
    Int64,
    Double,
    /// Base64 text.
    Bytes,
    /// `500m`, `1Gi`; a plain number is taken too.
    Quantity,
    /// A quantity of a resource list: rounded up to thousandths and always rewritten in canonical form.
    ResourceQuantity,
    /// An `int32` or text.
    IntOrString,
    /// RFC 3339 in whole seconds, UTC.
    Time,
    /// RFC 3339 with exactly six fraction digits, UTC.
    MicroTime,
    /// Any JSON value.
    Raw,
    /// Any JSON object.
    RawObject,
    /// A schema of a custom resource definition, or the alternative that JSON Schema allows in its place.
    SchemaOr(Ref<Type>, SchemaAlternative),
    Struct(Ref<Type>),
    List(Ref<Shape>),
    /// Keys are text.
    Map(Ref<Shape>),
}

impl Shape {
    /// The struct this holds, directly or as items or values.
    pub fn leaf_type(&self) -> Option<&Type> {
        match self {
            Shape::Struct(ty) | Shape::SchemaOr(ty, _) => Some(ty),
            Shape::List(inner) | Shape::Map(inner) => inner.leaf_type(),
            _ => None,
        }
    }

    /// The struct this holds directly.
    pub fn as_struct(&self) -> Option<&Type> {
        if let Shape::Struct(ty) = self { Some(ty) } else { None }
    }

    /// What the items of a list hold.
    pub fn item(&self) -> Option<&Shape> {
        if let Shape::List(inner) = self { Some(inner) } else { None }
    }

    /// What the values of a map hold.
    pub fn map_value(&self) -> Option<&Shape> {
        if let Shape::Map(inner) = self { Some(inner) } else { None }
    }

    /// The word that messages use for what is expected.
    pub fn expected(&self) -> &'static str {
        match self {
            Shape::String => "string",
            Shape::Bool => "boolean",
            Shape::Int32 => "int32",
            Shape::Int64 => "int64",
            Shape::Double => "number",
            Shape::Bytes => "base64 string",
            Shape::Quantity | Shape::ResourceQuantity => "quantity",
            Shape::IntOrString => "int32 or string",
            Shape::Time => "RFC 3339 time",
            Shape::MicroTime => "RFC 3339 time with microseconds",
            Shape::Raw => "value",
            Shape::SchemaOr(..) => "schema",
            Shape::RawObject | Shape::Struct(_) | Shape::Map(_) => "object",
            Shape::List(_) => "array",
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Struct(ty) => write!(f, "Struct({})", ty.name),
            Shape::List(inner) => write!(f, "List({:?})", **inner),
            Shape::Map(inner) => write!(f, "Map({:?})", **inner),
            other => f.write_str(other.expected()),
        }
    }
}

/// What may stand where JSON Schema has a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SchemaAlternative {
    Bool,
    /// A list of schemas.
    Array,
    /// A list of property names.
    StringArray,
}

/// What of a field a manager can own by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topology {
    /// The whole value: unmarked lists, and what is marked so.
    Atomic,
    /// Each member of a struct or map.
    Granular,
    /// As [`Topology::Granular`], for a struct whose type is atomic elsewhere.
    GranularStruct,
    /// Each item, found by the field's `map_keys`.
    ListMap,
    /// Each item, found by its value.
    ListSet,
}

/// How a strategic merge patch treats a field. None set: replace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PatchStrategy {
    pub merge: bool,
    /// Members of the struct that the patch's `$retainKeys` does not list are removed.
    pub retain_keys: bool,
    /// Said explicitly by the type.
    pub replace: bool,
}
