//! The `gantry.sched` interfaces.

use std::{ffi::c_void, sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_abi as abi;

use super::{BODY_BYTES_MAX, NAME_BYTES_MAX};
use crate::{
    Plugin,
    call::{CallError, CallSpec, HookError, Running},
    instance::Instance,
    load::COLUMNS,
};

/// The node table, column by column, in the order of [`crate::load::COLUMNS`].
pub trait NodeColumns: Sync {
    fn rows(&self) -> u32;
    fn generation(&self) -> u64;
    /// The column with this index; its pointers live as long as `self` is borrowed.
    fn column(&self, index: usize) -> abi::Col;
}

/// Candidates of a table.
#[derive(Clone, Copy)]
pub struct Selection<'t> {
    pub table: &'t dyn NodeColumns,
    pub rows: &'t [u32],
}

/// A pod as plugins see it.
#[derive(Clone, Debug, Default)]
pub struct PodArg {
    pub uid: String,
    pub namespace: String,
    pub name: String,
    pub scheduler_name: String,
    pub priority: i32,
    pub generation: u64,
    pub requests: Vec<abi::Qty>,
    pub nonzero_cpu: i64,
    pub nonzero_memory: i64,
    pub json: Bytes,
}

impl PodArg {
    fn raw(&self, with_json: bool) -> abi::Pod {
        abi::Pod {
            size: abi::size_of_u32::<abi::Pod>(),
            priority: self.priority,
            generation: self.generation,
            uid: abi::Str::of(&self.uid),
            ns: abi::Str::of(&self.namespace),
            name: abi::Str::of(&self.name),
            scheduler_name: abi::Str::of(&self.scheduler_name),
            requests: self.requests.as_ptr(),
            n_requests: self.requests.len() as u64,
            nonzero_cpu: self.nonzero_cpu,
            nonzero_memory: self.nonzero_memory,
            json: if with_json { abi::Str::of_bytes(&self.json) } else { abi::Str::EMPTY },
        }
    }
}

/// What `pre_filter` found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PreFilter {
    Any,
    Skip,
    Rows(Vec<u32>),
}

/// What `filter` found, per candidate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filtered {
    /// `GANTRY_OK`, `GANTRY_UNSCHEDULABLE` or `GANTRY_UNRESOLVABLE`.
    pub codes: Vec<u8>,
    /// Index into `reasons` where the code is not OK.
    pub reason: Vec<u16>,
    pub reasons: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PermitAnswer {
    Allow,
    Wait(Duration),
}

/// Events that may help pods which the plugin refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interest {
    pub group: String,
    pub resource: String,
    pub actions: u32,
}

/// One pod's way through one plugin. All hooks of a cycle go to one instance.
pub struct SchedulerCycle {
    plugin: Arc<Plugin>,
    instance: Arc<Instance>,
    state: *mut c_void,
}

// SAFETY: the header: [cycle] hooks may run on any thread, one at a time, which `&mut self` sees to.
unsafe impl Send for SchedulerCycle {}

impl Drop for SchedulerCycle {
    fn drop(&mut self) {
        if let Some(end) = self.instance.tables.cycle.and_then(|table| table.end)
            && !self.state.is_null()
        {
            // SAFETY: the state of this instance, used for the last time.
            unsafe { end(self.instance.raw(), self.state) };
        }
    }
}

/// The columns that a plugin declared, out of all there are.
fn columns_of(plugin: &Plugin, table: &dyn NodeColumns) -> Vec<abi::Col> {
    let none = abi::Col { kind: 0, reserved: 0, data: std::ptr::null(), spans: std::ptr::null(), n_data: 0 };
    let find = |name: &String| COLUMNS.iter().position(|(known, kind)| known == name && *kind != 0);
    plugin.manifest().columns.iter().map(|name| find(name).map_or(none, |index| table.column(index))).collect()
}

fn raw_nodes(columns: &[abi::Col], selection: &Selection<'_>) -> abi::Nodes {
    abi::Nodes {
        size: abi::size_of_u32::<abi::Nodes>(),
        n_rows: selection.table.rows(),
        generation: selection.table.generation(),
        cols: columns.as_ptr(),
        n_cols: columns.len() as u64,
        sel: selection.rows.as_ptr(),
        n_sel: selection.rows.len() as u64,
    }
}

const NO_CYCLE: HookError = HookError::Unsupported(abi::SCHED_CYCLE);
const NO_FILTER: HookError = HookError::Unsupported(abi::SCHED_FILTER);
const NO_SCORE: HookError = HookError::Unsupported(abi::SCHED_SCORE);
const NO_BIND: HookError = HookError::Unsupported(abi::SCHED_BIND);
const NO_EVENTS: HookError = HookError::Unsupported(abi::SCHED_EVENTS);

impl Plugin {
    fn wants_pod_json(&self) -> bool {
        self.manifest().columns.iter().any(|column| column == "pod.json")
    }

    /// Begins a cycle for a pod.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn scheduler_begin(self: &Arc<Self>, spec: &CallSpec<'_>, pod: &PodArg) -> Result<SchedulerCycle, CallError> {
        let instance = self.admit()?;
        let raw = pod.raw(self.wants_pod_json());
        let state = self.call_on(&instance, spec, |running| {
            let begin = running.instance.tables.cycle.and_then(|t| t.begin).ok_or(NO_CYCLE)?;
            let mut state = std::ptr::null_mut();
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { begin(running.raw(), running.call, &raw, &mut state) })?;
            // Not `Send`, but only carried into the cycle, which is.
            Ok(state as usize)
        })?;
        Ok(SchedulerCycle { plugin: self.clone(), instance, state: state as *mut c_void })
    }

    /// Whether the pod may enter the queue; a refusal is [`CallError::Refused`].
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn scheduler_pre_enqueue(&self, spec: &CallSpec<'_>, pod: &PodArg) -> Result<(), CallError> {
        let raw = pod.raw(self.wants_pod_json());
        self.call(spec, |running| {
            let Some(pre_enqueue) = running.instance.tables.enqueue.and_then(|t| t.pre_enqueue) else { return Ok(()) };
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { pre_enqueue(running.raw(), running.call, &raw) })
        })
    }

    /// Which events may help pods that the plugin refused.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn scheduler_events(&self, spec: &CallSpec<'_>) -> Result<Vec<Interest>, CallError> {
        self.call(spec, |running| {
            let events = running.instance.tables.events.and_then(|t| t.events).ok_or(NO_EVENTS)?;
            let mut n = 0;
            // SAFETY: an instance of this plugin.
            let first = unsafe { events(running.raw(), &mut n) };
            let text = |text| running.text(text, NAME_BYTES_MAX, "an event");
            let copy = |event: &abi::Event| {
                Ok(Interest { group: text(event.group)?, resource: text(event.resource)?, actions: event.actions })
            };
            running.elements(first, n, 1000, "events")?.iter().map(copy).collect()
        })
    }

    /// Which of the pods that the plugin refused are worth another try after an event.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn scheduler_hint(
        &self,
        spec: &CallSpec<'_>,
        event: &Interest,
        old: &[u8],
        new: &[u8],
        pods: &[&PodArg],
    ) -> Result<Vec<bool>, CallError> {
        let with_json = self.wants_pod_json();
        let raw: Vec<abi::Pod> = pods.iter().map(|pod| pod.raw(with_json)).collect();
        let pointers: Vec<*const abi::Pod> = raw.iter().map(std::ptr::from_ref).collect();
        let event = abi::Event {
            size: abi::size_of_u32::<abi::Event>(),
            actions: event.actions,
            group: abi::Str::of(&event.group),
            resource: abi::Str::of(&event.resource),
        };
        self.call(spec, |running| {
            let hint = running.instance.tables.events.and_then(|t| t.hint).ok_or(NO_EVENTS)?;
            let mut queue = vec![1u8; raw.len()];
            let (old, new, n) = (abi::Str::of_bytes(old), abi::Str::of_bytes(new), raw.len() as u64);
            // SAFETY: arguments of the header's contract, which outlive the call; `queue` has `n` elements.
            let code = unsafe {
                hint(running.raw(), running.call, &event, old, new, pointers.as_ptr(), n, queue.as_mut_ptr())
            };
            running.expect_ok(code)?;
            Ok(queue.into_iter().map(|wanted| wanted != 0).collect())
        })
    }
}

impl SchedulerCycle {
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    pub fn has_filter(&self) -> bool {
        self.instance.tables.filter.is_some()
    }

    pub fn has_score(&self) -> bool {
        self.instance.tables.score.is_some()
    }

    pub fn has_bind(&self) -> bool {
        self.instance.tables.bind.is_some()
    }

    /// Looks at the pod as a whole; that no node will do is [`CallError::Refused`].
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn pre_filter(
        &mut self,
        spec: &CallSpec<'_>,
        pod: &PodArg,
        nodes: &Selection<'_>,
    ) -> Result<PreFilter, CallError> {
        let raw = pod.raw(self.plugin.wants_pod_json());
        let columns = columns_of(&self.plugin, nodes.table);
        let table = raw_nodes(&columns, nodes);
        let state = self.state;
        self.plugin.call_on(&self.instance, spec, |running| {
            let Some(pre_filter) = running.instance.tables.filter.ok_or(NO_FILTER)?.pre_filter else {
                return Ok(PreFilter::Any);
            };
            let (mut rows, mut n_rows) = (std::ptr::null(), abi::ALL_ROWS);
            // SAFETY: arguments of the header's contract, which outlive the call.
            match unsafe { pre_filter(running.raw(), state, running.call, &raw, &table, &mut rows, &mut n_rows) } {
                abi::OK if n_rows == abi::ALL_ROWS => Ok(PreFilter::Any),
                abi::OK => only_rows(running, rows, n_rows, nodes).map(PreFilter::Rows),
                abi::SKIP => Ok(PreFilter::Skip),
                code => Err(HookError::Code(code)),
            }
        })
    }

    /// Judges the candidates.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn filter(&mut self, spec: &CallSpec<'_>, pod: &PodArg, nodes: &Selection<'_>) -> Result<Filtered, CallError> {
        let raw = pod.raw(self.plugin.wants_pod_json());
        let columns = columns_of(&self.plugin, nodes.table);
        let table = raw_nodes(&columns, nodes);
        let state = self.state;
        self.plugin.call_on(&self.instance, spec, |running| {
            let n = nodes.rows.len();
            let (mut codes, mut reason) = (vec![abi::OK as u8; n], vec![0u16; n]);
            let (mut first, mut n_reasons) = (std::ptr::null(), 0);
            let Some(filter) = running.instance.tables.filter.ok_or(NO_FILTER)?.filter else {
                return Ok(Filtered { codes, reason, reasons: Vec::new() });
            };
            // SAFETY: arguments of the header's contract, which outlive the call; an element per candidate.
            let code = unsafe {
                let (codes, reason) = (codes.as_mut_ptr(), reason.as_mut_ptr());
                filter(running.raw(), state, running.call, &raw, &table, codes, reason, &mut first, &mut n_reasons)
            };
            running.expect_ok(code)?;
            let reasons = running.plain(first, n_reasons, u64::from(u16::MAX), "reasons")?;
            let reasons =
                reasons.iter().map(|r| running.text(*r, NAME_BYTES_MAX, "a reason")).collect::<Result<Vec<_>, _>>()?;
            check_verdicts(&codes, &reason, reasons.len())?;
            Ok(Filtered { codes, reason, reasons })
        })
    }

    /// Scores of the candidates, 0 to 100; `None`: all alike.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn score(
        &mut self,
        spec: &CallSpec<'_>,
        pod: &PodArg,
        nodes: &Selection<'_>,
    ) -> Result<Option<Vec<i64>>, CallError> {
        let raw = pod.raw(self.plugin.wants_pod_json());
        let columns = columns_of(&self.plugin, nodes.table);
        let table = raw_nodes(&columns, nodes);
        let state = self.state;
        self.plugin.call_on(&self.instance, spec, |running| {
            let hooks = running.instance.tables.score.ok_or(NO_SCORE)?;
            let mut scores = vec![0i64; nodes.rows.len()];
            let score = hooks.score.ok_or(NO_SCORE)?;
            // SAFETY: arguments of the header's contract, which outlive the call; an element per candidate.
            match unsafe { score(running.raw(), state, running.call, &raw, &table, scores.as_mut_ptr()) } {
                abi::OK => {}
                abi::SKIP => return Ok(None),
                code => return Err(HookError::Code(code)),
            }
            if let Some(normalize) = hooks.normalize {
                let n = scores.len() as u64;
                // SAFETY: as above.
                let code = unsafe { normalize(running.raw(), state, running.call, &raw, scores.as_mut_ptr(), n) };
                running.expect_ok(code)?;
            }
            match scores.iter().find(|score| !(0..=abi::SCORE_MAX).contains(*score)) {
                Some(wild) => {
                    Err(HookError::BadResult(format!("the score {wild}, not within 0 to {}", abi::SCORE_MAX)))
                }
                None => Ok(Some(scores)),
            }
        })
    }

    /// The pod is to go to `node`; a refusal is [`CallError::Refused`].
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn reserve(&mut self, spec: &CallSpec<'_>, pod: &PodArg, node: &str) -> Result<(), CallError> {
        self.on_node(spec, pod, node, |table| table.reserve)
    }

    /// It does not go there after all.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn unreserve(&mut self, spec: &CallSpec<'_>, pod: &PodArg, node: &str) -> Result<(), CallError> {
        self.on_node(spec, pod, node, |table| table.unreserve)
    }

    /// The binding stands.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn post_bind(&mut self, spec: &CallSpec<'_>, pod: &PodArg, node: &str) -> Result<(), CallError> {
        self.on_node(spec, pod, node, |table| table.post_bind)
    }

    fn on_node(
        &mut self,
        spec: &CallSpec<'_>,
        pod: &PodArg,
        node: &str,
        hook: impl FnOnce(&'static abi::SchedBindV1) -> Option<abi::OnNodeFn>,
    ) -> Result<(), CallError> {
        let raw = pod.raw(self.plugin.wants_pod_json());
        let state = self.state;
        self.plugin.call_on(&self.instance, spec, |running| {
            let Some(hook) = hook(running.instance.tables.bind.ok_or(NO_BIND)?) else { return Ok(()) };
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { hook(running.raw(), state, running.call, &raw, abi::Str::of(node)) })
        })
    }

    /// Whether the pod may be bound; a refusal is [`CallError::Refused`].
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn permit(&mut self, spec: &CallSpec<'_>, pod: &PodArg, node: &str) -> Result<PermitAnswer, CallError> {
        let raw = pod.raw(self.plugin.wants_pod_json());
        let state = self.state;
        self.plugin.call_on(&self.instance, spec, |running| {
            let Some(permit) = running.instance.tables.bind.ok_or(NO_BIND)?.permit else {
                return Ok(PermitAnswer::Allow);
            };
            let mut wait_ms = 0;
            // SAFETY: arguments of the header's contract, which outlive the call.
            match unsafe { permit(running.raw(), state, running.call, &raw, abi::Str::of(node), &mut wait_ms) } {
                abi::OK => Ok(PermitAnswer::Allow),
                abi::WAIT => Ok(PermitAnswer::Wait(Duration::from_millis(u64::from(wait_ms)))),
                code => Err(HookError::Code(code)),
            }
        })
    }

    /// A merge patch of the pod to write before binding; `None`: nothing.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn pre_bind(&mut self, spec: &CallSpec<'_>, pod: &PodArg, node: &str) -> Result<Option<Vec<u8>>, CallError> {
        let raw = pod.raw(self.plugin.wants_pod_json());
        let state = self.state;
        self.plugin.call_on(&self.instance, spec, |running| {
            let Some(pre_bind) = running.instance.tables.bind.ok_or(NO_BIND)?.pre_bind else { return Ok(None) };
            let mut patch = abi::Str::EMPTY;
            // SAFETY: arguments of the header's contract, which outlive the call.
            let code = unsafe { pre_bind(running.raw(), state, running.call, &raw, abi::Str::of(node), &mut patch) };
            running.expect_ok(code)?;
            let patch = running.bytes(patch, BODY_BYTES_MAX, "a patch")?;
            Ok((!patch.is_empty()).then_some(patch))
        })
    }
}

fn only_rows(running: &Running<'_>, rows: *const u32, n: u64, nodes: &Selection<'_>) -> Result<Vec<u32>, HookError> {
    let rows = running.plain(rows, n, u64::from(nodes.table.rows()), "rows")?;
    match rows.iter().find(|row| **row >= nodes.table.rows()) {
        Some(row) => Err(HookError::BadResult(format!("row {row} of {}", nodes.table.rows()))),
        None => Ok(rows.to_vec()),
    }
}

fn check_verdicts(codes: &[u8], reason: &[u16], n_reasons: usize) -> Result<(), HookError> {
    for (code, reason) in codes.iter().zip(reason) {
        match i32::from(*code) {
            abi::OK => {}
            abi::UNSCHEDULABLE | abi::UNRESOLVABLE if usize::from(*reason) < n_reasons => {}
            abi::UNSCHEDULABLE | abi::UNRESOLVABLE => {
                return Err(HookError::BadResult(format!("reason {reason} of {n_reasons}")));
            }
            other => return Err(HookError::BadResult(format!("the verdict {other}"))),
        }
    }
    Ok(())
}
