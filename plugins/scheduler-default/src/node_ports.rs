//! A port of the node belongs to one pod.

use gantry_plugin::{Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, Verdicts, abi, scheduler::Interest};
use serde::Deserialize;

use crate::{interest, plugin};

pub(crate) struct NodePorts;

plugin!(NodePorts = "NodePorts");

const ANY_ADDRESS: &str = "0.0.0.0";

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    address: String,
    protocol: String,
    port: i64,
}

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    #[serde(default)]
    init_containers: Option<Vec<Container>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    ports: Option<Vec<Port>>,
    #[serde(default)]
    restart_policy: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    #[serde(default)]
    host_port: i64,
    #[serde(default, rename = "hostIP")]
    host_ip: String,
    #[serde(default)]
    protocol: String,
}

fn wanted(pod: &Pod<'_>) -> Result<Vec<Wanted>, Failure> {
    let spec = pod.decode::<Object>()?.spec;
    let sidecars = spec.init_containers.into_iter().flatten().filter(|c| c.restart_policy == "Always");
    let ports = spec.containers.into_iter().chain(sidecars).flat_map(|c| c.ports.unwrap_or_default());
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let want =
        |p: Port| Wanted { address: or(p.host_ip, ANY_ADDRESS), protocol: or(p.protocol, "TCP"), port: p.host_port };
    Ok(ports.filter(|port| port.host_port > 0).map(want).collect())
}

/// `taken`: address, protocol, port.
fn conflicts(cx: &Cx<'_>, wanted: &Wanted, taken: &[i64]) -> bool {
    let text = |sid: i64| cx.text(sid as u32);
    wanted.port == taken[2] && wanted.protocol == text(taken[1]) && {
        let address = text(taken[0]);
        wanted.address == ANY_ADDRESS || address == ANY_ADDRESS || wanted.address == address
    }
}

impl Scheduler for NodePorts {
    type Cycle = Vec<Wanted>;
    const COLUMNS: &'static [&'static str] = &["node.ports", "pod.json"];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::EVENTS);
    const EVENTS: &'static [Interest] = &[interest("nodes", abi::ACTION_ADD), interest("pods", abi::ACTION_DELETE)];

    fn pre_filter(
        &self,
        _: &Cx<'_>,
        pod: &Pod<'_>,
        _: &Nodes<'_>,
        cycle: &mut Vec<Wanted>,
    ) -> Result<PreFiltered, Failure> {
        *cycle = wanted(pod)?;
        Ok(if cycle.is_empty() { PreFiltered::Skip } else { PreFiltered::Any })
    }

    fn filter(
        &self,
        cx: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Vec<Wanted>,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        let taken = nodes.i64_lists(0);
        for (position, row) in nodes.selected().iter().enumerate() {
            let mut ports = taken.row(*row).chunks_exact(3);
            if ports.any(|port| cycle.iter().any(|wanted| conflicts(cx, wanted, port))) {
                verdicts.unschedulable(position, "node(s) didn't have free ports for the requested pod ports");
            }
        }
        Ok(())
    }
}
