//! One module a command: it wires parts together and does nothing else.

pub mod admin;
pub mod down;
pub mod node;
pub mod plugin;
pub mod server;
pub mod up;
