//! Warnings about objects that are accepted: deprecated or questionable parts.

use gantry_meta::{Object, Value};

use crate::{
    Resource,
    field::{Field, Root},
    kinds::{persistent_volume_claim::CLASS_ANNOTATION, pod},
    rules::resources::amount,
};

/// What a write of `object` should be warned about. Pods are written often and by machines: they warn on create only.
pub(crate) fn warnings(resource: Resource<'_>, object: &Object, old: Option<&Object>) -> Vec<String> {
    let (root, mut found) = (Root(object), Vec::new());
    // A template is warned about when it, or what is wanted of it, changes.
    let same = old.is_some_and(|old| Root(old).member("metadata").member("generation").value() == generation(root));
    match (resource.group, resource.resource) {
        ("", "pods") if old.is_none() => {
            pod::warnings::warnings(&root.member("metadata"), &root.member("spec"), &mut found);
        }
        ("", "podtemplates" | "replicationcontrollers") | ("apps" | "batch", _) if same => {}
        ("", "podtemplates") => template(&root.member("template"), &mut found),
        ("", "replicationcontrollers") | ("apps", _) | ("batch", "jobs") => {
            template(&root.member("spec").member("template"), &mut found);
        }
        ("batch", "cronjobs") => {
            template(&root.member("spec").member("jobTemplate").member("spec").member("template"), &mut found);
        }
        ("", "services") => service(root, &mut found),
        ("", "endpoints") => {
            found.push("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".into())
        }
        ("", "persistentvolumeclaims") => claim(root, &mut found),
        ("", "persistentvolumes") => volume(root, &mut found),
        ("networking.k8s.io", "ingresses") => annotation(
            root,
            "kubernetes.io/ingress.class",
            "is deprecated, please use 'spec.ingressClassName' instead",
            &mut found,
        ),
        ("", "resourcequotas") if old.is_none() => quota(&root.member("spec").member("hard"), &mut found),
        _ => {}
    }
    found
}

fn generation(root: Root<'_>) -> Option<&Value> {
    root.member("metadata").member("generation").value()
}

fn template(template: &Field<'_>, found: &mut Vec<String>) {
    pod::warnings::warnings(&template.member("metadata"), &template.member("spec"), found);
}

fn annotation(root: Root<'_>, key: &'static str, why: &str, found: &mut Vec<String>) {
    if root.member("metadata").member("annotations").entry(key).is_set() {
        found.push(format!("annotation {key:?} {why}"));
    }
}

fn claim(root: Root<'_>, found: &mut Vec<String>) {
    annotation(root, CLASS_ANNOTATION, "is deprecated, use 'storageClassName' instead", found);
    let resources = root.member("spec").member("resources");
    fractional(&resources.member("requests"), found);
    fractional(&resources.member("limits"), found);
}

/// Parts of a service that have no effect for what it is.
fn service(root: Root<'_>, found: &mut Vec<String>) {
    let spec = root.member("spec");
    let has_addresses = spec.member("externalIPs").items().next().is_some();
    let external_name = spec.member("type").text() == "ExternalName";
    let headless = !external_name && spec.member("clusterIP").text() == "None";
    if headless {
        let affinity = !matches!(spec.member("sessionAffinity").text(), "" | "None");
        let ignored = [
            (!spec.member("loadBalancerIP").is_empty(), "loadBalancerIP"),
            (has_addresses, "externalIPs"),
            (affinity, "SessionAffinity"),
        ];
        let ignored = ignored.into_iter().filter(|(given, _)| *given);
        found.extend(ignored.map(|(_, member)| format!("spec.{member} is ignored for headless services")));
    }
    if has_addresses && external_name {
        found.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    } else if has_addresses && !headless {
        found.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".into());
    }
    if !external_name && !spec.member("externalName").is_empty() {
        found.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec.member("trafficDistribution").text() == "PreferClose" {
        found.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
}

/// Bytes come whole.
fn fractional(amounts: &Field<'_>, found: &mut Vec<String>) {
    let of_bytes = |name: &str| name == "storage" || name.ends_with("memory") || name.ends_with("storage");
    for (name, field) in amounts.entries().filter(|(name, _)| of_bytes(name)) {
        if amount(&field).is_some_and(|bytes| !bytes.is_integer()) {
            found.push(format!("{}: fractional byte value of {name} is invalid, must be an integer", field.path()));
        }
    }
}

/// A quota that allows more to be asked for than to be had.
fn quota(hard: &Field<'_>, found: &mut Vec<String>) {
    for (requests, bare, limits) in [
        ("requests.cpu", Some("cpu"), "limits.cpu"),
        ("requests.memory", Some("memory"), "limits.memory"),
        ("requests.storage", None, "limits.storage"),
        ("requests.ephemeral-storage", None, "limits.ephemeral-storage"),
    ] {
        let asked = std::iter::once(requests).chain(bare).map(|name| (name, hard.entry(name)));
        let Some((name, field)) = asked.into_iter().find(|(_, field)| field.is_set()) else { continue };
        let limit = hard.entry(limits);
        if let (Some(request), Some(most)) = (amount(&field), amount(&limit))
            && request > most
        {
            let (request, most) = (field.text(), limit.text());
            found.push(format!("ResourceQuota {name} ({request}) should be less than {limits} ({most})"));
        }
    }
}

fn volume(root: Root<'_>, found: &mut Vec<String>) {
    annotation(root, CLASS_ANNOTATION, "is deprecated, use 'storageClassName' instead", found);
    annotation(root, "volume.beta.kubernetes.io/mount-options", "is deprecated, use 'mountOptions' instead", found);
    let spec = root.member("spec");
    if spec.member("persistentVolumeReclaimPolicy").text() == "Recycle" {
        found.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".into());
    }
    for (source, since) in pod::warnings::OLD_SOURCES {
        if spec.member(source).is_set() {
            found.push(format!("spec.{source}: {since}"));
        }
    }
}
