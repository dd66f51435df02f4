//! Defaults of pods and of pod templates that depend on more than the tables can say.

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        core_v1::{
            Container, ContainerPort, EphemeralContainer, ImageVolumeSource, Pod, PodSpec, PodTemplateSpec,
            ResourceRequirements,
        },
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::{
    Object, Value,
    quantity::{self, Demand, Quantity},
};

use super::image;

const LIMITS: FieldName = ResourceRequirements::LIMITS;
const REQUESTS: FieldName = ResourceRequirements::REQUESTS;

pub(super) fn container(container: &mut Object) {
    let moves = image::moves(container.text(Container::IMAGE));
    let policy =
        if moves { Container::IMAGE_PULL_POLICY_OF_MOVING_TAG } else { Container::IMAGE_PULL_POLICY_OF_FIXED_TAG };
    container.set_if_absent(Container::IMAGE_PULL_POLICY, policy);
}

pub(super) fn ephemeral_container(container: &mut Object) {
    let policy = match image::moves(container.text(EphemeralContainer::IMAGE)) {
        true => EphemeralContainer::IMAGE_PULL_POLICY_OF_MOVING_TAG,
        false => EphemeralContainer::IMAGE_PULL_POLICY_OF_FIXED_TAG,
    };
    container.set_if_absent(EphemeralContainer::IMAGE_PULL_POLICY, policy);
}

pub(super) fn image_volume_source(source: &mut Object) {
    let policy = match image::moves(source.text(ImageVolumeSource::REFERENCE)) {
        true => ImageVolumeSource::PULL_POLICY_OF_MOVING_TAG,
        false => ImageVolumeSource::PULL_POLICY_OF_FIXED_TAG,
    };
    source.set_if_absent(ImageVolumeSource::PULL_POLICY, policy);
}

/// The old name of the account mirrors the new one, which wins.
pub(super) fn pod_spec(spec: &mut Object) {
    let account = match spec.text(PodSpec::SERVICE_ACCOUNT_NAME) {
        "" => spec.text(PodSpec::SERVICE_ACCOUNT),
        name => name,
    };
    if !account.is_empty() {
        let account = Value::from(account);
        spec.set(PodSpec::SERVICE_ACCOUNT, account.clone());
        spec.set(PodSpec::SERVICE_ACCOUNT_NAME, account);
    }
}

/// Annotations that stood for init containers before there were fields are never kept.
pub(super) fn pod_template_spec(template: &mut Object) {
    let metadata = template.object_mut(PodTemplateSpec::METADATA);
    if let Some(annotations) = metadata.and_then(|metadata| metadata.object_mut(ObjectMeta::ANNOTATIONS)) {
        INIT_CONTAINERS_ANNOTATIONS.iter().for_each(|annotation| _ = annotations.remove(*annotation));
    }
}

const INIT_CONTAINERS_ANNOTATIONS: [&str; 4] = [
    "pod.alpha.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-container-statuses",
    "pod.beta.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
];

/// What holds for pods alone, not for templates.
pub(super) fn pod(pod: &mut Object) {
    pod_template_spec(pod);
    let Some(spec) = pod.made(Pod::SPEC) else { return };
    if spec.int(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS).is_some_and(|seconds| seconds < 0) {
        spec.set(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS, 1);
    }
    let host_network = spec.flag(PodSpec::HOST_NETWORK);
    for list in [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS] {
        for container in spec.objects_mut(list) {
            if let Some(resources) = container.made(Container::RESOURCES) {
                copy_missing(resources, LIMITS, REQUESTS);
            }
            if host_network {
                container.objects_mut(Container::PORTS).for_each(host_port);
            }
        }
    }
    pod_level_resources(spec);
}

fn host_port(port: &mut Object) {
    if let Some(number) = port.member(ContainerPort::CONTAINER_PORT).cloned() {
        // A zero would not be written, so it is no default either.
        if number != 0 {
            port.set_if_absent(ContainerPort::HOST_PORT, number);
        }
    }
}

/// Resources of the pod as a whole, once its limits are given: requests are what the containers ask for, else the limits.
fn pod_level_resources(spec: &mut Object) {
    let Some(resources) = spec.object(PodSpec::RESOURCES) else { return };
    let mut limits = amounts(resources.object(LIMITS));
    let mut requests = amounts(resources.object(REQUESTS));
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    add_huge_pages(&mut limits, &requests, spec);
    if limits.is_empty() {
        return;
    }
    add_requests(&mut requests, &limits, spec);
    if let Some(resources) = spec.made(PodSpec::RESOURCES) {
        write_amounts(resources, LIMITS, limits);
        write_amounts(resources, REQUESTS, requests);
    }
}

/// Huge pages that containers may use and the pod does not ask for.
fn add_huge_pages(limits: &mut Amounts, requests: &Amounts, spec: &Object) {
    for (key, amount) in container_sum(spec, LIMITS) {
        if is_huge_page(&key) && !requests.contains_key(&key) {
            limits.entry(key).or_insert(amount);
        }
    }
}

fn add_requests(requests: &mut Amounts, limits: &Amounts, spec: &Object) {
    for (key, amount) in container_sum(spec, REQUESTS) {
        if is_pod_level(&key) && !is_huge_page(&key) {
            requests.entry(key).or_insert(amount);
        }
    }
    for (key, amount) in limits.iter().filter(|(key, _)| is_pod_level(key)) {
        requests.entry(key.clone()).or_insert(*amount);
    }
}

/// Copies the members of one map that the other lacks.
pub(super) fn copy_missing(parent: &mut Object, from: FieldName, to: FieldName) {
    let Some(source) = parent.object(from).filter(|source| !source.is_empty()).cloned() else { return };
    if let Some(target) = parent.made(to) {
        for (key, value) in source {
            target.entry(key).or_insert(value);
        }
    }
}

fn is_huge_page(key: &str) -> bool {
    key.starts_with("hugepages-")
}

fn is_pod_level(key: &str) -> bool {
    matches!(key, "cpu" | "memory") || is_huge_page(key)
}

type Amounts = quantity::Amounts<Quantity>;

fn amounts(list: Option<&Object>) -> Amounts {
    list.into_iter().flatten().filter_map(|(key, v)| Some((key.clone(), Quantity::parse(v.as_str()?).ok()?))).collect()
}

/// Keeps the spelling of what was given.
fn write_amounts(resources: &mut Object, name: FieldName, amounts: Amounts) {
    if amounts.is_empty() {
        return;
    }
    if let Some(list) = resources.made(name) {
        for (key, amount) in amounts {
            list.entry(key).or_insert_with(|| amount.canonical().into());
        }
    }
}

/// What all containers come to: running ones and sidecars add up, and an init container counts where it alone needs more.
fn container_sum(spec: &Object, name: FieldName) -> Amounts {
    let of = |container: &Object| amounts(container.object(Container::RESOURCES).and_then(|r| r.object(name)));
    let mut demand = Demand::default();
    spec.objects(PodSpec::CONTAINERS).for_each(|container| demand.runs(&of(container)));
    for container in spec.objects(PodSpec::INIT_CONTAINERS) {
        match container.text(Container::RESTART_POLICY) {
            "Always" => demand.stays(&of(container)),
            _ => demand.ends(of(container)),
        }
    }
    demand.total()
}
