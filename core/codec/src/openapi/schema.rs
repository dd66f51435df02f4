//! Schemas of the types, gathered while paths and other schemas refer to them.

use super::description;
use gantry_kinds::{Catalog, Field, Literal, SchemaAlternative, Shape, Topology, Type};
use gantry_meta::{Object, Value};
use serde_json::json;
use std::collections::BTreeSet;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const APIEXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    V2,
    V3,
}

/// The schemas that a document needs.
pub(super) struct Schemas<'a> {
    catalog: &'a Catalog,
    dialect: Dialect,
    wanted: Vec<String>,
    known: BTreeSet<String>,
}

impl<'a> Schemas<'a> {
    pub fn new(catalog: &'a Catalog, dialect: Dialect) -> Self {
        Self { catalog, dialect, wanted: Vec::new(), known: BTreeSet::new() }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// `{"$ref": ...}`; the schema itself is written by [`Self::into_object`].
    pub fn reference(&mut self, name: &str) -> Value {
        if self.known.insert(name.to_owned()) {
            self.wanted.push(name.to_owned());
        }
        let prefix = if self.dialect == Dialect::V3 { "#/components/schemas/" } else { "#/definitions/" };
        json!({"$ref": format!("{prefix}{name}")})
    }

    /// All schemas that were referred to, by name.
    pub fn into_object(mut self) -> Object {
        let mut written = Object::new();
        while let Some(name) = self.wanted.pop() {
            let schema = self.schema(&name);
            written.insert(name, schema);
        }
        written
    }

    fn schema(&mut self, name: &str) -> Value {
        match self.catalog.type_named(name) {
            Some(ty) if !ty.fields.is_empty() => self.struct_schema(ty),
            _ => self.special(name),
        }
    }

    /// Types with an encoding of their own.
    fn special(&self, name: &str) -> Value {
        let v3 = self.dialect == Dialect::V3;
        let text = description::of_type(name);
        let mut schema = match name.rsplit('.').next().unwrap_or_default() {
            "Quantity" if v3 => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            "Quantity" => json!({"type": "string"}),
            "IntOrString" if v3 => {
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
            }
            "IntOrString" => json!({"type": "string", "format": "int-or-string"}),
            "Time" | "MicroTime" => json!({"type": "string", "format": "date-time"}),
            "JSON" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => json!({}),
            _ => json!({"type": "object"}),
        };
        schema["description"] = text.into();
        schema
    }

    fn struct_schema(&mut self, ty: &Type) -> Value {
        let properties: Object = ty.fields.iter().map(|f| (f.name.to_string(), self.property(ty, f))).collect();
        let required: Vec<&str> = ty.fields.iter().filter(|f| f.required).map(|f| &*f.name).collect();
        let mut schema =
            json!({"type": "object", "description": description::of_type(&ty.name), "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let kinds: Vec<Value> = self.kinds(ty);
        if !kinds.is_empty() {
            schema["x-kubernetes-group-version-kind"] = Value::Array(kinds);
        }
        if ty.atomic {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        if let Some(union) = union(&ty.name) {
            schema["x-kubernetes-unions"] = json!([union]);
        }
        schema
    }

    fn kinds(&self, ty: &Type) -> Vec<Value> {
        let own = self.catalog.kinds().filter(|(.., t)| t.name == ty.name);
        own.map(|(group, version, kind, _)| json!({"group": group, "version": version, "kind": kind})).collect()
    }

    fn property(&mut self, ty: &Type, field: &Field) -> Value {
        let mut schema = self.shape(&field.shape, &field.proto);
        if schema.get("$ref").is_some() && self.dialect == Dialect::V3 {
            schema = json!({ "allOf": [schema] });
        }
        schema["description"] = description::of_field(ty, field).into();
        match (&field.emitted, &field.default) {
            (Some(zero), _) if *zero != Literal::Null => schema["default"] = zero.to_value(),
            (_, Some(default)) => schema["default"] = default.to_value(),
            _ => {}
        }
        if field.published {
            enumerate(field, &mut schema);
        }
        extensions(field, &mut schema);
        schema
    }

    fn shape(&mut self, shape: &Shape, proto: &str) -> Value {
        match shape {
            Shape::String => json!({"type": "string"}),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Int32 => json!({"type": "integer", "format": "int32"}),
            Shape::Int64 => json!({"type": "integer", "format": "int64"}),
            Shape::Double => json!({"type": "number", "format": "double"}),
            Shape::Bytes => json!({"type": "string", "format": "byte"}),
            Shape::Quantity | Shape::ResourceQuantity => {
                self.reference("io.k8s.apimachinery.pkg.api.resource.Quantity")
            }
            Shape::IntOrString => self.reference("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
            Shape::Time => self.reference(&format!("{META}Time")),
            Shape::MicroTime => self.reference(&format!("{META}MicroTime")),
            Shape::Raw => self.reference(&format!("{APIEXTENSIONS}JSON")),
            Shape::RawObject => self.raw_object(proto),
            Shape::SchemaOr(schema, other) => self.schema_or(schema, *other),
            Shape::Struct(ty) => self.reference(&ty.name),
            Shape::List(item) => json!({"type": "array", "items": self.part(item, proto)}),
            Shape::Map(value) => json!({"type": "object", "additionalProperties": self.part(value, proto)}),
        }
    }

    /// An item or a map's value.
    fn part(&mut self, shape: &Shape, proto: &str) -> Value {
        let mut schema = self.shape(shape, proto);
        match shape {
            Shape::String => schema["default"] = "".into(),
            Shape::Int32 | Shape::Int64 => schema["default"] = 0.into(),
            _ => {}
        }
        schema
    }

    fn raw_object(&mut self, proto: &str) -> Value {
        let name = match proto.rsplit('.').next().unwrap_or_default() {
            "FieldsV1" => format!("{META}FieldsV1"),
            "CustomResourceSubresourceStatus" => format!("{APIEXTENSIONS}CustomResourceSubresourceStatus"),
            _ => "io.k8s.apimachinery.pkg.runtime.RawExtension".to_owned(),
        };
        self.reference(&name)
    }

    fn schema_or(&mut self, schema: &Type, other: SchemaAlternative) -> Value {
        self.reference(&schema.name);
        self.reference(&match other {
            SchemaAlternative::Bool => format!("{APIEXTENSIONS}JSONSchemaPropsOrBool"),
            SchemaAlternative::Array => format!("{APIEXTENSIONS}JSONSchemaPropsOrArray"),
            SchemaAlternative::StringArray => format!("{APIEXTENSIONS}JSONSchemaPropsOrStringArray"),
        })
    }
}

/// Values stand where the text is: at the field, or at the items of a list.
fn enumerate(field: &Field, schema: &mut Value) {
    match field.shape {
        Shape::List(_) => schema["items"]["enum"] = json!(field.allowed),
        _ => schema["enum"] = json!(field.allowed),
    }
}

/// How lists and maps merge, in patches and in apply.
fn extensions(field: &Field, schema: &mut Value) {
    match (field.topology, &field.shape) {
        (Topology::ListMap, _) => {
            schema["x-kubernetes-list-type"] = "map".into();
            schema["x-kubernetes-list-map-keys"] = json!(field.map_keys);
        }
        (Topology::ListSet, _) => schema["x-kubernetes-list-type"] = "set".into(),
        (Topology::Atomic, Shape::List(_)) => schema["x-kubernetes-list-type"] = "atomic".into(),
        (Topology::GranularStruct, _) => schema["x-kubernetes-map-type"] = "granular".into(),
        (Topology::Atomic, Shape::Map(_) | Shape::Struct(_)) => schema["x-kubernetes-map-type"] = "atomic".into(),
        _ => {}
    }
    let patch = field.patch;
    let words = [("merge", patch.merge), ("retainKeys", patch.retain_keys), ("replace", patch.replace)];
    let strategy: Vec<&str> = words.into_iter().filter(|(_, set)| *set).map(|(word, _)| word).collect();
    if !strategy.is_empty() {
        schema["x-kubernetes-patch-strategy"] = strategy.join(",").into();
    }
    if let Some(key) = &field.merge_key {
        schema["x-kubernetes-patch-merge-key"] = key.clone().into();
    }
}

/// Structs of which one member applies, named by the discriminator.
fn union(name: &str) -> Option<Value> {
    let (discriminator, members): (Option<&str>, &[(&str, &str)]) = match name {
        "io.k8s.api.core.v1.AppArmorProfile" | "io.k8s.api.core.v1.SeccompProfile" => {
            (Some("type"), &[("localhostProfile", "LocalhostProfile")])
        }
        "io.k8s.api.core.v1.PodSchedulingGroup" => (None, &[("podGroupName", "PodGroupName")]),
        "io.k8s.api.flowcontrol.v1.LimitResponse" => (Some("type"), &[("queuing", "Queuing")]),
        "io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec" => {
            (Some("type"), &[("exempt", "Exempt"), ("limited", "Limited")])
        }
        "io.k8s.api.flowcontrol.v1.Subject" => {
            (Some("kind"), &[("group", "Group"), ("serviceAccount", "ServiceAccount"), ("user", "User")])
        }
        _ => return None,
    };
    let members: Object = members.iter().map(|(field, word)| ((*field).to_owned(), (*word).into())).collect();
    let mut union = json!({ "fields-to-discriminateBy": members });
    if let Some(discriminator) = discriminator {
        union["discriminator"] = discriminator.into();
    }
    Some(union)
}
