//! The bytes of one version, in memory of exactly their size.
//!
//! The process's allocator (mimalloc) rounds to classes and packs them into pages of its own: objects of some KiB would take a
//! fifth more than their bytes. The system's keeps blocks of any size side by side. It is the slower one, which does not
//! matter for what is made once for each write.

use allocator_api2::{alloc::System, vec::Vec};
use bytes::Bytes;

/// `parts`, one behind the other.
pub(crate) fn joined(parts: &[&[u8]]) -> Bytes {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut frame = Vec::with_capacity_in(length, System);
    parts.iter().for_each(|part| frame.extend_from_slice(part));
    Bytes::from_owner(frame.into_boxed_slice())
}
