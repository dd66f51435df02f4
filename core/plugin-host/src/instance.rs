//! A plugin's instance.

use std::{
    ffi::c_void,
    sync::atomic::{AtomicBool, Ordering},
};

use gantry_abi as abi;

use crate::services::HostSide;

/// The tables that an instance offers, asked for once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tables {
    pub(crate) cycle: Option<&'static abi::SchedCycleV1>,
    pub(crate) enqueue: Option<&'static abi::SchedEnqueueV1>,
    pub(crate) filter: Option<&'static abi::SchedFilterV1>,
    pub(crate) score: Option<&'static abi::SchedScoreV1>,
    pub(crate) bind: Option<&'static abi::SchedBindV1>,
    pub(crate) events: Option<&'static abi::SchedEventsV1>,
    pub(crate) reconcile: Option<&'static abi::CtlReconcileV1>,
    pub(crate) service: Option<&'static abi::SvcTypeV1>,
}

/// One created instance. Destroyed when the last call that uses it is over.
pub(crate) struct Instance {
    raw: *mut abi::Instance,
    /// The plugin points to it until `destroy` has returned.
    _host: Box<HostSide>,
    pub(crate) tables: Tables,
    /// A call never came back: the instance is still in use, so it is never destroyed.
    abandoned: AtomicBool,
}

// SAFETY: hooks are [any] or [cycle], and the host keeps the rules of [cycle]; destroy runs when nothing else does.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// # Safety
    /// `raw` was made by the plugin's `create` with `host`.
    ///
    /// # Errors
    /// The instance is malformed.
    pub(crate) unsafe fn adopt(raw: *mut abi::Instance, host: Box<HostSide>) -> Result<Self, &'static str> {
        // SAFETY: promised by the caller; nothing beyond the size is read.
        let head = unsafe { raw.as_ref() }.filter(|head| head.size >= abi::size_of_u32::<abi::Instance>());
        let Some(query) = head.filter(|head| head.destroy.is_some()).and_then(|head| head.query) else {
            return Err("an instance without query or destroy");
        };
        // SAFETY: tables of these ids by the header.
        let tables = unsafe {
            let ask = |id: &'static str| query(raw, abi::Str::of(id));
            Tables {
                cycle: table(ask(abi::SCHED_CYCLE)),
                enqueue: table(ask(abi::SCHED_ENQUEUE)),
                filter: table(ask(abi::SCHED_FILTER)),
                score: table(ask(abi::SCHED_SCORE)),
                bind: table(ask(abi::SCHED_BIND)),
                events: table(ask(abi::SCHED_EVENTS)),
                reconcile: table(ask(abi::CTL_RECONCILE)),
                service: table(ask(abi::SVC_TYPE)),
            }
        };
        Ok(Self { raw, _host: host, tables, abandoned: AtomicBool::new(false) })
    }

    pub(crate) fn raw(&self) -> *mut abi::Instance {
        self.raw
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.abandoned.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: the last user; `adopt` saw that destroy is there.
        unsafe {
            if let Some(destroy) = (*self.raw).destroy {
                destroy(self.raw);
            }
        }
    }
}

/// # Safety
/// `raw` is null or a table of type `T`, which starts with its size and lives as long as the process.
unsafe fn table<T>(raw: *const c_void) -> Option<&'static T> {
    // SAFETY: promised by the caller.
    unsafe {
        raw.cast::<u32>()
            .as_ref()
            .filter(|size| **size >= abi::size_of_u32::<T>())
            .and_then(|_| raw.cast::<T>().as_ref())
    }
}
