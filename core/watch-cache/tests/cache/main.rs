//! The cache on storage in memory.

mod clock;
mod list;
mod model;
mod support;
mod watch;
