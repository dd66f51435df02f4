//! The host of plugins: it refuses what is not safe to load, loads the rest, calls hooks under a deadline, and leaves out what
//! misbehaves.
//!
//! Tier T0 (in this process) is what there is; the wrappers of hooks are all that callers see, so other tiers change nothing
//! for them.

mod arena;
mod call;
mod clock;
mod health;
mod hooks;
mod host;
mod instance;
pub mod interface;
mod lane;
mod latency;
pub mod load;
mod plugin;
mod services;
mod watchdog;

pub use call::{CallError, CallSpec};
pub use health::Fault;
pub use hooks::*;
pub use host::{ConfigError, LoadError, PluginHost};
pub use load::{Manifest, Module, Pin, PluginManifest, Refusal, check};
pub use plugin::{FailurePolicy, Plugin, PluginConfig, PluginStatus};
pub use services::{ObjectReader, ObjectRecord, ReadFailure, ReadQuery, ResourceName, ServedResource, Services, Texts};
pub use watchdog::HangSignal;
