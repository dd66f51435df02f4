//! One module a command: it wires parts together and does nothing else.

pub mod admin;
