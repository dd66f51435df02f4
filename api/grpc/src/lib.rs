//! The gRPC door: `gantry.v1` over the same executor as REST, so authentication, authorisation, admission and answers are the
//! same. With health checks, and reflection for those who are known.

mod answer;
mod door;
mod incoming;
mod nodes;
mod refusal;
mod request;
mod resources;
mod server;
mod watch;

pub use server::{GrpcServer, ServeError};
