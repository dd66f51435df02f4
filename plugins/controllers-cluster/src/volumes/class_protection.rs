//! A VolumeAttributesClass that is deleted waits, by a finalizer, until no claim and no volume names it.

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Query, Reader, Resource, Watch,
};
use serde::Deserialize;

use super::{CLAIMS, VOLUMES, protection::protect};

pub const CLASSES: Resource<'static> =
    Resource::new("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass");

const FINALIZER: &str = "kubernetes.io/vac-protection";

/// The part of claims and volumes that names classes. Source: API reference, core/v1.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    volume_attributes_class_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    current_volume_attributes_class_name: String,
    modify_volume_status: ModifyVolumeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ModifyVolumeStatus {
    target_volume_attributes_class_name: String,
}

impl User {
    /// The class that it has, that it wants, and that it is being given.
    fn classes(&self) -> impl Iterator<Item = &str> {
        let Status { current_volume_attributes_class_name: has, modify_volume_status: modify } = &self.status;
        let all = [&self.spec.volume_attributes_class_name, has, &modify.target_volume_attributes_class_name];
        all.into_iter().map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// Named as upstream names it: its account carries the name.
pub struct ClassProtection;

impl Plugin for ClassProtection {
    const ID: &'static str = "volumeattributesclass-protection-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for ClassProtection {
    const WATCHES: &'static [Watch] = &[Watch::primary(CLASSES), Watch::mapped(CLAIMS), Watch::mapped(VOLUMES)];

    /// What goes or changes may have been the last to name its classes.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, _: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let Some(before) = event.old else { return Ok(Vec::new()) };
        let user: User = before.decode()?;
        Ok(user.classes().map(|class| Key::of("", class)).collect())
    }

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(object) = read.find(&CLASSES, "", &key.name)? else { return Ok(Outcome::Done) };
        let in_use = object.metadata()?.is_terminating() && is_named(&key.name, read)?;
        protect(&object, FINALIZER, in_use, ops)?;
        Ok(Outcome::Done)
    }
}

fn is_named(class: &str, read: &Reader<'_>) -> Result<bool, Failure> {
    for resource in [&CLAIMS, &VOLUMES] {
        let users = read.list::<User>(&Query::all(resource))?;
        if users.iter().any(|user| user.classes().any(|name| name == class)) {
            return Ok(true);
        }
    }
    Ok(false)
}
