//! Nodes: their status is written through its subresource, their addresses by the node controller.

use super::Strategy;

pub(super) struct Nodes;

impl Strategy for Nodes {}
