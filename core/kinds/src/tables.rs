//! The statics that `build.rs` generates from `facts/`.

use crate::{
    catalog::{Group, Version},
    field::{
        Field, Gate, List, Literal, PatchStrategy, Ref, SchemaAlternative, Shape, Text, Topology, Type, name_start,
    },
    resource::{Column, Resource, ScaleFields, SelectableField, Subresource},
};

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
