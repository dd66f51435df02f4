//! Environment variables and the fields they may show.

use gantry_kinds::fields::core_v1::{
    Container, EnvFromSource, EnvVar, EnvVarSource, FileKeySelector, ObjectFieldSelector, PodSpec,
    ResourceFieldSelector, SecretEnvSource, SecretKeySelector, Volume,
};

use crate::{
    field::{Causes, Field},
    names::{self, NameRule},
    rules::paths,
};

/// Fields of a pod that an environment variable may show.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a pod that a file of a downward API volume may show.
const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields that can be converted at all; a known but unsuitable one is unsupported, another is invalid.
const KNOWN_FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// A variable's name: printable ASCII but `=`.
fn variable_name(field: &Field<'_>, causes: &mut Causes) {
    if !field.text().bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        causes.invalid(field, "environment variable names must be printable ASCII characters other than '='");
    }
}

pub(super) fn env(variables: &Field<'_>, causes: &mut Causes) {
    for variable in variables.items() {
        let name = variable.member(EnvVar::NAME);
        if causes.require(&name) {
            variable_name(&name, causes);
        }
        let from = variable.member(EnvVar::VALUE_FROM);
        if from.is_set() {
            value_from(&from, !variable.member(EnvVar::VALUE).is_empty(), causes);
        }
    }
}

fn value_from(from: &Field<'_>, has_value: bool, causes: &mut Causes) {
    let field_ref = from.member(EnvVarSource::FIELD_REF);
    if field_ref.is_set() {
        field_selector(&field_ref, &ENV_FIELDS, causes);
    }
    let resource = from.member(EnvVarSource::RESOURCE_FIELD_REF);
    if resource.is_set() {
        resource_selector(&resource, false, causes);
    }
    for reference in [from.member(EnvVarSource::CONFIG_MAP_KEY_REF), from.member(EnvVarSource::SECRET_KEY_REF)] {
        if reference.is_set() {
            key_selector(&reference, causes);
        }
    }
    let file = from.member(EnvVarSource::FILE_KEY_REF);
    if file.is_set() {
        file_key_selector(&file, causes);
    }
    let sources = from.object().map_or(0, |o| o.values().filter(|v| !v.is_null()).count());
    if sources == 0 {
        causes.invalid(from, "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`");
    } else if has_value {
        causes.invalid(from, "may not be specified when `value` is not empty");
    } else if sources > 1 {
        causes.invalid(from, "may not have more than one field specified at a time");
    }
}

fn key_selector(reference: &Field<'_>, causes: &mut Causes) {
    let (name, key) = (reference.member(SecretKeySelector::NAME), reference.member(SecretKeySelector::KEY));
    causes.invalid_each(&name, names::dns_subdomain(name.text()));
    if causes.require(&key) {
        causes.invalid_each(&key, names::config_key(key.text()));
    }
}

fn file_key_selector(file: &Field<'_>, causes: &mut Causes) {
    let (key, volume, path) = (
        file.member(FileKeySelector::KEY),
        file.member(FileKeySelector::VOLUME_NAME),
        file.member(FileKeySelector::PATH),
    );
    if causes.require(&key) {
        variable_name(&key, causes);
    }
    if causes.require(&volume) {
        causes.invalid_each(&volume, names::dns_label(volume.text()));
    }
    if causes.require(&path) {
        paths::no_backsteps(&path, causes);
    }
}

/// Files with variables lie in an empty directory of the pod.
pub(super) fn file_volumes(spec: &Field<'_>, causes: &mut Causes) {
    let volumes = spec.member(PodSpec::VOLUMES);
    for list in [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS, PodSpec::EPHEMERAL_CONTAINERS] {
        let variables = spec.member(list).items().flat_map(|container| container.member(Container::ENV).items());
        for file in variables.map(|variable| variable.member(EnvVar::VALUE_FROM).member(EnvVarSource::FILE_KEY_REF)) {
            let name = file.member(FileKeySelector::VOLUME_NAME);
            match volumes.items().rfind(|volume| volume.member(Volume::NAME).text() == name.text()) {
                _ if !file.is_set() => {}
                None => causes.not_found(&name),
                Some(volume) if !volume.member(Volume::EMPTY_DIR).is_set() => {
                    causes.invalid(&name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    }
}

/// A field of a downward API volume's file.
pub(super) fn volume_field_selector(selector: &Field<'_>, causes: &mut Causes) {
    field_selector(selector, &VOLUME_FIELDS, causes);
}

fn field_selector(selector: &Field<'_>, allowed: &[&str], causes: &mut Causes) {
    let path = selector.member(ObjectFieldSelector::FIELD_PATH);
    let version = selector.member(ObjectFieldSelector::API_VERSION);
    if !causes.require(&version) || !causes.require(&path) {
        return;
    }
    let subscripted = path.text().split_once("['").and_then(|(map, rest)| Some((map, rest.strip_suffix("']")?)));
    match subscripted {
        Some(("metadata.labels", key)) => causes.invalid_each(selector, names::qualified_name(key)),
        Some(("metadata.annotations", key)) => {
            causes.invalid_each(selector, names::qualified_name(&key.to_lowercase()));
        }
        Some(_) => causes.invalid(&path, "does not support subscript"),
        None if version.text() != "v1" => causes.invalid(&path, "is of no known version of pods"),
        None if !KNOWN_FIELDS.contains(&path.text()) => causes.invalid(&path, "field label not supported"),
        None => causes.one_of(&path, allowed),
    }
}

/// A container's resource, in a variable or in a volume's file.
pub(super) fn resource_selector(selector: &Field<'_>, in_volume: bool, causes: &mut Causes) {
    let (container, resource) =
        (selector.member(ResourceFieldSelector::CONTAINER_NAME), selector.member(ResourceFieldSelector::RESOURCE));
    if in_volume && container.is_empty() {
        return causes.required(&container);
    }
    if !causes.require(&resource) {
        return;
    }
    let huge_pages = ["limits.hugepages-", "requests.hugepages-"];
    let of_huge_pages = huge_pages.iter().any(|prefix| resource.text().starts_with(prefix));
    if of_huge_pages || RESOURCES.contains(&resource.text()) {
        divisor(selector, resource.text(), causes);
    } else {
        causes.not_supported(&resource, &RESOURCES);
    }
}

fn divisor(selector: &Field<'_>, resource: &str, causes: &mut Causes) {
    const BYTES: [&str; 13] = ["0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi"];
    let divisor = selector.member(ResourceFieldSelector::DIVISOR);
    let allowed: &[&str] = if resource.ends_with(".cpu") { &["0", "1m", "1"] } else { &BYTES };
    if !divisor.is_empty() && divisor.text() != "1Ei" && !allowed.contains(&divisor.text()) {
        causes.invalid(&divisor, "only divisor's values of whole units and their multiples are supported");
    }
}

pub(super) fn env_from(sources: &Field<'_>, causes: &mut Causes) {
    for source in sources.items() {
        variable_name(&source.member(EnvFromSource::PREFIX), causes);
        let references = [source.member(EnvFromSource::CONFIG_MAP_REF), source.member(EnvFromSource::SECRET_REF)];
        for reference in references.iter().filter(|r| r.is_set()) {
            let name = reference.member(SecretEnvSource::NAME);
            if causes.require(&name) {
                // The reference takes what generated names may begin with.
                causes.invalid_each(&name, NameRule::DnsSubdomain.reasons(name.text(), true));
            }
        }
        match references.iter().filter(|r| r.is_set()).count() {
            0 => causes.invalid(sources, "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => causes.invalid(sources, "may not have more than one field specified at a time"),
        }
    }
}
