//! The C functions of `gantry.ctl.reconcile/1` for a [`Controller`].

use std::{ffi::c_void, marker::PhantomData, mem};

use gantry_abi as abi;

use super::{Controller, Event, Key, Op, Ops, Outcome, RawWatches, Reader};
use crate::{
    Cx, Failure, Obj,
    export::role::{self, Role},
    instance::{guarded, slot, strided},
};

impl<P: Controller> Role<P> for role::Controller {
    const INTERFACES: &'static [&'static str] = &[abi::CTL_RECONCILE];
    const COLUMNS: &'static [&'static str] = &[];

    fn find(id: &str) -> Option<*const c_void> {
        (id == abi::CTL_RECONCILE).then(|| std::ptr::from_ref(&Shim::<P>::TABLE).cast())
    }
}

struct Shim<P>(PhantomData<P>);

impl<P: Controller> Shim<P> {
    const TABLE: abi::CtlReconcileV1 = abi::CtlReconcileV1 {
        size: abi::size_of_u32::<abi::CtlReconcileV1>(),
        flags: 0,
        watches: Some(watches::<P>),
        map: Some(map::<P>),
        reconcile: Some(reconcile::<P>),
    };
}

unsafe extern "C" fn watches<P: Controller>(instance: *mut abi::Instance, n: *mut u64) -> *const abi::Watch {
    // SAFETY: an instance of `P`; `n` is writable.
    unsafe {
        let all = slot::<P>(instance).watches.get_or_init(|| RawWatches::of(P::WATCHES)).as_slice();
        *n = all.len() as u64;
        all.as_ptr()
    }
}

unsafe extern "C" fn map<P: Controller>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    watch: u64,
    old: *const abi::Object,
    new: *const abi::Object,
    keys: *mut *const abi::Key,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let event = Event { watch: watch as usize, old: object(old)?, new: object(new)? };
            let found = plugin.map(cx, &event, &Reader::new(cx))?;
            let raw = found.iter().map(|key| keep_key(cx, key)).collect::<Result<Vec<_>, _>>()?;
            *keys = cx.keep_slice(&raw)?;
            *n = raw.len() as u64;
            Ok(abi::OK)
        })
    }
}

/// # Safety
/// `raw` is null or an object that lives for `'a`.
unsafe fn object<'a>(raw: *const abi::Object) -> Result<Option<Obj<'a>>, Failure> {
    // SAFETY: promised by the caller.
    unsafe { raw.as_ref().map(|raw| Obj::from_raw(raw).ok_or(NOT_TEXT)).transpose() }
}

unsafe extern "C" fn reconcile<P: Controller>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    work: *const abi::Work,
    n: u64,
    out: *mut abi::Outcome,
    ops: *mut *const abi::Op,
    n_ops: *mut u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let mut planned = Vec::new();
            let read = Reader::new(cx);
            let all = strided(work, n).ok_or(OLD_HOST)?;
            for (i, work) in all.enumerate() {
                *out.add(i) = reconcile_one(plugin, cx, work, &read, &mut planned)?;
            }
            *ops = cx.keep_slice(&planned)?;
            *n_ops = planned.len() as u64;
            Ok(abi::OK)
        })
    }
}

/// # Safety
/// The texts of `work` are the host's.
unsafe fn reconcile_one<P: Controller>(
    plugin: &P,
    cx: &Cx<'_>,
    work: &abi::Work,
    read: &Reader<'_>,
    planned: &mut Vec<abi::Op>,
) -> Result<abi::Outcome, Failure> {
    // SAFETY: promised by the caller.
    let (key, failures) = unsafe {
        let text = |s: abi::Str| s.text().map(str::to_owned).ok_or(NOT_TEXT);
        let key = Key { scope: text(work.key.scope)?, namespace: text(work.key.ns)?, name: text(work.key.name)? };
        (key, work.failures.bytes())
    };
    let failed = if failures.is_empty() { Vec::new() } else { serde_json::from_slice(failures)? };
    let mut ops = Ops::after(work.attempt, failed);
    let outcome = plugin.reconcile(cx, &key, read, &mut ops);
    let outcome = ops.take_broken().map_or(outcome, Err);
    let first_op = planned.len() as u64;
    for op in ops.list() {
        planned.push(keep_op(cx, op)?);
    }
    let (code, requeue_ms, message) = match outcome {
        Ok(Outcome::Done) => (abi::OK, 0, abi::Str::EMPTY),
        // 0 would mean never, so the shortest wait is 1 ms.
        Ok(Outcome::RequeueAfter(wait)) => (abi::OK, (wait.as_millis() as u64).max(1), abi::Str::EMPTY),
        Err(failure) => (abi::ERROR, 0, cx.keep(failure.message())?),
    };
    Ok(abi::Outcome { code, reserved: 0, requeue_ms, first_op, n_ops: ops.list().len() as u64, message })
}

fn keep_key(cx: &Cx<'_>, key: &Key) -> Result<abi::Key, Failure> {
    Ok(abi::Key { scope: cx.keep(&key.scope)?, ns: cx.keep(&key.namespace)?, name: cx.keep(&key.name)? })
}

fn keep_op(cx: &Cx<'_>, op: &Op) -> Result<abi::Op, Failure> {
    Ok(abi::Op {
        size: mem::size_of::<abi::Op>() as u32,
        op: op.verb as u32,
        flags: op.flags | if op.grace_seconds.is_some() { abi::OP_GRACE } else { 0 },
        stage: op.stage,
        group: cx.keep(&op.group)?,
        version: cx.keep(&op.version)?,
        resource: cx.keep(&op.resource)?,
        subresource: cx.keep(&op.subresource)?,
        ns: cx.keep(&op.namespace)?,
        name: cx.keep(&op.name)?,
        expect_uid: cx.keep(&op.expect_uid)?,
        expect_resource_version: cx.keep(&op.expect_resource_version)?,
        body: cx.keep_bytes(&op.body)?,
        propagation: op.propagation as u32,
        after: op.after,
        grace_seconds: op.grace_seconds.unwrap_or_default(),
    })
}

const NOT_TEXT: Failure = Failure::invalid("the host sent a text that is not UTF-8");
const OLD_HOST: Failure = Failure::invalid("the host's structs are older than this ABI");
