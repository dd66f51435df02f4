//! Bytes to objects and back, driven by the field tables of `gantry-kinds`.
//!
//! A body is decoded in one pass typed by its kind's table: unknown and repeated fields are collected, wrong types refused,
//! quantities, times and base64 put into their normal form, and the result is canonical, as if it had gone through the
//! reference's structs: unset fields are absent, always-written ones present.

pub mod canonical;
mod decode;
mod defaults;
pub mod discovery;
mod encode;
mod error;
pub mod openapi;
mod problems;
mod protobuf;
pub mod table;
mod wire;
mod yaml;

pub use decode::{
    Decoded, Expected, Format, Strictness, decode, decode_value, parse_json, parse_stored, parse_untyped,
};
pub use defaults::{Surroundings, apply_defaults};
pub use encode::{ListMeta, Splice, encode, encode_stored, pretty, write_list_head, write_watch_frame};
pub use error::DecodeError;
pub use protobuf::{has_protobuf, to_protobuf, to_protobuf_frame, write_protobuf, write_protobuf_frame};
pub use yaml::to_yaml;
