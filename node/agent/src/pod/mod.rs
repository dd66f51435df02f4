//! One pod: what is wanted, what is there, the next step, and how it is taken.

pub mod admission;
pub mod apply;
pub mod backoff;
pub mod container_config;
pub mod desired;
pub mod dns;
pub mod downward;
pub mod env;
pub mod expansion;
pub mod hosts_file;
pub mod labels;
pub mod observed;
pub mod plan;
pub mod probe_state;
pub mod resize;
pub mod resources;
pub mod sandbox_config;
pub mod security;
pub mod service_env;
pub mod status;
pub mod terminate;
pub mod termination;
#[cfg(test)]
pub mod testing;
pub mod tokens;
pub mod volumes;
pub mod worker;
