//! The field tables: for every kind that is served, its fields, how they are encoded, merged, defaulted and shown.
//!
//! Built-in kinds come from the tables under `facts/` (names, types, numbers and flags only), turned into statics when this
//! crate is built. Everything generic is driven by them: decoding, defaulting, patches, apply, tables, discovery, OpenAPI.
//! Kinds made at run time use the same structures with shared parts ([`Ref::Shared`]).

mod catalog;
mod defaults;
mod field;
mod literal;
mod members;
mod name;
mod resource;
mod tables;

pub use catalog::{Catalog, catalog, description};
pub use defaults::{ConditionalDefault, DefaultValue, When};
pub use field::{Field, Gate, PatchStrategy, Ref, SchemaAlternative, Shape, Topology, Type};
pub use gantry_meta::Value;
pub use literal::{List, Literal, Text};
pub use members::{Members, object_of};
pub use name::{FieldChain, FieldName, fields};
pub use resource::{Column, FieldNames, Group, Resource, ScaleFields, SelectableField, Subresource, Version};
pub use tables::{FOLLOWED_VERSION, TABLES_FINGERPRINT};
