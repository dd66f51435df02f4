//! What all tests of the door start with.

mod api;
mod server;

pub use api::{Api, Events};
pub use server::{Setting, TestServer, reconcile};
