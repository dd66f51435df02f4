//! One pod's way through the plugins, from all nodes to one.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use gantry_plugin_host::{
    CallError, CallSpec, FailurePolicy, HangSignal, PermitAnswer, PodArg, PreFilter, SchedulerCycle, Selection,
    Services,
};

use crate::{profile::Profile, table::NodeTable};

/// A pod and what its cycle looks at. Owned, so that a cycle that hangs keeps nobody waiting.
pub(crate) struct CycleInput {
    pub(crate) pod: PodArg,
    pub(crate) table: Arc<NodeTable>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) budget: Duration,
    pub(crate) hang: HangSignal,
}

/// Why no node takes the pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unfit {
    /// `0/3 nodes are available: ...`
    pub(crate) message: String,
    /// Ids of the plugins that refused it.
    pub(crate) by: HashSet<String>,
}

pub(crate) enum Decision {
    Node {
        name: String,
        /// Those that follow the binding.
        cycles: Vec<SchedulerCycle>,
        /// How long a plugin wants to wait before the binding.
        wait: Option<Duration>,
    },
    Unfit(Unfit),
    /// Nothing was found out about the pod.
    Failed(String),
}

impl From<CallError> for Decision {
    fn from(error: CallError) -> Self {
        Self::Failed(error.to_string())
    }
}

struct Running<'i> {
    input: &'i CycleInput,
    cycles: Vec<(SchedulerCycle, i64)>,
    /// The order of everything that is said about nodes.
    rows: Vec<u32>,
    /// How many nodes gave each reason.
    reasons: BTreeMap<String, usize>,
    by: HashSet<String>,
}

/// Decides about one pod. Runs on a thread that may be given up.
pub(crate) fn run(input: &CycleInput) -> Decision {
    if !input.profile.missing.is_empty() {
        return Decision::Failed(format!("plugins are not loaded: {}", input.profile.missing.join(", ")));
    }
    if input.table.len() == 0 {
        let message = "no nodes available to schedule pods".to_owned();
        return Decision::Unfit(Unfit { message, by: HashSet::new() });
    }
    let rows = (0..input.table.len() as u32).collect();
    let running = Running { input, cycles: Vec::new(), rows, reasons: BTreeMap::new(), by: HashSet::new() };
    running.decide().unwrap_or_else(|refusal| refusal)
}

impl Running<'_> {
    fn decide(mut self) -> Result<Decision, Decision> {
        self.begin()?;
        let filtering = self.pre_filter()?;
        self.filter(&filtering)?;
        if self.rows.is_empty() {
            return Err(self.unfit());
        }
        let row = self.best()?;
        self.settle(row)
    }

    fn begin(&mut self) -> Result<(), Decision> {
        for one in &self.input.profile.plugins {
            match one.plugin.scheduler_begin(&spec_of(self.input), &self.input.pod) {
                Ok(cycle) => self.cycles.push((cycle, one.weight)),
                Err(_) if one.plugin.failure_policy() == FailurePolicy::FailOpen => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Which cycles have something to say in `filter`.
    fn pre_filter(&mut self) -> Result<Vec<bool>, Decision> {
        let mut filtering = Vec::new();
        for i in 0..self.cycles.len() {
            if !self.cycles[i].0.has_filter() {
                filtering.push(false);
                continue;
            }
            let nodes = Selection { table: &*self.input.table, rows: &self.rows };
            let spec = spec_of(self.input);
            match self.cycles[i].0.pre_filter(&spec, &self.input.pod, &nodes) {
                Ok(PreFilter::Any) => filtering.push(true),
                Ok(PreFilter::Skip) => filtering.push(false),
                Ok(PreFilter::Rows(only)) => {
                    self.keep_only(i, &only);
                    filtering.push(true);
                }
                Err(CallError::Refused { code, message }) if is_verdict(code) => {
                    self.by.insert(self.cycles[i].0.plugin().id().to_owned());
                    let message = format!("0/{} nodes are available: {message}.", self.input.table.len());
                    return Err(Decision::Unfit(Unfit { message, by: std::mem::take(&mut self.by) }));
                }
                Err(error) => filtering.push(self.tolerate(i, error)?),
            }
        }
        Ok(filtering)
    }

    fn keep_only(&mut self, cycle: usize, only: &[u32]) {
        let before = self.rows.len();
        let only: HashSet<u32> = only.iter().copied().collect();
        self.rows.retain(|row| only.contains(row));
        let out = before - self.rows.len();
        if out > 0 {
            let id = self.cycles[cycle].0.plugin().id().to_owned();
            *self.reasons.entry(format!("node(s) didn't satisfy plugin(s) [{id}]")).or_default() += out;
            self.by.insert(id);
        }
    }

    fn filter(&mut self, filtering: &[bool]) -> Result<(), Decision> {
        for i in (0..self.cycles.len()).filter(|i| filtering[*i]) {
            if self.rows.is_empty() {
                return Ok(());
            }
            let nodes = Selection { table: &*self.input.table, rows: &self.rows };
            let spec = spec_of(self.input);
            let filtered = match self.cycles[i].0.filter(&spec, &self.input.pod, &nodes) {
                Ok(filtered) => filtered,
                Err(error) => {
                    self.tolerate(i, error)?;
                    continue;
                }
            };
            let mut verdicts = filtered.codes.iter().zip(&filtered.reason);
            let (reasons, before) = (&mut self.reasons, self.rows.len());
            self.rows.retain(|_| match verdicts.next() {
                Some((code, reason)) if i32::from(*code) != gantry_abi::OK => {
                    for line in filtered.reasons[usize::from(*reason)].lines() {
                        *reasons.entry(line.to_owned()).or_default() += 1;
                    }
                    false
                }
                _ => true,
            });
            if self.rows.len() < before {
                self.by.insert(self.cycles[i].0.plugin().id().to_owned());
            }
        }
        Ok(())
    }

    /// A plugin whose policy is to fail open is left out, which is `Ok(false)`.
    fn tolerate(&self, cycle: usize, error: CallError) -> Result<bool, Decision> {
        match self.cycles[cycle].0.plugin().failure_policy() {
            FailurePolicy::FailOpen => Ok(false),
            FailurePolicy::FailClosed => Err(error.into()),
        }
    }

    fn unfit(mut self) -> Decision {
        let mut lines: Vec<String> = self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        lines.sort();
        let message = format!("0/{} nodes are available: {}.", self.input.table.len(), lines.join(", "));
        Decision::Unfit(Unfit { message, by: std::mem::take(&mut self.by) })
    }

    /// The row with the highest weighted score; among equals one at random.
    fn best(&mut self) -> Result<u32, Decision> {
        if let [only] = self.rows[..] {
            return Ok(only);
        }
        let mut totals = vec![0i64; self.rows.len()];
        for i in 0..self.cycles.len() {
            if !self.cycles[i].0.has_score() {
                continue;
            }
            let nodes = Selection { table: &*self.input.table, rows: &self.rows };
            let spec = spec_of(self.input);
            let weight = self.cycles[i].1;
            match self.cycles[i].0.score(&spec, &self.input.pod, &nodes) {
                Ok(Some(scores)) => totals.iter_mut().zip(scores).for_each(|(total, score)| *total += weight * score),
                Ok(None) => {}
                Err(error) => drop(self.tolerate(i, error)?),
            }
        }
        let best = totals.iter().copied().max().unwrap_or_default();
        let equals: Vec<u32> =
            self.rows.iter().zip(&totals).filter(|(_, total)| **total == best).map(|(row, _)| *row).collect();
        Ok(equals[rand::random_range(0..equals.len())])
    }

    fn settle(mut self, row: u32) -> Result<Decision, Decision> {
        let name = self.input.table.name(row).to_owned();
        let mut cycles: Vec<SchedulerCycle> = std::mem::take(&mut self.cycles)
            .into_iter()
            .map(|(cycle, _)| cycle)
            .filter(SchedulerCycle::has_bind)
            .collect();
        let mut wait = None;
        for i in 0..cycles.len() {
            let spec = spec_of(self.input);
            let answer = cycles[i].reserve(&spec, &self.input.pod, &name);
            let answer = answer.and_then(|()| cycles[i].permit(&spec, &self.input.pod, &name));
            match answer {
                Ok(PermitAnswer::Allow) => {}
                Ok(PermitAnswer::Wait(longest)) => wait = Some(wait.map_or(longest, |w: Duration| w.min(longest))),
                Err(error) => {
                    let id = cycles[i].plugin().id().to_owned();
                    unreserve(&mut cycles[..=i], &spec, &self.input.pod, &name);
                    return Err(match error {
                        CallError::Refused { code, message } if is_verdict(code) => {
                            Decision::Unfit(Unfit { message, by: HashSet::from([id]) })
                        }
                        error => error.into(),
                    });
                }
            }
        }
        Ok(Decision::Node { name, cycles, wait })
    }
}

fn spec_of(input: &CycleInput) -> CallSpec<'_> {
    let services = Services { texts: Some(&input.table.texts), reader: None };
    CallSpec { budget: Some(input.budget), services, hang: Some(input.hang.clone()), ..CallSpec::default() }
}

/// In reverse order of reserving. A plugin that fails here has been noted by its host; there is nothing else to do.
pub(crate) fn unreserve(cycles: &mut [SchedulerCycle], spec: &CallSpec<'_>, pod: &PodArg, node: &str) {
    for cycle in cycles.iter_mut().rev() {
        let _ = cycle.unreserve(spec, pod, node);
    }
}

fn is_verdict(code: gantry_abi::Code) -> bool {
    matches!(code, gantry_abi::UNSCHEDULABLE | gantry_abi::UNRESOLVABLE | gantry_abi::PENDING)
}
