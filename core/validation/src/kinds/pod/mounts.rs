//! Mounts and devices of containers.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{Container, SecurityContext, Volume, VolumeDevice, VolumeMount},
};

use super::volumes::Volumes;
use crate::{
    field::{Causes, Field},
    rules::paths,
};

pub(super) fn volume_mounts(container: &Field<'_>, volumes: &Volumes<'_>, causes: &mut Causes) {
    let (mounts, devices) = (container.member(Container::VOLUME_MOUNTS), container.member(Container::VOLUME_DEVICES));
    let mut seen: Vec<&str> = Vec::new();
    for mount in mounts.items() {
        let (name, path) = (mount.member(VolumeMount::NAME), mount.member(VolumeMount::MOUNT_PATH));
        causes.require(&name);
        if volumes.kind_of(name.text()).is_none() {
            causes.not_found(&name);
        }
        causes.require(&path);
        if seen.contains(&path.text()) {
            causes.invalid(&path, "must be unique");
        }
        seen.push(path.text());
        if devices.items().any(|device| device.member(VolumeDevice::NAME).text() == name.text()) {
            causes.invalid(&name, "must not already exist in volumeDevices");
        }
        if is_taken(path.text(), &devices, VolumeDevice::DEVICE_PATH) {
            causes.invalid(&path, "must not already exist as a path in volumeDevices");
        }
        sub_paths(&mounts, &mount, causes);
        propagation(container, &mounts, &mount, causes);
        recursive_read_only(&mounts, &mount, causes);
    }
}

/// The reference reports some parts of a mount at the list.
fn sub_paths<'a>(mounts: &Field<'a>, mount: &Field<'a>, causes: &mut Causes) {
    let at_list = |member| mount.member(member).reported_at(&mounts.member(member));
    paths::local_descending(&at_list(VolumeMount::SUB_PATH), causes);
    let expression = mount.member(VolumeMount::SUB_PATH_EXPR);
    if !expression.is_empty() {
        if !mount.member(VolumeMount::SUB_PATH).is_empty() {
            causes.invalid(&expression, "subPathExpr and subPath are mutually exclusive");
        }
        paths::local_descending(&at_list(VolumeMount::SUB_PATH_EXPR), causes);
    }
}

fn propagation<'a>(container: &Field<'_>, mounts: &Field<'a>, mount: &Field<'a>, causes: &mut Causes) {
    let propagation =
        mount.member(VolumeMount::MOUNT_PROPAGATION).reported_at(&mounts.member(VolumeMount::MOUNT_PROPAGATION));
    if !propagation.is_set() {
        return;
    }
    causes.one_of(&propagation, &["Bidirectional", "HostToContainer", "None"]);
    let privileged = container.member(Container::SECURITY_CONTEXT).member(SecurityContext::PRIVILEGED).flag();
    if propagation.text() == "Bidirectional" && !privileged {
        causes.forbidden(&propagation, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only<'a>(mounts: &Field<'a>, mount: &Field<'a>, causes: &mut Causes) {
    let recursive =
        mount.member(VolumeMount::RECURSIVE_READ_ONLY).reported_at(&mounts.member(VolumeMount::RECURSIVE_READ_ONLY));
    if !recursive.is_set() {
        return;
    }
    match recursive.text() {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.member(VolumeMount::READ_ONLY).flag() {
                causes.forbidden(&recursive, "may only be specified when readOnly is true");
            }
            let propagation = mount.member(VolumeMount::MOUNT_PROPAGATION);
            if propagation.is_set() && propagation.text() != "None" {
                causes.forbidden(&recursive, "may only be specified when mountPropagation is None or not specified");
            }
        }
        _ => causes.not_supported(&recursive, &["Disabled", "IfPossible", "Enabled"]),
    }
}

pub(super) fn volume_devices(container: &Field<'_>, volumes: &Volumes<'_>, causes: &mut Causes) {
    let (devices, mounts) = (container.member(Container::VOLUME_DEVICES), container.member(Container::VOLUME_MOUNTS));
    let (mut names, mut seen): (Vec<&str>, Vec<&str>) = Default::default();
    for device in devices.items() {
        let (name, path) = (device.member(VolumeDevice::NAME), device.member(VolumeDevice::DEVICE_PATH));
        causes.require(&name);
        if names.contains(&name.text()) {
            causes.invalid(&name, "must be unique");
        }
        match volumes.kind_of(name.text()) {
            None => causes.not_found(&name),
            Some(Volume::PERSISTENT_VOLUME_CLAIM | Volume::EPHEMERAL) => {}
            Some(_) => {
                causes.invalid(
                    &name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                );
            }
        }
        causes.require(&path);
        if seen.contains(&path.text()) {
            causes.invalid(&path, "must be unique");
        }
        paths::no_backsteps(&path, causes);
        if mounts.items().any(|mount| mount.member(VolumeMount::NAME).text() == name.text()) {
            causes.invalid(&name, "must not already exist in volumeMounts");
        }
        if is_taken(path.text(), &mounts, VolumeMount::MOUNT_PATH) {
            causes.invalid(&path, "must not already exist as a path in volumeMounts");
        }
        names.push(name.text());
        seen.push(path.text());
    }
}

/// Whether a path is one of the others'. Of those with one name the last counts.
fn is_taken(path: &str, others: &Field<'_>, member: FieldName) -> bool {
    let name = |one: &Field<'_>| one.member(VolumeMount::NAME).text().to_owned();
    let mut same = others.items().filter(|one| one.member(member).text() == path);
    same.any(|one| {
        others.items().rfind(|other| name(other) == name(&one)).is_some_and(|last| last.member(member).text() == path)
    })
}
