//! A pod that names its node goes nowhere else.

use gantry_plugin::{Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, Verdicts, abi, scheduler::Interest};
use serde::Deserialize;

use crate::{interest, plugin};

pub(crate) struct NodeName;

plugin!(NodeName = "NodeName");

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    node_name: String,
}

impl Scheduler for NodeName {
    type Cycle = String;
    const COLUMNS: &'static [&'static str] = &["node.name", "pod.json"];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::EVENTS);
    const EVENTS: &'static [Interest] = &[interest("nodes", abi::ACTION_ADD)];

    fn pre_filter(
        &self,
        _: &Cx<'_>,
        pod: &Pod<'_>,
        _: &Nodes<'_>,
        wanted: &mut String,
    ) -> Result<PreFiltered, Failure> {
        *wanted = pod.decode::<Object>()?.spec.node_name;
        Ok(if wanted.is_empty() { PreFiltered::Skip } else { PreFiltered::Any })
    }

    fn filter(
        &self,
        cx: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        wanted: &String,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        let (names, wanted) = (nodes.sids(0), cx.find(wanted));
        for (position, row) in nodes.selected().iter().enumerate() {
            if Some(names[*row as usize]) != wanted {
                verdicts.unresolvable(position, "node(s) didn't match the requested node name");
            }
        }
        Ok(())
    }
}
