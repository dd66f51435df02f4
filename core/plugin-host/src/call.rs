//! One call of a hook, from both sides.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use gantry_abi as abi;
use parking_lot::Mutex;
use thiserror::Error;

use crate::{
    HangSignal,
    arena::Arena,
    clock,
    health::Fault,
    instance::Instance,
    services::{ObjectRecord, ServedResource, Services},
};

/// The most memory that one call may take for its results.
const ARENA_BYTES_MAX: usize = 64 << 20;
/// Longer messages are a fault; users read them.
const MESSAGE_BYTES_MAX: u64 = 64 << 10;

static CALL_IDS: AtomicU64 = AtomicU64::new(1);

/// How a hook is called.
#[derive(Clone, Default)]
pub struct CallSpec<'s> {
    /// How long it may take; `None`: [`CallSpec::BUDGET`].
    pub budget: Option<Duration>,
    pub attempt: u32,
    pub services: Services<'s>,
    /// Raised if this call hangs.
    pub hang: Option<HangSignal>,
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

impl CallSpec<'_> {
    /// What a hook may take if nobody says otherwise.
    pub const BUDGET: Duration = Duration::from_secs(1);
}

/// Why a hook gave no result.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CallError {
    #[error("plugin {plugin} is quarantined for another {seconds} s: {why}")]
    Quarantined { plugin: String, seconds: u64, why: String },
    #[error("plugin {plugin} is off after repeated faults: {why}")]
    Off { plugin: String, why: String },
    #[error("plugin {plugin} does not implement {interface}")]
    Unsupported { plugin: String, interface: &'static str },
    /// The plugin answered with a code of its own choice.
    #[error("{message}")]
    Refused { code: abi::Code, message: String },
    #[error("plugin {plugin} {fault}")]
    Fault { plugin: String, fault: Fault },
}

/// What a hook's wrapper found.
#[derive(Debug)]
pub(crate) enum HookError {
    /// Neither OK nor a code that the wrapper expects.
    Code(abi::Code),
    BadResult(String),
    Unsupported(&'static str),
}

/// The host's side of one call. The plugin sees the first member.
#[repr(C)]
pub(crate) struct Frame<'s> {
    call: abi::Call,
    pub(crate) arena: Arena,
    message: abi::Str,
    pub(crate) services: Services<'s>,
    /// Objects whose texts the plugin may be reading.
    pins: Mutex<Vec<Pin>>,
}

/// Kept alive until the call is over.
enum Pin {
    Object { _kept: Arc<ObjectRecord> },
    Resource { _kept: ServedResource },
}

impl<'s> Frame<'s> {
    pub(crate) fn new(spec: &CallSpec<'s>, cancel: &AtomicU32) -> Self {
        let budget = spec.budget.unwrap_or(CallSpec::BUDGET);
        let call = abi::Call {
            size: abi::size_of_u32::<abi::Call>(),
            attempt: spec.attempt,
            call_id: CALL_IDS.fetch_add(1, Ordering::Relaxed),
            deadline_ns: clock::monotonic_ns() + budget.as_nanos() as u64,
            now_ns: clock::unix_ns(),
            cancel: cancel.as_ptr(),
            arena: std::ptr::null_mut(),
            message: std::ptr::null_mut(),
            trace_id: spec.trace_id,
            span_id: spec.span_id,
        };
        Self {
            call,
            arena: Arena::new(ARENA_BYTES_MAX),
            message: abi::Str::EMPTY,
            services: spec.services,
            pins: Mutex::default(),
        }
    }

    /// Makes the call point to this frame, which must not move from now on.
    pub(crate) fn seal(&mut self) -> *const abi::Call {
        self.call.arena = (&raw mut self.arena).cast();
        self.call.message = &raw mut self.message;
        // Of the whole frame, so that `of` may go back from the call to it.
        (&raw const *self).cast()
    }

    /// # Safety
    /// `call` was returned by `seal` of a frame that still stands there.
    pub(crate) unsafe fn of<'a>(call: *const abi::Call) -> &'a Frame<'a> {
        // SAFETY: promised by the caller; `call` is the first member.
        unsafe { &*call.cast::<Frame<'a>>() }
    }

    /// Gives a plugin's host call a reason to fail.
    pub(crate) fn fail(&self, why: &str) -> abi::Code {
        if let Some(p) = self.arena.keep(why.as_bytes()) {
            // SAFETY: points to this frame's message; hooks and their host calls do not write it at once.
            unsafe { *self.call.message = abi::Str { p, n: why.len() as u64 } };
        }
        abi::ERROR
    }

    /// Lends objects for the rest of the call. Null: the memory limit is reached.
    pub(crate) fn hand_out(&self, objects: Vec<Arc<ObjectRecord>>) -> (*const abi::Object, u64) {
        let raw: Vec<abi::Object> = objects.iter().map(|object| raw_object(object)).collect();
        self.pins.lock().extend(objects.into_iter().map(|object| Pin::Object { _kept: object }));
        (self.arena.keep(&raw).unwrap_or(std::ptr::null()), raw.len() as u64)
    }

    pub(crate) fn hand_out_resources(&self, served: &[ServedResource]) -> (*const abi::Resource, u64) {
        let raw: Vec<abi::Resource> = served.iter().map(raw_resource).collect();
        self.pins.lock().extend(served.iter().map(|resource| Pin::Resource { _kept: resource.clone() }));
        (self.arena.keep(&raw).unwrap_or(std::ptr::null()), raw.len() as u64)
    }
}

pub(crate) fn raw_object(object: &ObjectRecord) -> abi::Object {
    abi::Object {
        size: abi::size_of_u32::<abi::Object>(),
        flags: 0,
        group: abi::Str::of(&object.resource.group),
        version: abi::Str::of(&object.resource.version),
        resource: abi::Str::of(&object.resource.resource),
        kind: abi::Str::of(&object.resource.kind),
        ns: abi::Str::of(&object.namespace),
        name: abi::Str::of(&object.name),
        uid: abi::Str::of(&object.uid),
        resource_version: abi::Str::of(&object.resource_version),
        json: abi::Str::of_bytes(&object.json),
    }
}

fn raw_resource(served: &ServedResource) -> abi::Resource {
    let flags = [
        (served.namespaced, abi::RESOURCE_NAMESPACED),
        (served.deletable, abi::RESOURCE_DELETABLE),
        (served.collection, abi::RESOURCE_COLLECTION),
    ];
    abi::Resource {
        size: abi::size_of_u32::<abi::Resource>(),
        flags: flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum(),
        group: abi::Str::of(&served.name.group),
        version: abi::Str::of(&served.name.version),
        resource: abi::Str::of(&served.name.resource),
        kind: abi::Str::of(&served.name.kind),
    }
}

/// A call under way, as wrappers of hooks see it.
pub(crate) struct Running<'c> {
    pub(crate) instance: &'c Instance,
    pub(crate) call: *const abi::Call,
    life: PhantomData<&'c ()>,
}

impl<'c> Running<'c> {
    pub(crate) fn new(instance: &'c Instance, call: *const abi::Call) -> Self {
        Self { instance, call, life: PhantomData }
    }

    pub(crate) fn raw(&self) -> *mut abi::Instance {
        self.instance.raw()
    }

    /// Nothing but OK will do.
    pub(crate) fn expect_ok(&self, code: abi::Code) -> Result<(), HookError> {
        if code == abi::OK { Ok(()) } else { Err(HookError::Code(code)) }
    }

    /// The message that the plugin left.
    pub(crate) fn message(&self) -> Result<String, HookError> {
        // SAFETY: of this frame.
        let message = unsafe { *(*self.call).message };
        self.text(message, MESSAGE_BYTES_MAX, "a message")
    }

    /// A text of the plugin, copied.
    pub(crate) fn text(&self, text: abi::Str, bytes_max: u64, what: &str) -> Result<String, HookError> {
        let bytes = self.bytes(text, bytes_max, what)?;
        String::from_utf8(bytes).map_err(|_| HookError::BadResult(format!("{what} that is not UTF-8")))
    }

    /// Bytes of the plugin, copied.
    pub(crate) fn bytes(&self, bytes: abi::Str, bytes_max: u64, what: &str) -> Result<Vec<u8>, HookError> {
        if bytes.n > bytes_max {
            return Err(HookError::BadResult(format!("{what} of {} bytes (limit {bytes_max})", bytes.n)));
        }
        if bytes.n > 0 && bytes.p.is_null() {
            return Err(HookError::BadResult(format!("{what} at a null pointer")));
        }
        // SAFETY: a result of the hook, in the call's arena or constant, by the contract.
        Ok(unsafe { bytes.bytes() }.to_vec())
    }

    /// The elements of an array that a hook returned, each starting with its size.
    pub(crate) fn elements<T: Copy>(
        &self,
        first: *const T,
        n: u64,
        n_max: u64,
        what: &str,
    ) -> Result<Vec<T>, HookError> {
        if n == 0 {
            return Ok(Vec::new());
        }
        if n > n_max {
            return Err(HookError::BadResult(format!("{n} {what} (limit {n_max})")));
        }
        if first.is_null() || !first.is_aligned() {
            return Err(HookError::BadResult(format!("{what} at a null or unaligned pointer")));
        }
        // SAFETY: the first element starts with its size.
        let stride = unsafe { *first.cast::<u32>() } as usize;
        if stride < size_of::<T>() || !stride.is_multiple_of(align_of::<T>()) {
            return Err(HookError::BadResult(format!("{what} of {stride} bytes each")));
        }
        // SAFETY: `n` elements, a stride apart, by the contract.
        Ok((0..n as usize).map(|i| unsafe { *first.byte_add(i * stride) }).collect())
    }

    /// The elements of an array of plain values.
    pub(crate) fn plain<T: Copy>(&self, first: *const T, n: u64, n_max: u64, what: &str) -> Result<&[T], HookError> {
        if n == 0 {
            return Ok(&[]);
        }
        if n > n_max {
            return Err(HookError::BadResult(format!("{n} {what} (limit {n_max})")));
        }
        if first.is_null() || !first.is_aligned() {
            return Err(HookError::BadResult(format!("{what} at a null or unaligned pointer")));
        }
        // SAFETY: `n` elements by the contract, which live until the frame falls.
        Ok(unsafe { std::slice::from_raw_parts(first, n as usize) })
    }
}
