//! A node takes a pod only if what is left suffices; among those that do, the emptier is better.

use gantry_plugin::{
    Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, Scored, Sid, Verdicts, abi, scheduler::Interest,
};

use crate::{interest, plugin};

pub(crate) struct ResourcesFit;

plugin!(ResourcesFit = "NodeResourcesFit");

/// Columns 0 to 2 and 4 to 6 belong to these.
const CORE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const ALLOCATABLE: usize = 0;
const ALLOCATABLE_PODS: usize = 3;
const REQUESTED: usize = 4;
const REQUESTED_PODS: usize = 7;
const NONZERO_CPU: usize = 8;
const NONZERO_MEMORY: usize = 9;
const EXTENDED_NAME: usize = 10;
const EXTENDED_ALLOCATABLE: usize = 11;
const EXTENDED_REQUESTED: usize = 12;

/// What the pod wants, zeros left out.
#[derive(Clone, Default)]
pub(crate) struct Cycle {
    /// Index in CORE.
    core: Vec<(usize, i64)>,
    extended: Vec<(Sid, i64)>,
}

/// A resource that does not suffice on a node.
struct Lack<'a> {
    resource: &'a str,
    /// Even an empty node would not do.
    for_good: bool,
}

fn lack<'a>(resource: &'a str, wanted: i64, allocatable: i64, requested: i64) -> Option<Lack<'a>> {
    (wanted > allocatable.saturating_sub(requested)).then_some(Lack { resource, for_good: wanted > allocatable })
}

fn lacks<'a>(cx: &Cx<'a>, nodes: &Nodes<'a>, row: u32, cycle: &Cycle) -> Vec<Lack<'a>> {
    let at = |column: usize| nodes.i64s(column)[row as usize];
    let of_core =
        cycle.core.iter().filter_map(|(i, wanted)| lack(CORE[*i], *wanted, at(ALLOCATABLE + i), at(REQUESTED + i)));
    let names = nodes.sid_lists(EXTENDED_NAME).row(row);
    let of_extended = cycle.extended.iter().filter_map(|(resource, wanted)| {
        let (allocatable, requested) = match names.iter().position(|name| name == resource) {
            Some(i) => {
                let column = |column| nodes.i64_lists(column).row(row)[i];
                (column(EXTENDED_ALLOCATABLE), column(EXTENDED_REQUESTED))
            }
            None => (0, 0),
        };
        lack(cx.text(*resource), *wanted, allocatable, requested)
    });
    of_core.chain(of_extended).collect()
}

impl Scheduler for ResourcesFit {
    type Cycle = Cycle;
    const COLUMNS: &'static [&'static str] = &[
        "allocatable.cpu",
        "allocatable.memory",
        "allocatable.ephemeral-storage",
        "allocatable.pods",
        "requested.cpu",
        "requested.memory",
        "requested.ephemeral-storage",
        "requested.pods",
        "nonzero.cpu",
        "nonzero.memory",
        "extended.name",
        "extended.allocatable",
        "extended.requested",
    ];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::SCORE).and(Hooks::EVENTS);
    const EVENTS: &'static [Interest] = &[
        interest("nodes", abi::ACTION_ADD | abi::ACTION_ALLOCATABLE),
        interest("pods", abi::ACTION_DELETE | abi::ACTION_ALLOCATABLE),
    ];

    fn pre_filter(&self, cx: &Cx<'_>, pod: &Pod<'_>, _: &Nodes<'_>, cycle: &mut Cycle) -> Result<PreFiltered, Failure> {
        for (resource, wanted) in pod.requests().filter(|(_, wanted)| *wanted > 0) {
            match CORE.iter().position(|core| *core == cx.text(resource)) {
                Some(i) => cycle.core.push((i, wanted)),
                None => cycle.extended.push((resource, wanted)),
            }
        }
        Ok(PreFiltered::Any)
    }

    fn filter(
        &self,
        cx: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Cycle,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        let (pods, pods_max) = (nodes.i64s(REQUESTED_PODS), nodes.i64s(ALLOCATABLE_PODS));
        for (position, row) in nodes.selected().iter().enumerate() {
            let full = pods[*row as usize] + 1 > pods_max[*row as usize];
            let lacks = lacks(cx, nodes, *row, cycle);
            if !full && lacks.is_empty() {
                continue;
            }
            let mut reasons: Vec<String> = lacks.iter().map(|lack| format!("Insufficient {}", lack.resource)).collect();
            if full {
                reasons.insert(0, "Too many pods".into());
            }
            if lacks.iter().any(|lack| lack.for_good) {
                verdicts.unresolvable(position, &reasons.join("\n"));
            } else {
                verdicts.unschedulable(position, &reasons.join("\n"));
            }
        }
        Ok(())
    }

    /// LeastAllocated over CPU and memory.
    fn score(
        &self,
        _: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        _: &Cycle,
        scores: &mut [i64],
    ) -> Result<Scored, Failure> {
        let resources =
            [(ALLOCATABLE, NONZERO_CPU, pod.nonzero_cpu), (ALLOCATABLE + 1, NONZERO_MEMORY, pod.nonzero_memory)];
        for (score, row) in scores.iter_mut().zip(nodes.selected()) {
            let free = resources.iter().filter_map(|(allocatable, used, wanted)| {
                let (allocatable, used) = (nodes.i64s(*allocatable)[*row as usize], nodes.i64s(*used)[*row as usize]);
                free_share(allocatable, used.saturating_add(*wanted))
            });
            let (sum, n) = free.fold((0, 0), |(sum, n), share| (sum + share, n + 1));
            *score = if n == 0 { 0 } else { sum / n };
        }
        Ok(Scored::Yes)
    }
}

/// Percent that would be left; `None`: the node has nothing of it at all.
fn free_share(allocatable: i64, used: i64) -> Option<i64> {
    if allocatable <= 0 {
        return None;
    }
    // In 128 bits: bytes times 100 may exceed 64.
    let left = i128::from(allocatable) - i128::from(used);
    Some((left.max(0) * 100 / i128::from(allocatable)) as i64)
}

#[cfg(test)]
mod tests {
    use super::free_share;

    #[test]
    fn the_free_share_is_in_percent_and_never_negative() {
        assert_eq!(free_share(1000, 250), Some(75));
        assert_eq!(free_share(1000, 2000), Some(0));
        assert_eq!(free_share(0, 0), None);
        assert_eq!(free_share(i64::MAX, 0), Some(100));
    }
}
