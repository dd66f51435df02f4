//! The statics that `build.rs` generates from `facts/`.

use crate::{
    catalog::{Group, Version},
    field::{Field, List, Literal, PatchStrategy, Ref, SchemaAlternative, Shape, Text, Topology, Type},
    resource::{Column, Resource, SelectableField, Subresource},
};

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
