//! What the host offers to plugins, and the C functions through which they reach it.

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use gantry_abi as abi;

use crate::call::Frame;

/// Interned texts of the node table, during scheduler hooks.
pub trait Texts: Sync {
    /// Empty if there is none.
    fn text(&self, sid: abi::Sid) -> &str;
    /// 0 if it is not interned.
    fn find(&self, text: &str) -> abi::Sid;
}

/// A resource's names. `group` is empty for the core group.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ResourceName {
    pub group: Box<str>,
    pub version: Box<str>,
    /// Plural.
    pub resource: Box<str>,
    pub kind: Box<str>,
}

/// An object as plugins see it. Cheap to hand out: a call only counts a reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectRecord {
    pub resource: Arc<ResourceName>,
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    /// With apiVersion, kind and metadata.resourceVersion.
    pub json: Bytes,
}

/// A resource that the API serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServedResource {
    pub name: Arc<ResourceName>,
    pub namespaced: bool,
    pub deletable: bool,
    pub collection: bool,
}

/// `gantry_query` in Rust. Empty texts do not restrict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadQuery<'q> {
    pub live: bool,
    pub metadata_only: bool,
    pub group: &'q str,
    pub version: &'q str,
    pub resource: &'q str,
    pub namespace: &'q str,
    pub name: &'q str,
    pub label_selector: &'q str,
    pub owner_uid: &'q str,
    pub index_path: &'q str,
    pub index_value: &'q str,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadFailure {
    /// The resource or the index is not watched by this controller.
    NotWatched,
    /// The selector does not parse.
    Malformed,
    /// A live read failed.
    Failed(String),
}

/// Objects, during controller hooks.
pub trait ObjectReader: Sync {
    /// # Errors
    /// See [`ReadFailure`].
    fn get(&self, query: &ReadQuery<'_>) -> Result<Option<Arc<ObjectRecord>>, ReadFailure>;

    /// In order of namespace and name.
    ///
    /// # Errors
    /// See [`ReadFailure`].
    fn list(&self, query: &ReadQuery<'_>) -> Result<Vec<Arc<ObjectRecord>>, ReadFailure>;

    fn resources(&self) -> Arc<[ServedResource]>;
}

/// What one call may use.
#[derive(Clone, Copy, Default)]
pub struct Services<'s> {
    pub texts: Option<&'s dyn Texts>,
    pub reader: Option<&'s dyn ObjectReader>,
}

/// The host as one instance sees it; the plugin has a pointer to the first member.
#[repr(C)]
pub(crate) struct HostSide {
    pub(crate) host: abi::Host,
    plugin: Box<str>,
    log: LogBudget,
}

/// So many lines a second; a plugin that floods the log harms only its own lines.
const LOG_LINES_PER_SECOND: u64 = 100;

#[derive(Default)]
struct LogBudget {
    second: AtomicU64,
    lines: AtomicU64,
}

impl LogBudget {
    /// Races between threads at the turn of a second let a few lines more through, no harm.
    fn admits(&self, second: u64) -> bool {
        if self.second.swap(second, Ordering::Relaxed) != second {
            let dropped = self.lines.swap(0, Ordering::Relaxed).saturating_sub(LOG_LINES_PER_SECOND);
            if dropped > 0 {
                tracing::warn!(dropped, "log lines of a plugin were dropped");
            }
        }
        self.lines.fetch_add(1, Ordering::Relaxed) < LOG_LINES_PER_SECOND
    }
}

impl HostSide {
    /// Boxed: the plugin keeps pointers to it.
    pub(crate) fn new(plugin: &str) -> Box<Self> {
        let host = abi::Host {
            size: abi::size_of_u32::<abi::Host>(),
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            ctx: std::ptr::null_mut(),
            query: Some(query),
        };
        Box::new(Self { host, plugin: plugin.into(), log: LogBudget::default() })
    }
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

unsafe extern "C" fn log_level(_: *const abi::Host) -> u32 {
    if tracing::enabled!(tracing::Level::DEBUG) { abi::LOG_DEBUG } else { abi::LOG_INFO }
}

unsafe extern "C" fn log_line(
    host: *const abi::Host,
    call: *const abi::Call,
    level: u32,
    message: abi::Str,
    kv: *const abi::Str,
    n_kv: u64,
) {
    // SAFETY: `host` is the first member of our HostSide; texts and call are the plugin's for this call.
    let (side, message, fields, call_id) = unsafe {
        let side = &*host.cast::<HostSide>();
        let text = |s: abi::Str| String::from_utf8_lossy(s.bytes()).into_owned();
        let pair = |i: usize| format!("{}={}", text(*kv.add(2 * i)), text(*kv.add(2 * i + 1)));
        let fields: Vec<String> = (0..n_kv.min(64) as usize).map(pair).collect();
        (side, text(message), fields.join(" "), call.as_ref().map_or(0, |call| call.call_id))
    };
    if !side.log.admits(crate::clock::unix_seconds()) {
        return;
    }
    let plugin = &*side.plugin;
    match level {
        abi::LOG_ERROR => tracing::error!(plugin, call_id, fields, "{message}"),
        abi::LOG_WARN => tracing::warn!(plugin, call_id, fields, "{message}"),
        abi::LOG_INFO => tracing::info!(plugin, call_id, fields, "{message}"),
        _ => tracing::debug!(plugin, call_id, fields, "{message}"),
    }
}

unsafe extern "C" fn text(_: *const abi::Host, call: *const abi::Call, sid: abi::Sid) -> abi::Str {
    // SAFETY: the call is the one that we gave to the hook which runs.
    let frame = unsafe { Frame::of(call) };
    frame.services.texts.map_or(abi::Str::EMPTY, |texts| abi::Str::of(texts.text(sid)))
}

unsafe extern "C" fn find(_: *const abi::Host, call: *const abi::Call, text: abi::Str) -> abi::Sid {
    // SAFETY: as above; a text of the plugin.
    let (frame, text) = unsafe { (Frame::of(call), text.text()) };
    frame.services.texts.zip(text).map_or(0, |(texts, text)| texts.find(text))
}

unsafe extern "C" fn get(
    _: *const abi::Host,
    call: *const abi::Call,
    query: *const abi::Query,
    out: *mut *const abi::Object,
) -> abi::Code {
    // SAFETY: the call is the one that we gave to the hook which runs; the rest is the plugin's.
    unsafe {
        let frame = Frame::of(call);
        match read(frame, query, |reader, query| reader.get(query).map(Vec::from_iter)) {
            Ok(found) => {
                *out = if found.is_empty() { std::ptr::null() } else { frame.hand_out(found).0 };
                abi::OK
            }
            Err(code) => code,
        }
    }
}

unsafe extern "C" fn list(
    _: *const abi::Host,
    call: *const abi::Call,
    query: *const abi::Query,
    out: *mut *const abi::Object,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: as in `get`.
    unsafe {
        let frame = Frame::of(call);
        match read(frame, query, |reader, query| reader.list(query)) {
            Ok(found) => {
                (*out, *n) = frame.hand_out(found);
                if (*out).is_null() { frame.fail("the call's memory limit is reached") } else { abi::OK }
            }
            Err(code) => code,
        }
    }
}

unsafe extern "C" fn resources(
    _: *const abi::Host,
    call: *const abi::Call,
    out: *mut *const abi::Resource,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: as in `get`.
    let frame = unsafe { Frame::of(call) };
    let Some(reader) = frame.services.reader else { return abi::E_UNSUPPORTED };
    let (first, count) = frame.hand_out_resources(&reader.resources());
    if first.is_null() {
        return frame.fail("the call's memory limit is reached");
    }
    // SAFETY: as in `get`.
    unsafe { (*out, *n) = (first, count) };
    abi::OK
}

type Found = Result<Vec<Arc<ObjectRecord>>, ReadFailure>;

/// # Safety
/// `query` is the plugin's for this call.
unsafe fn read(
    frame: &Frame<'_>,
    query: *const abi::Query,
    ask: impl FnOnce(&dyn ObjectReader, &ReadQuery<'_>) -> Found,
) -> Result<Vec<Arc<ObjectRecord>>, abi::Code> {
    let reader = frame.services.reader.ok_or(abi::E_UNSUPPORTED)?;
    // SAFETY: promised by the caller.
    let query = unsafe { read_query(query) }.ok_or(abi::E_INVALID)?;
    ask(reader, &query).map_err(|failure| match failure {
        ReadFailure::NotWatched => abi::E_UNSUPPORTED,
        ReadFailure::Malformed => abi::E_INVALID,
        ReadFailure::Failed(why) => frame.fail(&why),
    })
}

/// # Safety
/// `raw` is null or a query whose texts live for `'q`.
unsafe fn read_query<'q>(raw: *const abi::Query) -> Option<ReadQuery<'q>> {
    // SAFETY: promised by the caller; nothing beyond the size is read.
    unsafe {
        let raw = raw.as_ref().filter(|raw| raw.size >= abi::size_of_u32::<abi::Query>())?;
        Some(ReadQuery {
            live: raw.flags & abi::READ_LIVE != 0,
            metadata_only: raw.flags & abi::READ_METADATA != 0,
            group: raw.group.text()?,
            version: raw.version.text()?,
            resource: raw.resource.text()?,
            namespace: raw.ns.text()?,
            name: raw.name.text()?,
            label_selector: raw.label_selector.text()?,
            owner_uid: raw.owner_uid.text()?,
            index_path: raw.index_path.text()?,
            index_value: raw.index_value.text()?,
        })
    }
}
