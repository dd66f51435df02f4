//! The host's side of the C line, for tests.

use std::{
    ffi::c_void,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gantry_abi as abi;
use jiff::Timestamp;
use serde_json::Value;

use super::cluster::FakeCluster;
use crate::{Cx, Resource, host::HostRef};

/// A host that answers from a [`FakeCluster`] and keeps log lines.
pub struct FakeHost {
    host: abi::Host,
    state: Box<State>,
}

#[derive(Default)]
struct State {
    cluster: Mutex<FakeCluster>,
    log: Mutex<Vec<String>>,
    /// Sid n is the text n - 1.
    texts: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for FakeHost {
    fn default() -> Self {
        let mut state = Box::<State>::default();
        let host = abi::Host {
            size: abi::size_of_u32::<abi::Host>(),
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            ctx: (&raw mut *state).cast(),
            query: Some(query),
        };
        Self { host, state }
    }
}

impl FakeHost {
    pub fn cluster(&self) -> MutexGuard<'_, FakeCluster> {
        lock(&self.state.cluster)
    }

    /// The lines logged so far.
    pub fn log(&self) -> Vec<String> {
        lock(&self.state.log).clone()
    }

    /// The sid of a text; a new one if it is new.
    pub(crate) fn intern(&self, text: &str) -> abi::Sid {
        let mut texts = lock(&self.state.texts);
        let index = texts.iter().position(|known| known == text).unwrap_or_else(|| {
            texts.push(text.to_owned());
            texts.len() - 1
        });
        if text.is_empty() { 0 } else { index as abi::Sid + 1 }
    }

    pub fn host(&self) -> HostRef<'_> {
        HostRef(&self.host)
    }

    /// Runs `body` within a call that begins at `now`.
    pub fn call<R>(&self, now: Timestamp, body: impl FnOnce(&Cx<'_>) -> R) -> R {
        let mut arena = FakeArena::new();
        let mut message = abi::Str::EMPTY;
        let cancel = 0;
        let call = abi::Call {
            size: abi::size_of_u32::<abi::Call>(),
            attempt: 0,
            call_id: 1,
            deadline_ns: Duration::from_secs(60).as_nanos() as u64,
            now_ns: now.as_nanosecond() as i64,
            cancel: &cancel,
            arena: &mut arena.head,
            message: &mut message,
            trace_id: [0; 16],
            span_id: [0; 8],
        };
        // SAFETY: call and host outlive `body`.
        let cx = unsafe { Cx::new(&call, HostRef(&self.host)) }.expect("made just now, of full size");
        body(&cx)
    }
}

/// Memory that lives until the call is over.
#[repr(C)]
struct FakeArena {
    head: abi::Arena,
    /// In units of the largest alignment that the header allows.
    chunks: Vec<Box<[Chunk]>>,
}

#[repr(align(64))]
#[derive(Clone, Copy)]
struct Chunk {
    _bytes: [u8; 64],
}

impl FakeArena {
    fn new() -> Box<Self> {
        let head = abi::Arena { size: abi::size_of_u32::<abi::Arena>(), flags: 0, alloc: Some(arena_alloc) };
        Box::new(Self { head, chunks: Vec::new() })
    }

    fn take(&mut self, bytes: usize) -> *mut c_void {
        self.chunks.push(vec![Chunk { _bytes: [0; 64] }; bytes.div_ceil(64).max(1)].into());
        self.chunks.last_mut().map_or(std::ptr::null_mut(), |chunk| chunk.as_mut_ptr().cast())
    }
}

unsafe extern "C" fn arena_alloc(arena: *mut abi::Arena, n: u64, _align: u64) -> *mut c_void {
    // SAFETY: `head` is the first member of a FakeArena.
    unsafe { (*arena.cast::<FakeArena>()).take(n as usize) }
}

static LOG: abi::HostLogV1 = abi::HostLogV1 {
    size: abi::size_of_u32::<abi::HostLogV1>(),
    flags: 0,
    level: Some(log_level),
    log: Some(log_line),
};
static TEXT: abi::HostTextV1 =
    abi::HostTextV1 { size: abi::size_of_u32::<abi::HostTextV1>(), flags: 0, text: Some(text), find: Some(find) };
static READER: abi::HostReaderV1 = abi::HostReaderV1 {
    size: abi::size_of_u32::<abi::HostReaderV1>(),
    flags: 0,
    get: Some(get),
    list: Some(list),
    resources: Some(resources),
};

unsafe extern "C" fn query(_: *const abi::Host, id: abi::Str) -> *const c_void {
    // SAFETY: a text of the caller.
    match unsafe { id.text() } {
        Some(abi::HOST_LOG) => std::ptr::from_ref(&LOG).cast(),
        Some(abi::HOST_TEXT) => std::ptr::from_ref(&TEXT).cast(),
        Some(abi::HOST_READER) => std::ptr::from_ref(&READER).cast(),
        _ => std::ptr::null(),
    }
}

/// # Safety
/// `host` is one of ours.
unsafe fn state<'a>(host: *const abi::Host) -> &'a State {
    // SAFETY: `ctx` was set to the state's box, which lives with the host.
    unsafe { &*(*host).ctx.cast::<State>() }
}

unsafe extern "C" fn log_level(_: *const abi::Host) -> u32 {
    abi::LOG_DEBUG
}

unsafe extern "C" fn log_line(
    host: *const abi::Host,
    _: *const abi::Call,
    _: u32,
    message: abi::Str,
    _: *const abi::Str,
    _: u64,
) {
    // SAFETY: ours, and a text of the caller.
    unsafe { lock(&state(host).log).push(message.text().unwrap_or("not UTF-8").to_owned()) };
}

unsafe extern "C" fn text(host: *const abi::Host, call: *const abi::Call, sid: abi::Sid) -> abi::Str {
    // SAFETY: ours, and the call of the hook that runs.
    unsafe {
        let texts = lock(&state(host).texts);
        let index = (sid as usize).checked_sub(1);
        index.and_then(|index| texts.get(index)).map_or(abi::Str::EMPTY, |text| keep_text(call, text.as_bytes()))
    }
}

unsafe extern "C" fn find(host: *const abi::Host, _: *const abi::Call, wanted: abi::Str) -> abi::Sid {
    // SAFETY: ours, and a text of the caller.
    unsafe {
        let wanted = wanted.text().unwrap_or_default();
        let index = lock(&state(host).texts).iter().position(|known| known == wanted);
        index.filter(|_| !wanted.is_empty()).map_or(0, |index| index as abi::Sid + 1)
    }
}

unsafe extern "C" fn get(
    host: *const abi::Host,
    call: *const abi::Call,
    query: *const abi::Query,
    out: *mut *const abi::Object,
) -> abi::Code {
    // SAFETY: arguments of the header's contract.
    unsafe {
        let found = select(state(host), call, &*query);
        *out = found.first().map_or(std::ptr::null(), |first| keep(call, std::slice::from_ref(first)));
    }
    abi::OK
}

unsafe extern "C" fn list(
    host: *const abi::Host,
    call: *const abi::Call,
    query: *const abi::Query,
    out: *mut *const abi::Object,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: arguments of the header's contract.
    unsafe {
        let found = select(state(host), call, &*query);
        *n = found.len() as u64;
        *out = keep(call, &found);
    }
    abi::OK
}

unsafe extern "C" fn resources(
    host: *const abi::Host,
    call: *const abi::Call,
    out: *mut *const abi::Resource,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: arguments of the header's contract.
    unsafe {
        let cluster = lock(&state(host).cluster);
        let told = |(resource, namespaced): (Resource<'_>, bool)| {
            let [group, version, plural, kind] = [resource.group, resource.version, resource.resource, resource.kind]
                .map(|text| keep_text(call, text.as_bytes()));
            let scope = if namespaced { abi::RESOURCE_NAMESPACED } else { 0 };
            abi::Resource {
                size: abi::size_of_u32::<abi::Resource>(),
                flags: abi::RESOURCE_DELETABLE | abi::RESOURCE_COLLECTION | scope,
                group,
                version,
                resource: plural,
                kind,
            }
        };
        let all: Vec<abi::Resource> = cluster.served().map(told).collect();
        *n = all.len() as u64;
        *out = keep(call, &all);
    }
    abi::OK
}

/// # Safety
/// `call` is that of the hook that runs; the query's texts are valid.
unsafe fn select(state: &State, call: *const abi::Call, query: &abi::Query) -> Vec<abi::Object> {
    // SAFETY: promised by the caller.
    let text = |s: abi::Str| unsafe { s.text() }.unwrap_or_default();
    let cluster = lock(&state.cluster);
    let matches = |object: &Value| {
        let at = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let owned = || {
            object
                .pointer("/metadata/ownerReferences")
                .and_then(Value::as_array)
                .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == text(query.owner_uid)))
        };
        (query.ns.is_empty() || at("/metadata/namespace") == text(query.ns))
            && (query.name.is_empty() || at("/metadata/name") == text(query.name))
            && (query.owner_uid.is_empty() || owned())
            && (query.index_path.is_empty()
                || at(&format!("/{}", text(query.index_path).replace('.', "/"))) == text(query.index_value))
            && labels_match(object.pointer("/metadata/labels"), text(query.label_selector))
    };
    cluster
        .list(text(query.group), text(query.resource))
        .filter(|(_, object)| matches(object))
        // SAFETY: promised by the caller.
        .map(|(resource, object)| unsafe { raw_object(call, &resource, object) })
        .collect()
}

/// Equalities, `k in (a,b)`, `k` and `!k`: what tests of controllers use.
fn labels_match(labels: Option<&Value>, selector: &str) -> bool {
    let value_of = |key: &str| labels.and_then(|l| l.get(key.trim())).and_then(Value::as_str);
    split_requirements(selector).into_iter().filter(|r| !r.is_empty()).all(|requirement| {
        if let Some((key, values)) = requirement.split_once(" in (") {
            return value_of(key).is_some_and(|v| values.trim_end_matches(')').split(',').any(|w| w.trim() == v));
        }
        if let Some((key, value)) = requirement.split_once("!=") {
            return value_of(key) != Some(value.trim());
        }
        if let Some((key, value)) = requirement.split_once('=') {
            return value_of(key) == Some(value.trim_start_matches('=').trim());
        }
        match requirement.strip_prefix('!') {
            Some(key) => value_of(key).is_none(),
            None => value_of(requirement).is_some(),
        }
    })
}

fn split_requirements(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = selector.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

/// # Safety
/// `call` is that of the hook that runs.
unsafe fn raw_object(call: *const abi::Call, resource: &Resource<'_>, object: &Value) -> abi::Object {
    // SAFETY: promised by the caller.
    let text = |text: &str| unsafe { keep_text(call, text.as_bytes()) };
    let at = |pointer: &str| text(object.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    abi::Object {
        size: abi::size_of_u32::<abi::Object>(),
        flags: 0,
        group: text(resource.group),
        version: text(resource.version),
        resource: text(resource.resource),
        kind: text(resource.kind),
        ns: at("/metadata/namespace"),
        name: at("/metadata/name"),
        uid: at("/metadata/uid"),
        resource_version: at("/metadata/resourceVersion"),
        json: text(&object.to_string()),
    }
}

/// # Safety
/// `call` is that of the hook that runs.
unsafe fn keep_text(call: *const abi::Call, bytes: &[u8]) -> abi::Str {
    // SAFETY: promised by the caller.
    abi::Str { p: unsafe { keep(call, bytes) }, n: bytes.len() as u64 }
}

/// # Safety
/// `call` is that of the hook that runs.
unsafe fn keep<T: Copy>(call: *const abi::Call, items: &[T]) -> *const T {
    // SAFETY: the arena of a FakeHost's call; chunks are aligned to 64.
    unsafe {
        let memory = arena_alloc((*call).arena, size_of_val(items) as u64, 64).cast::<T>();
        std::ptr::copy_nonoverlapping(items.as_ptr(), memory, items.len());
        memory
    }
}
