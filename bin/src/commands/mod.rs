//! One module a command: it wires parts together and does nothing else.

pub mod admin;
pub mod plugin;
pub mod up;
