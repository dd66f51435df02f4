//! ReplicaSet and ReplicationController: as many pods of one template as `spec.replicas` says. The older kind is decided upon as
//! the newer one.

mod rank;
mod scale;
mod status;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Query, Reader, Resource, Watch,
    resource::{PODS, REPLICA_SETS, REPLICATION_CONTROLLERS},
};
use serde::de::DeserializeOwned;

use crate::{
    claim::Claimant,
    model::{Pod, ReplicaSet, ReplicationController},
};

/// Named as upstream names it: its events and its account carry the name.
pub struct ReplicaSetController;

/// Named as upstream names it: its events and its account carry the name.
pub struct ReplicationControllerController;

/// A kind that keeps pods.
trait Replicating: DeserializeOwned + Into<ReplicaSet> {
    const RESOURCE: Resource<'static>;
}

impl Replicating for ReplicaSet {
    const RESOURCE: Resource<'static> = REPLICA_SETS;
}

impl Replicating for ReplicationController {
    const RESOURCE: Resource<'static> = REPLICATION_CONTROLLERS;
}

impl Plugin for ReplicaSetController {
    const ID: &'static str = "replicaset-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Plugin for ReplicationControllerController {
    const ID: &'static str = "replication-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for ReplicaSetController {
    const WATCHES: &'static [Watch] = &[Watch::primary(REPLICA_SETS), Watch::mapped(PODS)];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        keepers::<ReplicaSet>(event, read)
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        keep::<ReplicaSet>(cx, key, read, ops)
    }
}

impl Controller for ReplicationControllerController {
    const WATCHES: &'static [Watch] = &[Watch::primary(REPLICATION_CONTROLLERS), Watch::mapped(PODS)];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        keepers::<ReplicationController>(event, read)
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        keep::<ReplicationController>(cx, key, read, ops)
    }
}

/// A pod concerns the one that owns it or did, and an orphan every one that may adopt it.
fn keepers<K: Replicating>(event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for state in [event.old, event.new].into_iter().flatten() {
        let metadata = state.metadata()?;
        match metadata.controller() {
            Some(owner) if owner.kind == K::RESOURCE.kind && owner.group() == K::RESOURCE.group => {
                keys.push(Key::of(&metadata.namespace, &owner.name));
            }
            Some(_) => {}
            None => {
                let all = read.list::<K>(&Query::within(&K::RESOURCE, &metadata.namespace))?;
                let interested = all.into_iter().map(K::into).filter(|rs| rs.spec.selector.matches(&metadata.labels));
                keys.extend(interested.map(|rs| Key::of(&metadata.namespace, &rs.metadata.name)));
            }
        }
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

fn keep<K: Replicating>(cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
    let Some(object) = read.get::<K>(&K::RESOURCE, &key.namespace, &key.name)? else { return Ok(Outcome::Done) };
    let rs: ReplicaSet = object.into();
    let claimant = Claimant { resource: K::RESOURCE, metadata: &rs.metadata, selector: &rs.spec.selector };
    let mut candidates = read.list::<Pod>(&Query::within(&PODS, &key.namespace).owned_by(&rs.metadata.uid))?;
    let selector = rs.spec.selector.to_string();
    let orphans = read.list::<Pod>(&Query::within(&PODS, &key.namespace).labels(&selector))?;
    candidates.extend(orphans.into_iter().filter(|pod| pod.metadata.controller().is_none() && pod.is_active()));
    let pods = claimant.claim(&PODS, candidates, |pod| &pod.metadata, ops);

    let outcome = status::report(&K::RESOURCE, &rs, &pods, cx.now(), ops);
    if !rs.metadata.is_terminating() {
        let active: Vec<&Pod> = pods.iter().filter(|pod| pod.is_active()).collect();
        scale::to_desired(&claimant, &rs, active, ops);
    }
    Ok(outcome)
}
