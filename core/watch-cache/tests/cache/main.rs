//! The cache on storage in memory.

mod list;
mod model;
mod support;
mod watch;
