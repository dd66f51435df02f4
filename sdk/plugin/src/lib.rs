//! The safe Rust SDK of Gantry's plugins.
//!
//! A plugin is a type that implements [`Plugin`] and one or more of [`Scheduler`], [`Controller`] and [`ServiceType`], in a
//! library with `crate-type = ["cdylib"]` that calls [`export!`] once. Authors write no unsafe code: the macro makes the C
//! functions, checks what comes in, and keeps panics inside the library. [`testing`] runs hooks without a server.
//!
//! The contract beneath, for other languages, is `gantry/plugin.h` ([`abi::PLUGIN_H`]).

mod context;
pub mod controller;
mod error;
pub mod export;
mod host;
pub mod instance;
pub mod manifest;
mod metadata;
mod object;
mod plugin;
pub mod resource;
pub mod rule_ir;
pub mod scheduler;
mod service;
pub mod service_rules;
pub mod testing;

pub use context::Cx;
pub use controller::{
    Controller, Event, EventType, Failed, Key, ObjectReference, OpId, Ops, Outcome, Propagation, Query, Reader, Watch,
};
pub use error::Failure;
/// The C layout that the macro's code names.
pub use gantry_abi as abi;
pub use host::{HostRef, Level, Log};
pub use metadata::{Metadata, OwnerReference};
pub use object::Obj;
pub use plugin::{NoConfig, Plugin};
pub use resource::{Resource, ServedResource};
pub use scheduler::{Hooks, Nodes, Permit, Pod, PreFiltered, Scheduler, Scored, Sid, Verdicts};
pub use service::{Cause, Claim, ServiceType};
