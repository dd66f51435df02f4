//! Mounts and devices of containers.

use super::volumes::Volumes;
use crate::{
    field::{Causes, Field},
    rules::paths,
};

pub(super) fn volume_mounts(container: &Field<'_>, volumes: &Volumes<'_>, causes: &mut Causes) {
    let (mounts, devices) = (container.member("volumeMounts"), container.member("volumeDevices"));
    let mut seen: Vec<&str> = Vec::new();
    for mount in mounts.items() {
        let (name, path) = (mount.member("name"), mount.member("mountPath"));
        causes.require(&name);
        if volumes.kind_of(name.text()).is_none() {
            causes.not_found(&name);
        }
        causes.require(&path);
        if seen.contains(&path.text()) {
            causes.invalid(&path, "must be unique");
        }
        seen.push(path.text());
        if devices.items().any(|device| device.member("name").text() == name.text()) {
            causes.invalid(&name, "must not already exist in volumeDevices");
        }
        if is_taken(path.text(), &devices, "devicePath") {
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
    paths::local_descending(&at_list("subPath"), causes);
    let expression = mount.member("subPathExpr");
    if !expression.is_empty() {
        if !mount.member("subPath").is_empty() {
            causes.invalid(&expression, "subPathExpr and subPath are mutually exclusive");
        }
        paths::local_descending(&at_list("subPathExpr"), causes);
    }
}

fn propagation<'a>(container: &Field<'_>, mounts: &Field<'a>, mount: &Field<'a>, causes: &mut Causes) {
    let propagation = mount.member("mountPropagation").reported_at(&mounts.member("mountPropagation"));
    if !propagation.is_set() {
        return;
    }
    causes.one_of(&propagation, &["Bidirectional", "HostToContainer", "None"]);
    let privileged = container.member("securityContext").member("privileged").flag();
    if propagation.text() == "Bidirectional" && !privileged {
        causes.forbidden(&propagation, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only<'a>(mounts: &Field<'a>, mount: &Field<'a>, causes: &mut Causes) {
    let recursive = mount.member("recursiveReadOnly").reported_at(&mounts.member("recursiveReadOnly"));
    if !recursive.is_set() {
        return;
    }
    match recursive.text() {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.member("readOnly").flag() {
                causes.forbidden(&recursive, "may only be specified when readOnly is true");
            }
            let propagation = mount.member("mountPropagation");
            if propagation.is_set() && propagation.text() != "None" {
                causes.forbidden(&recursive, "may only be specified when mountPropagation is None or not specified");
            }
        }
        _ => causes.not_supported(&recursive, &["Disabled", "IfPossible", "Enabled"]),
    }
}

pub(super) fn volume_devices(container: &Field<'_>, volumes: &Volumes<'_>, causes: &mut Causes) {
    let (devices, mounts) = (container.member("volumeDevices"), container.member("volumeMounts"));
    let (mut names, mut seen): (Vec<&str>, Vec<&str>) = Default::default();
    for device in devices.items() {
        let (name, path) = (device.member("name"), device.member("devicePath"));
        causes.require(&name);
        if names.contains(&name.text()) {
            causes.invalid(&name, "must be unique");
        }
        match volumes.kind_of(name.text()) {
            None => causes.not_found(&name),
            Some("persistentVolumeClaim" | "ephemeral") => {}
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
        if mounts.items().any(|mount| mount.member("name").text() == name.text()) {
            causes.invalid(&name, "must not already exist in volumeMounts");
        }
        if is_taken(path.text(), &mounts, "mountPath") {
            causes.invalid(&path, "must not already exist as a path in volumeMounts");
        }
        names.push(name.text());
        seen.push(path.text());
    }
}

/// Whether a path is one of the others'. Of those with one name the last counts.
fn is_taken(path: &str, others: &Field<'_>, member: &'static str) -> bool {
    let name = |one: &Field<'_>| one.member("name").text().to_owned();
    let mut same = others.items().filter(|one| one.member(member).text() == path);
    same.any(|one| {
        others.items().rfind(|other| name(other) == name(&one)).is_some_and(|last| last.member(member).text() == path)
    })
}
