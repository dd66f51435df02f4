//! JSON over HTTPS.

mod client;
mod sink;
mod source;
mod url;
mod watch;

pub use client::{RawRequest, RawResponse, RestClient};
