//! Cordoned nodes take only pods that tolerate it.

use gantry_plugin::{Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, Verdicts, abi, scheduler::Interest};

use crate::{interest, plugin, toleration::tolerations};

pub(crate) struct NodeUnschedulable;

plugin!(NodeUnschedulable = "NodeUnschedulable");

impl Scheduler for NodeUnschedulable {
    type Cycle = ();
    const COLUMNS: &'static [&'static str] = &["node.unschedulable", "pod.json"];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::EVENTS);
    const EVENTS: &'static [Interest] = &[interest("nodes", abi::ACTION_ADD | abi::ACTION_TAINTS)];

    fn pre_filter(&self, _: &Cx<'_>, pod: &Pod<'_>, nodes: &Nodes<'_>, (): &mut ()) -> Result<PreFiltered, Failure> {
        let cordoned = nodes.i64s(0).iter().any(|cordoned| *cordoned != 0);
        let bears = || -> Result<bool, Failure> {
            let mut tolerations = tolerations(pod)?.into_iter();
            Ok(tolerations.any(|t| t.bears("node.kubernetes.io/unschedulable", "", "NoSchedule")))
        };
        Ok(if !cordoned || bears()? { PreFiltered::Skip } else { PreFiltered::Any })
    }

    fn filter(
        &self,
        _: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        (): &(),
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        let cordoned = nodes.i64s(0);
        for (position, row) in nodes.selected().iter().enumerate() {
            if cordoned[*row as usize] != 0 {
                verdicts.unresolvable(position, "node(s) were unschedulable");
            }
        }
        Ok(())
    }
}
