//! What a pod asks for as a whole, pod-level resources (KEP-2837) included.

use std::collections::BTreeMap;

use gantry_meta::quantity::{self, Demand, Quantity};
use serde::Deserialize;

/// For spreading, a container that asks for nothing counts as this much.
const NONZERO_CPU_MILLI: i64 = 100;
const NONZERO_MEMORY_BYTES: i64 = 200 << 20;

/// CPU in millicores, everything else in its own unit.
pub(crate) type Amounts = quantity::Amounts<i64>;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Container {
    pub(crate) resources: Resources,
    pub(crate) ports: Option<Vec<Port>>,
    pub(crate) restart_policy: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Resources {
    pub(crate) requests: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Port {
    pub(crate) host_port: i64,
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: String,
    pub(crate) protocol: String,
}

/// The parts of a pod's spec that ask for resources.
pub(crate) struct Asking<'s> {
    pub(crate) containers: &'s [Container],
    pub(crate) init_containers: &'s [Container],
    pub(crate) pod_level: Option<&'s Resources>,
    pub(crate) overhead: Option<&'s BTreeMap<String, String>>,
}

/// What counts for fitting, and what counts for spreading.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Requested {
    pub(crate) amounts: Amounts,
    pub(crate) nonzero_cpu: i64,
    pub(crate) nonzero_memory: i64,
}

/// An amount as the scheduler counts it. What does not parse counts as nothing: the API has refused it before.
pub(crate) fn amount(resource: &str, quantity: &str) -> i64 {
    let quantity = Quantity::parse(quantity).unwrap_or(Quantity::ZERO);
    if resource == "cpu" { quantity.milli() } else { quantity.units() }
}

pub(crate) fn amounts(list: Option<&BTreeMap<String, String>>) -> Amounts {
    list.into_iter().flatten().map(|(resource, quantity)| (resource.clone(), amount(resource, quantity))).collect()
}

pub(crate) fn requested(pod: &Asking<'_>) -> Requested {
    let asked = total(pod, &|container| amounts(container.resources.requests.as_ref()));
    let spread = total(pod, &|container| {
        let mut asked = amounts(container.resources.requests.as_ref());
        for (resource, least) in [("cpu", NONZERO_CPU_MILLI), ("memory", NONZERO_MEMORY_BYTES)] {
            asked.entry(resource.to_owned()).or_insert(least);
        }
        asked
    });
    let of = |resource: &str| spread.get(resource).copied().unwrap_or_default();
    Requested { nonzero_cpu: of("cpu"), nonzero_memory: of("memory"), amounts: asked }
}

/// Containers run at once, init containers one after the other beside the sidecars started before them.
fn total(pod: &Asking<'_>, of: &dyn Fn(&Container) -> Amounts) -> Amounts {
    let mut demand = Demand::default();
    pod.containers.iter().for_each(|container| demand.runs(&of(container)));
    for container in pod.init_containers {
        match container.restart_policy.as_str() {
            "Always" => demand.stays(&of(container)),
            _ => demand.ends(of(container)),
        }
    }
    let mut together = demand.total();
    if let Some(pod_level) = pod.pod_level {
        // What the pod states for itself replaces what its containers add up to.
        together.extend(amounts(pod_level.requests.as_ref()));
    }
    quantity::add_amounts(&mut together, &amounts(pod.overhead));
    together
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn containers(value: serde_json::Value) -> Vec<Container> {
        serde_json::from_value(value).expect("containers")
    }

    fn asks(cpu: &str) -> serde_json::Value {
        json!({"resources": {"requests": {"cpu": cpu}}})
    }

    fn cpu(init: serde_json::Value, pod_level: Option<&str>, overhead: Option<&str>) -> i64 {
        let (containers, init) = (containers(json!([asks("300m"), asks("200m")])), containers(init));
        let map = |cpu: &str| BTreeMap::from([("cpu".to_owned(), cpu.to_owned())]);
        let pod_level = pod_level.map(|cpu| Resources { requests: Some(map(cpu)) });
        let overhead = overhead.map(map);
        let pod = Asking {
            containers: &containers,
            init_containers: &init,
            pod_level: pod_level.as_ref(),
            overhead: overhead.as_ref(),
        };
        requested(&pod).amounts["cpu"]
    }

    #[test]
    fn init_containers_count_by_their_peak_and_sidecars_throughout() {
        let sidecar = json!({"resources": {"requests": {"cpu": "100m"}}, "restartPolicy": "Always"});
        assert_eq!(cpu(json!([]), None, None), 500);
        assert_eq!(cpu(json!([asks("400m")]), None, None), 500, "below the containers' sum");
        assert_eq!(cpu(json!([asks("1")]), None, None), 1000);
        assert_eq!(cpu(json!([sidecar]), None, None), 600);
        assert_eq!(cpu(json!([sidecar, asks("1")]), None, None), 1100, "the sidecar runs beside it");
        assert_eq!(cpu(json!([asks("1"), sidecar]), None, None), 1000, "the sidecar comes later");
    }

    #[test]
    fn pod_level_requests_replace_and_overhead_adds() {
        assert_eq!(cpu(json!([]), Some("2"), None), 2000);
        assert_eq!(cpu(json!([]), None, Some("50m")), 550);
    }

    #[test]
    fn a_container_that_asks_for_nothing_counts_for_spreading_only() {
        let containers = containers(json!([{}]));
        let pod = Asking { containers: &containers, init_containers: &[], pod_level: None, overhead: None };
        let requested = requested(&pod);
        assert!(requested.amounts.is_empty());
        assert_eq!((requested.nonzero_cpu, requested.nonzero_memory), (100, 200 << 20));
    }
}
