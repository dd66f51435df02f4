//! ReplicaSet: as many pods of one template as `spec.replicas` says.

mod rank;
mod scale;
mod status;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Query, Reader, Watch,
    resource::{PODS, REPLICA_SETS},
};

use crate::{
    claim::Claimant,
    model::{Pod, ReplicaSet},
};

/// Named as upstream names it: its events and its account carry the name.
pub struct ReplicaSetController;

impl Plugin for ReplicaSetController {
    const ID: &'static str = "replicaset-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for ReplicaSetController {
    const WATCHES: &'static [Watch] = &[Watch::primary(REPLICA_SETS), Watch::mapped(PODS)];

    /// A pod concerns the ReplicaSet that owns it or did, and an orphan every one that may adopt it.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let mut keys = Vec::new();
        for state in [event.old, event.new].into_iter().flatten() {
            let metadata = state.metadata()?;
            match metadata.controller() {
                Some(owner) if owner.kind == REPLICA_SETS.kind && owner.group() == REPLICA_SETS.group => {
                    keys.push(Key::of(&metadata.namespace, &owner.name));
                }
                Some(_) => {}
                None => {
                    let all = read.list::<ReplicaSet>(&Query::within(&REPLICA_SETS, &metadata.namespace))?;
                    let interested = all.iter().filter(|rs| rs.spec.selector.matches(&metadata.labels));
                    keys.extend(interested.map(|rs| Key::of(&metadata.namespace, &rs.metadata.name)));
                }
            }
        }
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(rs) = read.get::<ReplicaSet>(&REPLICA_SETS, &key.namespace, &key.name)? else {
            return Ok(Outcome::Done);
        };
        let claimant = Claimant { resource: REPLICA_SETS, metadata: &rs.metadata, selector: &rs.spec.selector };
        let mut candidates = read.list::<Pod>(&Query::within(&PODS, &key.namespace).owned_by(&rs.metadata.uid))?;
        let selector = rs.spec.selector.to_string();
        let orphans = read.list::<Pod>(&Query::within(&PODS, &key.namespace).labels(&selector))?;
        candidates.extend(orphans.into_iter().filter(|pod| pod.metadata.controller().is_none() && pod.is_active()));
        let pods = claimant.claim(&PODS, candidates, |pod| &pod.metadata, ops);

        let now = cx.now();
        let outcome = status::report(&rs, &pods, now, ops);
        if !rs.metadata.is_terminating() {
            let active: Vec<&Pod> = pods.iter().filter(|pod| pod.is_active()).collect();
            scale::to_desired(&claimant, &rs, active, ops);
        }
        Ok(outcome)
    }
}
