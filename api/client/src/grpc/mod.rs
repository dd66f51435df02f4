//! `gantry.v1` over HTTP/2.

mod client;
mod error;
mod nodes;
mod sink;
mod source;
mod watch_hub;

pub use client::GrpcClient;
