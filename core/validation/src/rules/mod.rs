//! Rules that several kinds share.

pub mod net;
pub mod numbers;
pub mod paths;
pub mod resources;
pub mod selector;
