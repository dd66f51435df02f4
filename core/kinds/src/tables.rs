//! The statics that `build.rs` generates from `facts/`.

use crate::{
    defaults::{ConditionalDefault, DefaultValue, When},
    field::{Field, Gate, PatchStrategy, Ref, SchemaAlternative, Shape, Topology, Type, name_start},
    literal::{List, Literal, Text},
    resource::{Column, Group, Resource, ScaleFields, SelectableField, Subresource, Version},
};

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
