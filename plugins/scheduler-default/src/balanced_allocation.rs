//! Nodes whose CPU and memory are used in equal parts are better: nothing of either is left over.

use gantry_plugin::{Cx, Failure, Hooks, Nodes, Pod, Scheduler, Scored};

use crate::plugin;

pub(crate) struct BalancedAllocation;

plugin!(BalancedAllocation = "NodeResourcesBalancedAllocation");

const RESOURCES: [&str; 2] = ["cpu", "memory"];

impl Scheduler for BalancedAllocation {
    type Cycle = ();
    const COLUMNS: &'static [&'static str] =
        &["allocatable.cpu", "allocatable.memory", "requested.cpu", "requested.memory"];
    const HOOKS: Hooks = Hooks::SCORE;

    fn score(
        &self,
        cx: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        (): &(),
        scores: &mut [i64],
    ) -> Result<Scored, Failure> {
        let wanted = RESOURCES
            .map(|resource| pod.requests().find(|(sid, _)| cx.text(*sid) == resource).map_or(0, |(_, wanted)| wanted));
        if wanted == [0, 0] {
            return Ok(Scored::Skip);
        }
        for (score, row) in scores.iter_mut().zip(nodes.selected()) {
            let share = |i: usize| {
                let at = |column: usize| nodes.i64s(column)[*row as usize];
                used_share(at(i), at(RESOURCES.len() + i).saturating_add(wanted[i]))
            };
            *score = balance(share(0), share(1));
        }
        Ok(Scored::Yes)
    }
}

/// 0 to 1; `None`: the node has nothing of it.
fn used_share(allocatable: i64, used: i64) -> Option<f64> {
    (allocatable > 0).then(|| (used as f64 / allocatable as f64).min(1.0))
}

/// 100 less the standard deviation of the shares, in percent.
fn balance(cpu: Option<f64>, memory: Option<f64>) -> i64 {
    let deviation = match (cpu, memory) {
        (Some(cpu), Some(memory)) => (cpu - memory).abs() / 2.0,
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}

#[cfg(test)]
mod tests {
    use super::{balance, used_share};

    #[test]
    fn equal_shares_are_best() {
        assert_eq!(balance(used_share(1000, 500), used_share(2000, 1000)), 100);
        assert_eq!(balance(used_share(1000, 1000), used_share(1000, 0)), 50);
        assert_eq!(balance(None, used_share(1000, 0)), 100);
    }
}
