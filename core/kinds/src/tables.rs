//! The statics that `build.rs` generates from `facts/`.

use crate::{
    catalog::{Group, Version},
    defaults::{ConditionalDefault, DefaultValue, When},
    field::{
        Field, Gate, List, Literal, PatchStrategy, Ref, SchemaAlternative, Shape, Text, Topology, Type, name_start,
    },
    resource::{Column, Resource, ScaleFields, SelectableField, Subresource},
};

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
