//! YAML in and out, as the reference reads and writes it: YAML 1.1 scalars, merge keys, the first document only.

mod build;
mod order;
mod scalar;
mod style;
mod write;

pub(crate) use build::{from_yaml, repeated_keys};
pub use write::to_yaml;
