//! The REST door: HTTP requests become [`gantry_registry::ApiRequest`]s, answers become bytes in the form the client takes.
//!
//! ```text
//! server (TLS) ─► chain (identify) ─► route ─► handlers ─► Executor::execute ─► respond
//! ```
//!
//! *Invariant*: nothing here decides what may be done or what is stored; a request that cannot be read is still authorised
//! before it is refused.

mod chain;
mod config;
mod documents;
mod duration;
mod handlers;
mod headers;
mod metrics;
mod openapi;
mod path;
mod proxy;
mod query;
mod respond;
mod route;
mod server;
mod socket_token;
mod state;
mod version;
mod warnings;

pub use config::RestConfig;
pub use proxy::{Dial, DialError, NodeDialer, OwnNetwork, PodNetwork, Wire};
pub use server::{RestHandle, serve};
