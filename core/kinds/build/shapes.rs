//! What a field holds, from the `json_type` column and the few types that are not plain structs.

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const APIEXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shape {
    Plain(&'static str),
    /// A schema, or the named alternative to one.
    SchemaOr(&'static str),
    Struct(String),
    List(Box<Shape>),
    Map(Box<Shape>),
}

impl Shape {
    /// Parses the `json_type` column: `string`, `integer:int32`, `ref:TYPE`, `[...]`, `{...}`, `any`.
    pub fn parse(json: &str) -> Shape {
        if let Some(inner) = json.strip_prefix('[').and_then(|j| j.strip_suffix(']')) {
            return Shape::List(Box::new(Shape::parse(inner)));
        }
        if json == "{any}" {
            return Shape::Plain("RawObject");
        }
        if let Some(inner) = json.strip_prefix('{').and_then(|j| j.strip_suffix('}')) {
            return Shape::Map(Box::new(Shape::parse(inner)));
        }
        match json.strip_prefix("ref:") {
            Some(name) => Shape::of_type(name),
            None => Shape::Plain(plain(json)),
        }
    }

    /// A type that the table lists without fields is a struct that has none.
    fn of_type(name: &str) -> Shape {
        special(name).unwrap_or_else(|| Shape::Struct(name.to_owned()))
    }

    /// Core's maps of quantities are resource lists, whose values are rounded; those of other groups are not.
    pub fn mark_resource_list(&mut self) {
        if let Shape::Map(inner) = self
            && **inner == Shape::Plain("Quantity")
        {
            **inner = Shape::Plain("ResourceQuantity");
        }
    }

    /// The struct at the bottom of lists and maps.
    pub fn leaf_struct(&self) -> Option<&str> {
        match self {
            Shape::Struct(name) => Some(name),
            Shape::List(inner) | Shape::Map(inner) => inner.leaf_struct(),
            Shape::SchemaOr(_) => {
                Some(concat!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.", "JSONSchemaProps"))
            }
            Shape::Plain(_) => None,
        }
    }

    pub fn is_collection(&self) -> bool {
        matches!(self, Shape::List(_) | Shape::Map(_))
    }
}

fn plain(json: &str) -> &'static str {
    match json {
        "string" => "String",
        "boolean" => "Bool",
        "integer:int32" => "Int32",
        "integer:int64" => "Int64",
        "number:double" => "Double",
        "string:byte" => "Bytes",
        "any" => "Raw",
        other => panic!("json type {other} has no shape"),
    }
}

/// Types with an encoding of their own.
fn special(name: &str) -> Option<Shape> {
    let plain = |shape| Some(Shape::Plain(shape));
    if let Some(meta) = name.strip_prefix(META) {
        return match meta {
            "Time" => plain("Time"),
            "MicroTime" => plain("MicroTime"),
            "FieldsV1" => plain("RawObject"),
            _ => None,
        };
    }
    if let Some(schema) = name.strip_prefix(APIEXTENSIONS) {
        return match schema {
            "JSON" => plain("Raw"),
            "JSONSchemaPropsOrBool" => Some(Shape::SchemaOr("Bool")),
            "JSONSchemaPropsOrArray" => Some(Shape::SchemaOr("Array")),
            "JSONSchemaPropsOrStringArray" => Some(Shape::SchemaOr("StringArray")),
            _ => None,
        };
    }
    match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => plain("Quantity"),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => plain("IntOrString"),
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => plain("RawObject"),
        _ => None,
    }
}
