//! Persistent volumes and claims: protected while in use, and offered while unclaimed. Binding claims to volumes is not
//! done here yet.

mod binder;
mod class_protection;
mod protection;

pub use binder::PersistentVolumeBinder;
pub use class_protection::{CLASSES, ClassProtection};
pub use protection::{ClaimProtection, VolumeProtection};

use gantry_plugin::{Metadata, Resource};
use serde::Deserialize;

pub const VOLUMES: Resource<'static> = Resource::new("", "v1", "persistentvolumes", "PersistentVolume");
pub const CLAIMS: Resource<'static> = Resource::new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");

/// Source: API reference, core/v1 PersistentVolume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Volume {
    metadata: Metadata,
    spec: VolumeSpec,
    status: Phase,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct VolumeSpec {
    claim_ref: Option<ClaimRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ClaimRef {
    uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Phase {
    phase: String,
}
