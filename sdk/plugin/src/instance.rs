//! An instance behind the C line: its memory, its poison, the guard around every hook.

use std::{
    any::Any,
    cell::Cell,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Once, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use gantry_abi as abi;

use crate::{context::Cx, controller::RawWatches, error::Failure, host::HostRef, plugin::Plugin};

/// What `gantry_instance.self` points to.
pub struct Slot<P> {
    head: abi::Instance,
    plugin: P,
    host: *const abi::Host,
    poisoned: AtomicBool,
    pub(crate) watches: OnceLock<RawWatches>,
    pub(crate) events: OnceLock<Constant<abi::Event>>,
}

/// ABI structs that lead to constant data only.
pub(crate) struct Constant<T>(pub(crate) Vec<T>);
// SAFETY: never changed after it was made; the texts it points to are constants.
unsafe impl<T> Send for Constant<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Constant<T> {}

/// Asks an instance for an interface.
pub type QueryFn = unsafe extern "C" fn(*mut abi::Instance, abi::Str) -> *const c_void;

/// Makes an instance: `gantry_entry.create` for one plugin of the module.
///
/// # Safety
/// The arguments are as the header says for `create`.
pub unsafe fn create<P: Plugin>(
    host: *const abi::Host,
    call: *const abi::Call,
    config_json: abi::Str,
    query: QueryFn,
    out: *mut *mut abi::Instance,
) -> abi::Code {
    // SAFETY: host and call outlive this function.
    let Some(cx) = (unsafe { HostRef::new(host).and_then(|host| Cx::new(call, host)) }) else { return abi::E_INVALID };
    note_panics();
    let made = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: a borrowed text of the host.
        let config = serde_json::from_slice(unsafe { config_json.bytes() })
            .map_err(|e| Failure::code(abi::E_INVALID, format!("configuration: {e}")))?;
        P::new(cx.host(), config).map_err(Failure::from)
    }));
    let plugin = match made {
        Ok(Ok(plugin)) => plugin,
        Ok(Err(failure)) => return fail(&cx, &failure),
        Err(payload) => return fail(&cx, &panicked(&*payload)),
    };
    let slot = Box::into_raw(Box::new(Slot {
        head: abi::Instance {
            size: abi::size_of_u32::<abi::Instance>(),
            flags: 0,
            this: std::ptr::null_mut(),
            query: Some(query),
            destroy: Some(destroy::<P>),
        },
        plugin,
        host,
        poisoned: AtomicBool::new(false),
        watches: OnceLock::new(),
        events: OnceLock::new(),
    }));
    // SAFETY: the slot is ours until the host has it, `out` is writable.
    unsafe {
        (*slot).head.this = slot.cast();
        *out = &raw mut (*slot).head;
    }
    abi::OK
}

/// A destructor that panics is told to nobody: the instance is gone either way, only the memory it held may leak.
unsafe extern "C" fn destroy<P: Plugin>(instance: *mut abi::Instance) {
    // SAFETY: made by `create`, and the header says that nothing uses it any more.
    let slot = unsafe { Box::from_raw((*instance).this.cast::<Slot<P>>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(slot)));
}

/// The slot of an instance that `create::<P>` made.
///
/// # Safety
/// `instance` comes from `create::<P>` and is not destroyed.
pub(crate) unsafe fn slot<'a, P: Plugin>(instance: *mut abi::Instance) -> &'a Slot<P> {
    // SAFETY: promised by the caller.
    unsafe { &*(*instance).this.cast::<Slot<P>>() }
}

/// Runs one hook: checks sizes and poison, catches panics, and puts the failure's message where the host reads it.
///
/// # Safety
/// `instance` comes from `create::<P>`; `call` is the host's for this hook.
pub(crate) unsafe fn guarded<P: Plugin>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    body: impl FnOnce(&P, &Cx<'_>) -> Result<abi::Code, Failure>,
) -> abi::Code {
    // SAFETY: promised by the caller; the host outlives its instances.
    let (slot, host) = unsafe {
        let slot = slot::<P>(instance);
        (slot, HostRef::new(slot.host))
    };
    // SAFETY: promised by the caller.
    let Some(cx) = host.and_then(|host| unsafe { Cx::new(call, host) }) else { return abi::E_INVALID };
    if slot.poisoned.load(Ordering::Acquire) {
        return abi::E_POISONED;
    }
    match catch_unwind(AssertUnwindSafe(|| body(&slot.plugin, &cx))) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => fail(&cx, &failure),
        Err(payload) => {
            slot.poisoned.store(true, Ordering::Release);
            fail(&cx, &panicked(&*payload))
        }
    }
}

fn fail(cx: &Cx<'_>, failure: &Failure) -> abi::Code {
    cx.set_message(failure.message());
    failure.code
}

thread_local! {
    static PANICKED_AT: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// Panics of this library are told to the host, with their place, and not to the server's standard error. (A library has a
/// standard library of its own, so this hook is nobody else's.)
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            PANICKED_AT.set(info.location().map(|at| (at.file().to_owned(), at.line())));
        }));
    });
}

fn panicked(payload: &(dyn Any + Send)) -> Failure {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text");
    let place = PANICKED_AT.take().map(|(file, line)| format!(" at {file}:{line}")).unwrap_or_default();
    Failure::code(abi::E_PANIC, format!("panicked{place}: {text}"))
}

/// The elements of an array of ABI structs, which lie `size` of the first apart. `None`: an element is too small for `T`.
///
/// # Safety
/// `first` points to `n` structs that start with their size and live for `'a`.
pub(crate) unsafe fn strided<'a, T: 'a>(first: *const T, n: u64) -> Option<impl ExactSizeIterator<Item = &'a T>> {
    let stride = if n == 0 {
        size_of::<T>()
    } else {
        // SAFETY: the first element starts with its size.
        unsafe { *first.cast::<u32>() as usize }
    };
    let usable = stride >= size_of::<T>() && stride.is_multiple_of(align_of::<T>());
    // SAFETY: within the array, by the caller's promise.
    usable.then(move || (0..n as usize).map(move |i| unsafe { &*first.byte_add(i * stride) }))
}
