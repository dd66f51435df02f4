//! Deployment: moves pods from one template to the next through ReplicaSets.
//!
//! Each reconciliation looks at one [`Rollout`] (a deployment with its ReplicaSets as the caches have them), makes the next
//! move, and reports. The move's events bring the next one.

mod history;
mod new_replica_set;
mod recreate;
mod rolling;
mod scale;
mod status;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Obj, ObjectReference, Ops, Outcome, Plugin, Query, Reader,
    Watch,
    resource::{DEPLOYMENTS, PODS, REPLICA_SETS},
};

use crate::{
    claim::Claimant,
    model::{Deployment, ReplicaSet},
};

/// Named as upstream names it: its events and its account carry the name.
pub struct DeploymentController;

impl Plugin for DeploymentController {
    const ID: &'static str = "deployment-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

/// A deployment and its ReplicaSets: those before the current template, oldest first, and the one of it, if made.
pub struct Rollout {
    pub deployment: Deployment,
    pub old: Vec<ReplicaSet>,
    pub new: Option<ReplicaSet>,
}

impl Rollout {
    fn of(deployment: Deployment, mut sets: Vec<ReplicaSet>) -> Self {
        sets.sort_by(|a, b| {
            let age = |rs: &ReplicaSet| (rs.metadata.creation_timestamp, rs.metadata.name.clone());
            age(a).cmp(&age(b))
        });
        let at = sets.iter().position(|rs| new_replica_set::has_template(rs, &deployment.spec.template));
        let new = at.map(|at| sets.remove(at));
        Self { deployment, old: sets, new }
    }

    pub fn all(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.old.iter().chain(&self.new)
    }

    /// Pods that the ReplicaSets are asked for.
    pub fn desired_pods(&self) -> i64 {
        self.all().map(|rs| rs.spec.replicas).sum()
    }

    pub fn available_pods(&self) -> i64 {
        self.all().map(|rs| rs.status.available_replicas).sum()
    }

    pub fn reference(&self) -> ObjectReference {
        ObjectReference::to(&DEPLOYMENTS, &self.deployment.metadata)
    }
}

impl Controller for DeploymentController {
    const WATCHES: &'static [Watch] = &[Watch::primary(DEPLOYMENTS), Watch::mapped(REPLICA_SETS), Watch::mapped(PODS)];

    /// A ReplicaSet concerns its owner, an orphan every deployment that may adopt it. A pod that is gone concerns the
    /// deployment two owners up, which may wait for it to recreate.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let mut keys = Vec::new();
        for state in [event.old, event.new].into_iter().flatten() {
            match state.resource.kind {
                "Pod" if event.new.is_none() => keys.extend(owner_of_pod(&state, read)?),
                "ReplicaSet" => keys.extend(concerned_by(&state, read)?),
                _ => {}
            }
        }
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(deployment) = read.get::<Deployment>(&DEPLOYMENTS, &key.namespace, &key.name)? else {
            return Ok(Outcome::Done);
        };
        if deployment.spec.selector.is_empty() {
            return Ok(Outcome::Done);
        }
        let claimant =
            Claimant { resource: DEPLOYMENTS, metadata: &deployment.metadata, selector: &deployment.spec.selector };
        let candidates = read.list::<ReplicaSet>(&Query::within(&REPLICA_SETS, &key.namespace))?;
        let sets = claimant.claim(&REPLICA_SETS, candidates, |rs| &rs.metadata, ops);
        let rollout = Rollout::of(deployment, sets);
        step(cx, &rollout, read, ops)
    }
}

/// The next move of a rollout. Annotations come first, alone: moves and report are about the objects that they were read
/// from, and would be refused; the annotations' events bring the round that makes them.
fn step(cx: &Cx<'_>, rollout: &Rollout, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
    let now = cx.now();
    let deployment = &rollout.deployment;
    if deployment.metadata.is_terminating() {
        return Ok(status::report(rollout, now, ops));
    }
    if deployment.spec.paused || scale::is_scaling(rollout) {
        if new_replica_set::follow(rollout, ops) {
            return Ok(Outcome::Done);
        }
        scale::proportionally(rollout, ops);
        history::trim(rollout, ops);
        return Ok(status::report(rollout, now, ops));
    }
    if !deployment.is_rolling() && recreate::must_wait(rollout, read, ops)? {
        return Ok(status::report(rollout, now, ops));
    }
    let Some(new) = &rollout.new else {
        return new_replica_set::create(rollout, read, now, ops);
    };
    if new_replica_set::follow(rollout, ops) {
        return Ok(Outcome::Done);
    }
    if deployment.is_rolling() {
        rolling::step(rollout, new, ops);
    } else {
        scale::to(rollout, new, deployment.spec.replicas, ops);
    }
    if status::is_complete(rollout, &status::observe(rollout)) {
        history::trim(rollout, ops);
    }
    Ok(status::report(rollout, now, ops))
}

fn owner_of_pod(pod: &Obj<'_>, read: &Reader<'_>) -> Result<Option<Key>, Failure> {
    let metadata = pod.metadata()?;
    let Some(owner) = metadata.controller().filter(|o| o.kind == REPLICA_SETS.kind) else { return Ok(None) };
    let Some(set) = read.find(&REPLICA_SETS, &metadata.namespace, &owner.name)? else { return Ok(None) };
    let set = set.metadata()?;
    let deployment = set.controller().filter(|o| o.kind == DEPLOYMENTS.kind);
    Ok(deployment.map(|o| Key::of(&metadata.namespace, &o.name)))
}

fn concerned_by(set: &Obj<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
    let metadata = set.metadata()?;
    match metadata.controller() {
        Some(owner) if owner.kind == DEPLOYMENTS.kind && owner.group() == DEPLOYMENTS.group => {
            Ok(vec![Key::of(&metadata.namespace, &owner.name)])
        }
        Some(_) => Ok(Vec::new()),
        None => {
            let all = read.list::<Deployment>(&Query::within(&DEPLOYMENTS, &metadata.namespace))?;
            let interested = all.iter().filter(|d| d.spec.selector.matches(&metadata.labels));
            Ok(interested.map(|d| Key::of(&metadata.namespace, &d.metadata.name)).collect())
        }
    }
}
