//! The phase of volumes that no claim has been bound to.

use gantry_plugin::{Controller, Cx, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Reader, Watch};
use serde_json::{Value, json};

use super::{VOLUMES, Volume};

/// Named as upstream names it: its account carries the name.
pub struct PersistentVolumeBinder;

impl Plugin for PersistentVolumeBinder {
    const ID: &'static str = "persistent-volume-binder";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for PersistentVolumeBinder {
    const WATCHES: &'static [Watch] = &[Watch::primary(VOLUMES)];

    /// A volume that is kept for a claim without being bound to it is Available too.
    fn reconcile(&self, cx: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(object) = read.find(&VOLUMES, "", &key.name)? else { return Ok(Outcome::Done) };
        let volume: Volume = object.decode()?;
        let bound = volume.spec.claim_ref.is_some_and(|claim| !claim.uid.is_empty());
        if bound || volume.metadata.is_terminating() || volume.status.phase == "Available" {
            return Ok(Outcome::Done);
        }
        let now = cx.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut updated: Value = object.decode()?;
        updated["metadata"]["resourceVersion"] = object.resource_version.into();
        updated["status"] = json!({"phase": "Available", "lastPhaseTransitionTime": now});
        ops.update_status(&VOLUMES, "", &key.name, &updated).done();
        Ok(Outcome::Done)
    }
}
