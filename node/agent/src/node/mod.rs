//! The node's own objects in the API: the Node and its Lease.

pub mod lease;
pub mod object;
pub mod registration;
