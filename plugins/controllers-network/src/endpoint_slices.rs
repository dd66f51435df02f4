//! EndpointSlice: the pods behind a service, at most 100 a slice. Source: KEP-752.

use std::collections::BTreeMap;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Reader, Watch,
    resource::{ENDPOINT_SLICES, NODES, PODS, SERVICES},
};
use jiff::Timestamp;

use crate::{
    backends::{self, Backend},
    model::{EndpointPort, HEADLESS, LAST_CHANGE_TRIGGER_TIME, Service},
    slices::{self, Conditions, Endpoint, Slice, Wanted},
};

const CONTROLLER: &str = "endpointslice-controller.k8s.io";
const MAX_ENDPOINTS: usize = 100;

impl Endpoint {
    fn of(backend: &Backend) -> Self {
        Self {
            addresses: vec![backend.ip.clone()],
            conditions: Conditions {
                ready: backend.ready,
                serving: Some(backend.serving),
                terminating: Some(backend.terminating),
            },
            hostname: backend.hostname.clone(),
            node_name: backend.node_name.clone(),
            target_ref: Some(backend.target.clone()),
            zone: backend.zone.clone(),
        }
    }

    fn pod_uid(&self) -> &str {
        self.target_ref.as_ref().map(|t| t.uid.as_str()).unwrap_or_default()
    }
}

/// Named as upstream names it: its events and its account carry the name.
pub struct EndpointSliceController;

impl Plugin for EndpointSliceController {
    const ID: &'static str = "endpointslice-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for EndpointSliceController {
    const WATCHES: &'static [Watch] =
        &[Watch::primary(SERVICES), Watch::mapped(PODS), Watch::mapped(NODES), Watch::owned(ENDPOINT_SLICES, SERVICES)];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        match event.latest().map(|o| o.resource.kind) {
            Some("Node") => backends::services_of_node(event, read),
            _ => backends::services_of_pod(event, read),
        }
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(service) = read.get::<Service>(&SERVICES, &key.namespace, &key.name)? else {
            return Ok(Outcome::Done);
        };
        if service.metadata.is_terminating() || service.spec.kind == "ExternalName" || service.spec.selector.is_empty()
        {
            return Ok(Outcome::Done);
        }
        let slices = Slice::kept_by(CONTROLLER, key, read)?;
        let backends = backends::find(&service, read)?;
        let changed = backends.iter().filter_map(|b| b.changed).max();
        let plan = plan(&slices, &backends);
        write(&service, &slices, plan, changed.unwrap_or(cx.now()), ops);
        Ok(Outcome::Done)
    }
}

/// What a slice shall hold. `of`: the slice that is there, by index.
struct Planned {
    of: Option<usize>,
    ports: Vec<EndpointPort>,
    endpoints: Vec<Endpoint>,
}

/// Fills slices so that as few as possible change: endpoints stay where they are, new ones go where there is room.
fn plan(slices: &[Slice], backends: &[Backend]) -> Vec<Planned> {
    let mut by_ports: BTreeMap<&[EndpointPort], Vec<Endpoint>> = BTreeMap::new();
    for backend in backends {
        by_ports.entry(&backend.ports).or_default().push(Endpoint::of(backend));
    }
    let mut planned = Vec::new();
    for (ports, endpoints) in by_ports {
        planned.extend(plan_for_ports(slices, ports, endpoints));
    }
    if planned.is_empty() {
        // A service without endpoints keeps one empty slice.
        let placeholder = slices.iter().position(|s| s.ports.as_ref().is_none_or(Vec::is_empty));
        planned.push(Planned {
            of: placeholder.or((!slices.is_empty()).then_some(0)),
            ports: Vec::new(),
            endpoints: Vec::new(),
        });
    }
    planned
}

fn plan_for_ports(slices: &[Slice], ports: &[EndpointPort], mut wanted: Vec<Endpoint>) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    for (index, slice) in slices.iter().enumerate().filter(|(_, s)| same_ports(s, ports)) {
        let here = |e: &Endpoint| slice.endpoints.iter().flatten().any(|old| old.pod_uid() == e.pod_uid());
        let (kept, rest) = wanted.into_iter().partition(here);
        wanted = rest;
        planned.push(Planned { of: Some(index), ports: ports.to_vec(), endpoints: kept });
    }
    for endpoint in wanted {
        match planned.iter_mut().find(|p| p.endpoints.len() < MAX_ENDPOINTS) {
            Some(roomy) => roomy.endpoints.push(endpoint),
            None => planned.push(Planned { of: None, ports: ports.to_vec(), endpoints: vec![endpoint] }),
        }
    }
    planned.retain(|p| !p.endpoints.is_empty());
    // The placeholder of a service that had no endpoints becomes its first slice.
    let free = slices.iter().position(|s| s.ports.as_ref().is_none_or(Vec::is_empty) && !ports.is_empty());
    if let (Some(free), Some(new)) = (free, planned.iter_mut().find(|p| p.of.is_none())) {
        new.of = Some(free);
    }
    planned
}

fn same_ports(slice: &Slice, ports: &[EndpointPort]) -> bool {
    let (mut a, mut b) = (slice.ports.clone().unwrap_or_default(), ports.to_vec());
    a.sort();
    b.sort();
    a == b && !a.is_empty()
}

fn write(service: &Service, slices: &[Slice], plan: Vec<Planned>, changed: Timestamp, ops: &mut Ops) {
    let labels = labels(service);
    let mut kept = vec![false; slices.len()];
    for planned in plan {
        let existing = planned.of.filter(|of| !std::mem::replace(&mut kept[*of], true)).map(|of| &slices[of]);
        if existing.is_none_or(|slice| !is_as(slice, &planned, &labels)) {
            let changed = changed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let wanted = Wanted {
                owner_kind: "Service",
                owner: &service.metadata,
                labels: &labels,
                annotations: BTreeMap::from([(LAST_CHANGE_TRIGGER_TIME.into(), changed)]),
                address_type: existing.map_or("IPv4", |slice| slice.address_type.as_str()),
                endpoints: &planned.endpoints,
                ports: &planned.ports,
            };
            wanted.put(existing, ops);
        }
    }
    slices.iter().zip(kept).filter(|(_, kept)| !kept).for_each(|(slice, _)| slice.delete(ops));
}

fn is_as(slice: &Slice, planned: &Planned, labels: &BTreeMap<String, String>) -> bool {
    slice.endpoints.as_deref().unwrap_or_default() == planned.endpoints
        && slice.ports.as_deref().unwrap_or_default() == planned.ports
        && slice.metadata.labels == *labels
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = slices::labels(CONTROLLER, &service.metadata);
    if service.is_headless() {
        labels.insert(HEADLESS.into(), String::new());
    } else {
        labels.remove(HEADLESS);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetRef;

    fn backend(n: usize, port: i64) -> Backend {
        let ports = vec![EndpointPort { port, protocol: "TCP".into(), ..Default::default() }];
        Backend {
            ip: format!("10.0.{}.{}", n / 250, n % 250),
            ready: true,
            serving: true,
            terminating: false,
            node_name: "a".into(),
            zone: String::new(),
            hostname: String::new(),
            target: TargetRef { uid: n.to_string(), ..Default::default() },
            ports,
            changed: None,
        }
    }

    fn slice_of(planned: &Planned) -> Slice {
        Slice { endpoints: Some(planned.endpoints.clone()), ports: Some(planned.ports.clone()), ..Default::default() }
    }

    #[test]
    fn slices_hold_a_hundred_and_endpoints_stay_where_they_are() {
        let mut backends: Vec<Backend> = (0..150).map(|n| backend(n, 80)).collect();
        let first = plan(&[], &backends);
        assert_eq!(first.iter().map(|p| p.endpoints.len()).collect::<Vec<_>>(), [100, 50]);
        let slices: Vec<Slice> = first.iter().map(slice_of).collect();
        backends.remove(0);
        backends.push(backend(900, 80));
        let second = plan(&slices, &backends);
        assert_eq!(second.iter().map(|p| p.endpoints.len()).collect::<Vec<_>>(), [100, 50]);
        assert!(is_as(&slices[1], &second[1], &BTreeMap::new()), "only the slice with room changed");
    }

    #[test]
    fn pods_with_other_ports_go_to_another_slice() {
        let planned = plan(&[], &[backend(1, 80), backend(2, 81), backend(3, 80)]);
        assert_eq!(planned.len(), 2);
    }

    #[test]
    fn a_service_without_pods_keeps_one_empty_slice_and_fills_it_later() {
        let empty = plan(&[], &[]);
        assert_eq!((empty.len(), empty[0].endpoints.len()), (1, 0));
        let filled = plan(&[slice_of(&empty[0])], &[backend(1, 80)]);
        assert_eq!(filled[0].of, Some(0));
    }
}
