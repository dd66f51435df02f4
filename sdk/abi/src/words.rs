//! Codes, texts, the arena and the call.

use std::ffi::c_void;

pub const MAGIC: u32 = 0x3154_4e47;
pub const ABI_MAJOR: u16 = 1;
pub const ABI_MINOR: u16 = 0;

/// What a hook returned: `GANTRY_OK` and its relatives.
pub type Code = i32;

pub const OK: Code = 0;
pub const ERROR: Code = 1;
pub const UNSCHEDULABLE: Code = 2;
pub const UNRESOLVABLE: Code = 3;
pub const WAIT: Code = 4;
pub const SKIP: Code = 5;
pub const PENDING: Code = 6;
pub const E_PANIC: Code = -1;
pub const E_DEADLINE: Code = -2;
pub const E_POISONED: Code = -3;
pub const E_UNSUPPORTED: Code = -4;
pub const E_INVALID: Code = -5;

/// `gantry_str`: borrowed UTF-8.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    pub p: *const u8,
    pub n: u64,
}

// SAFETY: a pair of a pointer and a length; whoever dereferences it answers for that.
unsafe impl Send for Str {}
// SAFETY: as above; the pair itself is never changed through a shared reference.
unsafe impl Sync for Str {}

impl Str {
    pub const EMPTY: Self = Self { p: std::ptr::null(), n: 0 };

    /// Borrows `text`; the caller sees to it that the result does not outlive it.
    pub const fn of(text: &str) -> Self {
        Self { p: text.as_ptr(), n: text.len() as u64 }
    }

    /// Borrows bytes that are not known to be UTF-8.
    pub const fn of_bytes(bytes: &[u8]) -> Self {
        Self { p: bytes.as_ptr(), n: bytes.len() as u64 }
    }

    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// # Safety
    /// `p` points to `n` bytes that stay as they are for `'a`, or `n` is 0.
    pub const unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.n == 0 || self.p.is_null() {
            return &[];
        }
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts(self.p, self.n as usize) }
    }

    /// The text, `None` if it is not UTF-8.
    ///
    /// # Safety
    /// As [`Str::bytes`].
    pub const unsafe fn text<'a>(self) -> Option<&'a str> {
        // SAFETY: promised by the caller.
        match std::str::from_utf8(unsafe { self.bytes() }) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    }
}

/// `gantry_sid`: an interned text, 0 for none.
pub type Sid = u32;

/// `gantry_arena`
#[repr(C)]
pub struct Arena {
    pub size: u32,
    pub flags: u32,
    pub alloc: Option<unsafe extern "C" fn(*mut Arena, n: u64, align: u64) -> *mut c_void>,
}

/// `gantry_call`
#[repr(C)]
pub struct Call {
    pub size: u32,
    pub attempt: u32,
    pub call_id: u64,
    pub deadline_ns: u64,
    pub now_ns: i64,
    pub cancel: *const u32,
    pub arena: *mut Arena,
    pub message: *mut Str,
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

/// The size of `T` as the first member of an ABI struct states it.
pub const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}
