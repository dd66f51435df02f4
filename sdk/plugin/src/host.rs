//! The host as a plugin sees it outside of any object: its log.

use std::ffi::c_void;

use gantry_abi as abi;

/// The host that made an instance. Lives as long as the instance.
#[derive(Clone, Copy)]
pub struct HostRef<'a>(pub(crate) &'a abi::Host);

// SAFETY: the header tags query and every host function [any].
unsafe impl Send for HostRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for HostRef<'_> {}

impl<'a> HostRef<'a> {
    /// # Safety
    /// `host` is null or points to a host that outlives `'a`.
    pub(crate) unsafe fn new(host: *const abi::Host) -> Option<Self> {
        // SAFETY: promised by the caller.
        let host = unsafe { host.as_ref()? };
        (host.size >= abi::size_of_u32::<abi::Host>()).then_some(Self(host))
    }

    /// A function table of the host, if it has it and its size covers `T`.
    ///
    /// # Safety
    /// `T` is the table that the header gives for `id`; all tables start with their size.
    pub(crate) unsafe fn table<T>(self, id: &'static str) -> Option<&'a T> {
        let query = self.0.query?;
        // SAFETY: `query` follows the header; a table starts with its size and lives as long as the host.
        unsafe {
            let table: *const c_void = query(self.0, abi::Str::of(id));
            let size = table.cast::<u32>().as_ref()?;
            if *size < abi::size_of_u32::<T>() { None } else { table.cast::<T>().as_ref() }
        }
    }

    pub(crate) fn log(self, call: Option<&'a abi::Call>) -> Log<'a> {
        // SAFETY: the table of that id.
        let table = unsafe { self.table::<abi::HostLogV1>(abi::HOST_LOG) };
        Log { host: self, call, table }
    }

    /// A log outside of calls, for `Plugin::new`.
    pub fn setup_log(self) -> Log<'a> {
        self.log(None)
    }
}

/// How severe a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Level {
    Error = abi::LOG_ERROR,
    Warn = abi::LOG_WARN,
    Info = abi::LOG_INFO,
    Debug = abi::LOG_DEBUG,
}

/// The host's log.
pub struct Log<'a> {
    host: HostRef<'a>,
    call: Option<&'a abi::Call>,
    table: Option<&'a abi::HostLogV1>,
}

impl Log<'_> {
    /// One line with pairs of keys and values. Nothing happens if the host keeps no lines of this level.
    pub fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let Some(table) = self.table else { return };
        let (Some(kept_level), Some(log)) = (table.level, table.log) else { return };
        // SAFETY: functions of the host's table, called as the header says; the texts outlive the call.
        unsafe {
            if kept_level(self.host.0) < level as u32 {
                return;
            }
            let fields: Vec<abi::Str> = fields.iter().flat_map(|(k, v)| [abi::Str::of(k), abi::Str::of(v)]).collect();
            let call = self.call.map_or(std::ptr::null(), std::ptr::from_ref);
            log(self.host.0, call, level as u32, abi::Str::of(message), fields.as_ptr(), fields.len() as u64 / 2);
        }
    }

    pub fn warn(&self, message: &str) {
        self.line(Level::Warn, message, &[]);
    }

    pub fn info(&self, message: &str) {
        self.line(Level::Info, message, &[]);
    }

    pub fn debug(&self, message: &str) {
        self.line(Level::Debug, message, &[]);
    }
}
