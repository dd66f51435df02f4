//! The C functions of the `gantry.sched` interfaces for a [`Scheduler`].

use std::{ffi::c_void, marker::PhantomData};

use gantry_abi as abi;

use super::{ClusterEvent, Hooks, Nodes, Permit, Pod, PreFiltered, Scheduler, Scored};
use crate::{
    Failure,
    export::role::{self, Role},
    instance::{Constant, guarded, slot},
};

/// What a plugin says about each candidate; all fit until refused. Positions are those of [`Nodes::selected`].
pub struct Verdicts<'o> {
    codes: &'o mut [u8],
    reasons: &'o mut [u16],
    texts: Vec<String>,
}

/// What was said about one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Fits,
    Unschedulable(String),
    Unresolvable(String),
}

impl<'o> Verdicts<'o> {
    /// All fit. The slices have an element per candidate, all 0.
    pub(crate) fn new(codes: &'o mut [u8], reasons: &'o mut [u16]) -> Self {
        Self { codes, reasons, texts: Vec::new() }
    }

    pub(crate) fn into_list(self) -> Vec<Verdict> {
        let text = |reason: u16| self.texts[usize::from(reason)].clone();
        let verdict = |(code, reason): (&u8, &u16)| match abi::Code::from(*code) {
            abi::UNSCHEDULABLE => Verdict::Unschedulable(text(*reason)),
            abi::UNRESOLVABLE => Verdict::Unresolvable(text(*reason)),
            _ => Verdict::Fits,
        };
        self.codes.iter().zip(&*self.reasons).map(verdict).collect()
    }

    /// The node cannot take the pod as things stand; fewer pods on it might help. Lines of `reason` count each by itself.
    pub fn unschedulable(&mut self, position: usize, reason: &str) {
        self.refuse(position, abi::UNSCHEDULABLE as u8, reason);
    }

    /// The node cannot take the pod, and removing pods would not help.
    pub fn unresolvable(&mut self, position: usize, reason: &str) {
        self.refuse(position, abi::UNRESOLVABLE as u8, reason);
    }

    fn refuse(&mut self, position: usize, code: u8, reason: &str) {
        // Few different reasons, many nodes.
        let index = self.texts.iter().position(|text| text == reason).unwrap_or_else(|| {
            self.texts.push(reason.to_owned());
            self.texts.len() - 1
        });
        self.codes[position] = code;
        self.reasons[position] = index as u16;
    }
}

struct Shim<P>(PhantomData<P>);

const ENTRIES: [(&str, Hooks); 6] = [
    (abi::SCHED_CYCLE, Hooks(0)),
    (abi::SCHED_ENQUEUE, Hooks::ENQUEUE),
    (abi::SCHED_FILTER, Hooks::FILTER),
    (abi::SCHED_SCORE, Hooks::SCORE),
    (abi::SCHED_BIND, Hooks::BIND),
    (abi::SCHED_EVENTS, Hooks::EVENTS),
];

/// The interfaces of `hooks`, and how many they are.
const fn interfaces(hooks: Hooks) -> ([&'static str; 6], usize) {
    let (mut found, mut n, mut i) = ([""; 6], 0, 0);
    while i < ENTRIES.len() {
        if hooks.has(ENTRIES[i].1) {
            found[n] = ENTRIES[i].0;
            n += 1;
        }
        i += 1;
    }
    (found, n)
}

impl<P: Scheduler> Role<P> for role::Scheduler {
    const INTERFACES: &'static [&'static str] = Shim::<P>::INTERFACES.0.split_at(Shim::<P>::INTERFACES.1).0;
    const COLUMNS: &'static [&'static str] = P::COLUMNS;

    fn find(id: &str) -> Option<*const c_void> {
        if !<Self as Role<P>>::INTERFACES.contains(&id) {
            return None;
        }
        match id {
            abi::SCHED_CYCLE => Some(std::ptr::from_ref(&Shim::<P>::CYCLE).cast()),
            abi::SCHED_ENQUEUE => Some(std::ptr::from_ref(&Shim::<P>::ENQUEUE).cast()),
            abi::SCHED_FILTER => Some(std::ptr::from_ref(&Shim::<P>::FILTER).cast()),
            abi::SCHED_SCORE => Some(std::ptr::from_ref(&Shim::<P>::SCORE).cast()),
            abi::SCHED_BIND => Some(std::ptr::from_ref(&Shim::<P>::BIND).cast()),
            abi::SCHED_EVENTS => Some(std::ptr::from_ref(&Shim::<P>::EVENTS).cast()),
            _ => None,
        }
    }
}

impl<P: Scheduler> Shim<P> {
    const INTERFACES: &'static ([&'static str; 6], usize) = &interfaces(P::HOOKS);
    const CYCLE: abi::SchedCycleV1 = abi::SchedCycleV1 {
        size: abi::size_of_u32::<abi::SchedCycleV1>(),
        flags: 0,
        begin: Some(begin::<P>),
        clone: Some(clone::<P>),
        end: Some(end::<P>),
    };
    const ENQUEUE: abi::SchedEnqueueV1 = abi::SchedEnqueueV1 {
        size: abi::size_of_u32::<abi::SchedEnqueueV1>(),
        flags: 0,
        pre_enqueue: Some(pre_enqueue::<P>),
    };
    const FILTER: abi::SchedFilterV1 = abi::SchedFilterV1 {
        size: abi::size_of_u32::<abi::SchedFilterV1>(),
        flags: 0,
        pre_filter: Some(pre_filter::<P>),
        filter: Some(filter::<P>),
        pods_changed: Some(pods_changed::<P>),
    };
    const SCORE: abi::SchedScoreV1 = abi::SchedScoreV1 {
        size: abi::size_of_u32::<abi::SchedScoreV1>(),
        flags: 0,
        score: Some(score::<P>),
        normalize: Some(normalize::<P>),
    };
    const BIND: abi::SchedBindV1 = abi::SchedBindV1 {
        size: abi::size_of_u32::<abi::SchedBindV1>(),
        flags: 0,
        reserve: Some(reserve::<P>),
        unreserve: Some(unreserve::<P>),
        permit: Some(permit::<P>),
        pre_bind: Some(pre_bind::<P>),
        post_bind: Some(post_bind::<P>),
    };
    const EVENTS: abi::SchedEventsV1 = abi::SchedEventsV1 {
        size: abi::size_of_u32::<abi::SchedEventsV1>(),
        flags: 0,
        events: Some(events::<P>),
        hint: Some(hint::<P>),
    };
}

const BAD_POD: Failure = Failure::invalid("the host sent a malformed pod");
const BAD_NODES: Failure = Failure::invalid("the host sent a malformed node table");
const BAD_TEXT: Failure = Failure::invalid("the host sent a text that is not UTF-8");

/// # Safety
/// `pod` is the host's for the running hook.
unsafe fn pod_of<'a>(pod: *const abi::Pod) -> Result<Pod<'a>, Failure> {
    // SAFETY: promised by the caller.
    unsafe { Pod::new(pod) }.ok_or(BAD_POD)
}

/// # Safety
/// `nodes` is the host's for the running hook.
unsafe fn nodes_of<'a>(nodes: *const abi::Nodes) -> Result<Nodes<'a>, Failure> {
    // SAFETY: promised by the caller.
    unsafe { Nodes::new(nodes) }.ok_or(BAD_NODES)
}

/// # Safety
/// `state` was made by `begin::<P>` or `clone::<P>`, and no other hook uses it now.
unsafe fn cycle_of<'a, P: Scheduler>(state: *mut c_void) -> &'a mut P::Cycle {
    // SAFETY: promised by the caller.
    unsafe { &mut *state.cast::<P::Cycle>() }
}

unsafe extern "C" fn begin<P: Scheduler>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    _: *const abi::Pod,
    state: *mut *mut c_void,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |_, _| {
            *state = Box::into_raw(Box::new(P::Cycle::default())).cast();
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn clone<P: Scheduler>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    state: *const c_void,
    copy: *mut *mut c_void,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |_, _| {
            *copy = Box::into_raw(Box::new((*state.cast::<P::Cycle>()).clone())).cast();
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn end<P: Scheduler>(_: *mut abi::Instance, state: *mut c_void) {
    let drop_state = || {
        // SAFETY: made by `begin` or `clone`, and this is its last use.
        drop(unsafe { Box::from_raw(state.cast::<P::Cycle>()) });
    };
    // A state whose destructor panics is gone either way.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(drop_state));
}

unsafe extern "C" fn pre_enqueue<P: Scheduler>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    pod: *const abi::Pod,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe { guarded::<P>(instance, call, |plugin, cx| plugin.pre_enqueue(cx, &pod_of(pod)?).map(|()| abi::OK)) }
}

unsafe extern "C" fn pre_filter<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    nodes: *const abi::Nodes,
    rows: *mut *const u32,
    n_rows: *mut u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            match plugin.pre_filter(cx, &pod_of(pod)?, &nodes_of(nodes)?, cycle_of::<P>(state))? {
                PreFiltered::Any => Ok(abi::OK),
                PreFiltered::Skip => Ok(abi::SKIP),
                PreFiltered::Rows(only) => {
                    *rows = cx.keep_slice(&only)?;
                    *n_rows = only.len() as u64;
                    Ok(abi::OK)
                }
            }
        })
    }
}

unsafe extern "C" fn filter<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    nodes: *const abi::Nodes,
    code: *mut u8,
    reason: *mut u16,
    reasons: *mut *const abi::Str,
    n_reasons: *mut u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says; code and reason have an element for each of sel.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let nodes = nodes_of(nodes)?;
            let n = nodes.selected().len();
            let codes = std::slice::from_raw_parts_mut(code, n);
            let indexes = std::slice::from_raw_parts_mut(reason, n);
            let mut verdicts = Verdicts::new(codes, indexes);
            plugin.filter(cx, &pod_of(pod)?, &nodes, cycle_of::<P>(state), &mut verdicts)?;
            let texts = verdicts.texts.iter().map(|text| cx.keep(text)).collect::<Result<Vec<_>, _>>()?;
            *reasons = cx.keep_slice(&texts)?;
            *n_reasons = texts.len() as u64;
            Ok(abi::OK)
        })
    }
}

/// # Safety
/// `pods` points to `n` pods of the host for the running hook.
unsafe fn pods_of<'a>(pods: *const *const abi::Pod, n: u64) -> Result<Vec<Pod<'a>>, Failure> {
    // SAFETY: promised by the caller.
    (0..n as usize).map(|i| unsafe { pod_of(*pods.add(i)) }).collect()
}

unsafe extern "C" fn pods_changed<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    _: *const abi::Pod,
    _: *const abi::Nodes,
    row: u32,
    added: *const *const abi::Pod,
    n_added: u64,
    removed: *const *const abi::Pod,
    n_removed: u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let (added, removed) = (pods_of(added, n_added)?, pods_of(removed, n_removed)?);
            plugin.pods_changed(cx, row, &added, &removed, cycle_of::<P>(state)).map(|()| abi::OK)
        })
    }
}

unsafe extern "C" fn score<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    nodes: *const abi::Nodes,
    score: *mut i64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says; score has an element for each of sel.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let nodes = nodes_of(nodes)?;
            let scores = std::slice::from_raw_parts_mut(score, nodes.selected().len());
            match plugin.score(cx, &pod_of(pod)?, &nodes, cycle_of::<P>(state), scores)? {
                Scored::Yes => Ok(abi::OK),
                Scored::Skip => Ok(abi::SKIP),
            }
        })
    }
}

unsafe extern "C" fn normalize<P: Scheduler>(
    instance: *mut abi::Instance,
    _: *mut c_void,
    call: *const abi::Call,
    _: *const abi::Pod,
    score: *mut i64,
    n: u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, _| {
            plugin.normalize(std::slice::from_raw_parts_mut(score, n as usize));
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn reserve<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    node: abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let node = node.text().ok_or(BAD_TEXT)?;
            plugin.reserve(cx, &pod_of(pod)?, node, cycle_of::<P>(state)).map(|()| abi::OK)
        })
    }
}

unsafe extern "C" fn unreserve<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    node: abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            plugin.unreserve(cx, &pod_of(pod)?, node.text().ok_or(BAD_TEXT)?, cycle_of::<P>(state));
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn permit<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    node: abi::Str,
    wait_ms: *mut u32,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            match plugin.permit(cx, &pod_of(pod)?, node.text().ok_or(BAD_TEXT)?, cycle_of::<P>(state))? {
                Permit::Allow => Ok(abi::OK),
                Permit::Wait(longest) => {
                    *wait_ms = u32::try_from(longest.as_millis()).unwrap_or(u32::MAX);
                    Ok(abi::WAIT)
                }
            }
        })
    }
}

unsafe extern "C" fn pre_bind<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    node: abi::Str,
    patch: *mut abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let wanted = plugin.pre_bind(cx, &pod_of(pod)?, node.text().ok_or(BAD_TEXT)?, cycle_of::<P>(state))?;
            *patch = cx.keep_bytes(&wanted.unwrap_or_default())?;
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn post_bind<P: Scheduler>(
    instance: *mut abi::Instance,
    state: *mut c_void,
    call: *const abi::Call,
    pod: *const abi::Pod,
    node: abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            plugin.post_bind(cx, &pod_of(pod)?, node.text().ok_or(BAD_TEXT)?, cycle_of::<P>(state));
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn events<P: Scheduler>(instance: *mut abi::Instance, n: *mut u64) -> *const abi::Event {
    let raw = |interest: &super::Interest| abi::Event {
        size: abi::size_of_u32::<abi::Event>(),
        actions: interest.actions,
        group: abi::Str::of(interest.group),
        resource: abi::Str::of(interest.resource),
    };
    // SAFETY: an instance of `P`; `n` is writable.
    unsafe {
        let all = slot::<P>(instance).events.get_or_init(|| Constant(P::EVENTS.iter().map(raw).collect()));
        *n = all.0.len() as u64;
        all.0.as_ptr()
    }
}

unsafe extern "C" fn hint<P: Scheduler>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    event: *const abi::Event,
    old: abi::Str,
    new: abi::Str,
    pods: *const *const abi::Pod,
    n: u64,
    queue: *mut u8,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says; queue has `n` elements.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let event = event.as_ref().ok_or(BAD_TEXT)?;
            let event = ClusterEvent {
                group: event.group.text().ok_or(BAD_TEXT)?,
                resource: event.resource.text().ok_or(BAD_TEXT)?,
                actions: event.actions,
                old: old.bytes(),
                new: new.bytes(),
            };
            let mut wanted = vec![true; n as usize];
            plugin.hint(cx, &event, &pods_of(pods, n)?, &mut wanted)?;
            std::slice::from_raw_parts_mut(queue, n as usize)
                .iter_mut()
                .zip(wanted)
                .for_each(|(q, w)| *q = u8::from(w));
            Ok(abi::OK)
        })
    }
}
