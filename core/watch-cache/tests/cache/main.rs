//! The cache on storage in memory.

mod list;
mod support;
mod watch;
