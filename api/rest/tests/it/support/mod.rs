//! What all tests of the door start with.

mod api;
mod server;

pub use server::TestServer;
