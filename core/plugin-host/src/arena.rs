//! Memory for the results of one call.

use std::{
    alloc::{Layout, alloc, dealloc},
    ffi::c_void,
    ptr::NonNull,
};

use gantry_abi as abi;
use parking_lot::Mutex;

const CHUNK_BYTES: usize = 16 << 10;
const ALIGN_MAX: u64 = 64;

/// `gantry_arena` with what it hands out. Everything falls with the call.
#[repr(C)]
pub(crate) struct Arena {
    head: abi::Arena,
    chunks: Mutex<Chunks>,
}

struct Chunks {
    all: Vec<(NonNull<u8>, Layout)>,
    /// Free part of the newest chunk.
    next: *mut u8,
    left: usize,
    budget: usize,
}

// SAFETY: the pointers lead to memory that the chunks own.
unsafe impl Send for Chunks {}

impl Arena {
    /// Hands out `budget` bytes at most.
    pub(crate) fn new(budget: usize) -> Self {
        let head = abi::Arena { size: abi::size_of_u32::<abi::Arena>(), flags: 0, alloc: Some(alloc_for_plugin) };
        let chunks = Chunks { all: Vec::new(), next: std::ptr::null_mut(), left: 0, budget };
        Self { head, chunks: Mutex::new(chunks) }
    }

    /// `None`: the budget is used up.
    pub(crate) fn take(&self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        self.chunks.lock().take(bytes, align)
    }

    /// Copies `items` into the arena.
    pub(crate) fn keep<T: Copy>(&self, items: &[T]) -> Option<*const T> {
        let memory = self.take(size_of_val(items), align_of::<T>())?.cast::<T>();
        // SAFETY: fresh memory of the right size and alignment.
        unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), memory.as_ptr(), items.len()) };
        Some(memory.as_ptr())
    }
}

impl Chunks {
    fn take(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        let bytes = bytes.max(1);
        let padding = self.next.align_offset(align);
        let needed = bytes.checked_add(padding)?;
        if needed > self.left {
            self.grow(bytes.checked_add(align)?)?;
            return self.take(bytes, align);
        }
        // SAFETY: within the newest chunk, checked above.
        let at = unsafe { self.next.add(padding) };
        // SAFETY: as above; at most one past its end.
        self.next = unsafe { at.add(bytes) };
        self.left -= needed;
        NonNull::new(at)
    }

    fn grow(&mut self, at_least: usize) -> Option<()> {
        let size = at_least.max(CHUNK_BYTES);
        self.budget = self.budget.checked_sub(size)?;
        let layout = Layout::from_size_align(size, ALIGN_MAX as usize).ok()?;
        // SAFETY: the size is not 0.
        let memory = NonNull::new(unsafe { alloc(layout) })?;
        self.all.push((memory, layout));
        (self.next, self.left) = (memory.as_ptr(), size);
        Some(())
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        for (memory, layout) in self.all.drain(..) {
            // SAFETY: allocated by `grow` with this layout.
            unsafe { dealloc(memory.as_ptr(), layout) };
        }
    }
}

unsafe extern "C" fn alloc_for_plugin(arena: *mut abi::Arena, n: u64, align: u64) -> *mut c_void {
    if align == 0 || !align.is_power_of_two() || align > ALIGN_MAX {
        return std::ptr::null_mut();
    }
    // SAFETY: `head` is the first member of an Arena that lives through the call.
    let arena = unsafe { &*arena.cast::<Arena>() };
    arena.take(n as usize, align as usize).map_or(std::ptr::null_mut(), |memory| memory.as_ptr().cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_ends_at_its_budget_and_aligns_what_it_gives() {
        let arena = Arena::new(64 << 10);
        for align in [1, 8, 64] {
            let memory = arena.take(10, align).expect("within budget");
            assert_eq!(memory.as_ptr().align_offset(align), 0);
        }
        assert!(arena.take(1 << 20, 8).is_none());
        assert!(arena.take(usize::MAX, 8).is_none());
        assert!(arena.take(100, 8).is_some(), "a refused wish takes nothing away");
    }
}
