//! What a hook knows of the call it answers.

use std::sync::atomic::{AtomicU32, Ordering};

use gantry_abi as abi;
use jiff::Timestamp;

use crate::{error::Failure, host::HostRef};

/// One call of a hook: its deadline, its clock, its memory, its way to the log.
pub struct Cx<'a> {
    call: &'a abi::Call,
    host: HostRef<'a>,
}

impl<'a> Cx<'a> {
    /// `None` if the host's struct is too small to be a call of this ABI.
    ///
    /// # Safety
    /// `call` is null or points to a call that outlives `'a`; so does `host`.
    pub(crate) unsafe fn new(call: *const abi::Call, host: HostRef<'a>) -> Option<Self> {
        // SAFETY: promised by the caller.
        let call = unsafe { call.as_ref()? };
        (call.size >= abi::size_of_u32::<abi::Call>()).then_some(Self { call, host })
    }

    /// The time as the call began. Decide by it, never by the system's clock: so a decision can be tested and replayed.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.call.now_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The deadline is over: return soon.
    pub fn expired(&self) -> bool {
        if self.call.cancel.is_null() {
            return false;
        }
        // SAFETY: the header promises an atomically read u32 for the call's duration.
        unsafe { AtomicU32::from_ptr(self.call.cancel.cast_mut()) }.load(Ordering::Relaxed) != 0
    }

    /// How often the same work has failed before.
    pub fn attempt(&self) -> u32 {
        self.call.attempt
    }

    /// Unique in the host's process; stands in its logs.
    pub fn call_id(&self) -> u64 {
        self.call.call_id
    }

    /// The text of a sid of the node table; empty outside of scheduler hooks.
    pub fn text(&self, sid: abi::Sid) -> &'a str {
        // SAFETY: the table of that id.
        let table = unsafe { self.host.table::<abi::HostTextV1>(abi::HOST_TEXT) };
        // SAFETY: the header's contract of `text`; the answer lives as long as the hook.
        table
            .and_then(|t| t.text)
            .and_then(|text| unsafe { text(self.host.0, self.call, sid).text() })
            .unwrap_or_default()
    }

    /// The sid of a text; `None`: no node has it.
    pub fn find(&self, wanted: &str) -> Option<abi::Sid> {
        // SAFETY: the table of that id.
        let table = unsafe { self.host.table::<abi::HostTextV1>(abi::HOST_TEXT) };
        // SAFETY: the header's contract of `find`.
        let sid =
            table.and_then(|t| t.find).map(|find| unsafe { find(self.host.0, self.call, abi::Str::of(wanted)) })?;
        (sid != 0).then_some(sid)
    }

    pub fn log(&self) -> crate::Log<'_> {
        self.host.log(Some(self.call))
    }

    pub(crate) fn host(&self) -> HostRef<'a> {
        self.host
    }

    pub(crate) fn raw(&self) -> &'a abi::Call {
        self.call
    }

    /// Copies into the call's arena, from where the host reads results.
    pub(crate) fn keep_slice<T: Copy>(&self, items: &[T]) -> Result<*const T, Failure> {
        if items.is_empty() {
            return Ok(std::ptr::NonNull::dangling().as_ptr());
        }
        // SAFETY: the arena is the host's for this call; its function follows the header.
        let memory = unsafe {
            let arena = &mut *self.call.arena;
            let alloc = arena.alloc.ok_or_else(|| Failure::new("the host's arena has no alloc"))?;
            alloc(arena, size_of_val(items) as u64, align_of::<T>() as u64).cast::<T>()
        };
        if memory.is_null() {
            return Err(Failure::new("the call's memory limit is reached"));
        }
        // SAFETY: fresh memory of the size and alignment asked for.
        unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), memory, items.len()) };
        Ok(memory)
    }

    pub(crate) fn keep(&self, text: &str) -> Result<abi::Str, Failure> {
        self.keep_bytes(text.as_bytes())
    }

    pub(crate) fn keep_bytes(&self, bytes: &[u8]) -> Result<abi::Str, Failure> {
        Ok(abi::Str { p: self.keep_slice(bytes)?, n: bytes.len() as u64 })
    }

    /// Why the hook does not succeed. Kept short: without memory for it there is no message.
    pub(crate) fn set_message(&self, message: &str) {
        if self.call.message.is_null() {
            return;
        }
        if let Ok(kept) = self.keep(message) {
            // SAFETY: the header promises a writable gantry_str.
            unsafe { *self.call.message = kept };
        }
    }
}
