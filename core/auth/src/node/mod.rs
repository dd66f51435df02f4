//! What a node daemon may do: only what its own pods need.

mod authorizer;
mod graph;

pub use authorizer::authorize_node;
pub use graph::{PodGraph, Referenced};
