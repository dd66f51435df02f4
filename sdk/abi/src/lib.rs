//! The Rust mirror of `include/gantry/plugin.h`, member by member. The header is the contract and says what each member
//! means, on which thread a function may be called, and how long a pointer lives; here stand only layouts and numbers.
//! `tests/layout.rs` compiles the header and compares.
//!
//! Members of function tables are `Option`: an absent function is a null pointer.

pub mod controller;
pub mod host;
pub mod module;
pub mod scheduler;
pub mod service;
pub mod words;

pub use controller::*;
pub use host::*;
pub use module::*;
pub use scheduler::*;
pub use service::*;
pub use words::*;

/// The C header, for scaffolding a plugin in another language.
pub const PLUGIN_H: &str = include_str!("../include/gantry/plugin.h");
