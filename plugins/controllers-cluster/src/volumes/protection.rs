//! Volumes and claims that are deleted wait, by a finalizer, until nothing uses them: a volume while it is bound, a claim
//! while a pod with a node names it.

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, Metadata, NoConfig, Obj, Ops, Outcome, Plugin, Query, Reader, Watch,
    resource::PODS,
};
use serde::Deserialize;
use serde_json::Value;

use super::{CLAIMS, VOLUMES, Volume};

const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";
const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";

/// The pod's part that names claims. Source: API reference, core/v1 PodSpec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: String,
    volumes: Vec<PodVolume>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodVolume {
    name: String,
    persistent_volume_claim: Option<ClaimSource>,
    ephemeral: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSource {
    claim_name: String,
}

impl Pod {
    /// Names of claims, those made for the pod's ephemeral volumes too.
    fn claims(&self) -> impl Iterator<Item = String> {
        self.spec.volumes.iter().filter_map(|volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.clone()),
            (None, Some(_)) => Some(format!("{}-{}", self.metadata.name, volume.name)),
            (None, None) => None,
        })
    }
}

/// Puts the finalizer on what lives and takes it off what is deleted and out of use.
pub(super) fn protect(object: &Obj<'_>, finalizer: &str, in_use: bool, ops: &mut Ops) -> Result<(), Failure> {
    let metadata = object.metadata()?;
    let has = metadata.finalizers.iter().any(|f| f == finalizer);
    let mut finalizers = metadata.finalizers.clone();
    match (metadata.is_terminating(), has) {
        (true, true) if !in_use => finalizers.retain(|f| f != finalizer),
        (false, false) => finalizers.push(finalizer.to_owned()),
        _ => return Ok(()),
    }
    let mut updated: Value = object.decode()?;
    updated["metadata"]["resourceVersion"] = object.resource_version.into();
    updated["metadata"]["finalizers"] = finalizers.into();
    ops.update(&object.resource, object.namespace, object.name, &updated).ignore_not_found().done();
    Ok(())
}

/// Named as upstream names it: its account carries the name.
pub struct VolumeProtection;

impl Plugin for VolumeProtection {
    const ID: &'static str = "pv-protection-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for VolumeProtection {
    const WATCHES: &'static [Watch] = &[Watch::primary(VOLUMES)];

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        if let Some(object) = read.find(&VOLUMES, "", &key.name)? {
            let in_use = object.decode::<Volume>()?.status.phase == "Bound";
            protect(&object, VOLUME_FINALIZER, in_use, ops)?;
        }
        Ok(Outcome::Done)
    }
}

/// Named as upstream names it: its account carries the name.
pub struct ClaimProtection;

impl Plugin for ClaimProtection {
    const ID: &'static str = "pvc-protection-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for ClaimProtection {
    const WATCHES: &'static [Watch] = &[Watch::primary(CLAIMS), Watch::mapped(PODS)];

    /// A pod that goes may have been the last to use its claims.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, _: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let Some(gone) = event.old.filter(|_| event.new.is_none()) else { return Ok(Vec::new()) };
        let pod: Pod = gone.decode()?;
        Ok(pod.claims().map(|claim| Key::of(&pod.metadata.namespace, &claim)).collect())
    }

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(object) = read.find(&CLAIMS, &key.namespace, &key.name)? else { return Ok(Outcome::Done) };
        let in_use = object.metadata()?.is_terminating() && is_used(key, read)?;
        protect(&object, CLAIM_FINALIZER, in_use, ops)?;
        Ok(Outcome::Done)
    }
}

/// A pod without a node has not begun to use anything. What the cache does not show the API may: a claim let go too early
/// cannot be had back.
fn is_used(key: &Key, read: &Reader<'_>) -> Result<bool, Failure> {
    let uses = |pods: Vec<Pod>| {
        let mut bound = pods.into_iter().filter(|pod| !pod.spec.node_name.is_empty());
        bound.any(|pod| pod.claims().any(|claim| claim == key.name))
    };
    let pods = Query::within(&PODS, &key.namespace);
    Ok(uses(read.list(&pods)?) || uses(read.list(&pods.live())?))
}
