//! Conditional defaults of pods and of pod templates.

use super::{Rule, Surroundings, core_group::copy_missing, image, items, member, set_if_absent, text};
use gantry_meta::{Object, Value, quantity::Quantity};
use std::collections::BTreeMap;

pub(super) fn rule(short_name: &str) -> Option<Rule> {
    match short_name {
        "Pod" => Some(pod),
        "PodTemplateSpec" => Some(|template, _| forget_init_containers(template)),
        "PodSpec" => Some(pod_spec),
        "Container" | "EphemeralContainer" => Some(|container, _| pull_policy(container, "image", "imagePullPolicy")),
        "ImageVolumeSource" => Some(|source, _| pull_policy(source, "reference", "pullPolicy")),
        _ => None,
    }
}

fn pull_policy(object: &mut Object, reference: &str, policy: &str) {
    let default = image::pull_policy(text(object, reference));
    set_if_absent(object, policy, default);
}

/// The old name of the account mirrors the new one, which wins.
fn pod_spec(spec: &mut Object, _: &Surroundings) {
    let account = match text(spec, "serviceAccountName") {
        "" => text(spec, "serviceAccount"),
        name => name,
    };
    if !account.is_empty() {
        let account = Value::from(account);
        spec.insert("serviceAccount".to_owned(), account.clone());
        spec.insert("serviceAccountName".to_owned(), account);
    }
}

/// Annotations that stood for init containers before there were fields are never kept.
fn forget_init_containers(parent: &mut Object) {
    let annotations = parent.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        for version in ["alpha", "beta"] {
            annotations.remove(&format!("pod.{version}.kubernetes.io/init-containers"));
            annotations.remove(&format!("pod.{version}.kubernetes.io/init-container-statuses"));
        }
    }
}

/// What holds for pods alone, not for templates.
fn pod(pod: &mut Object, _: &Surroundings) {
    forget_init_containers(pod);
    let Some(spec) = member(pod, "spec") else { return };
    set_if_absent(spec, "enableServiceLinks", true);
    if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|s| s < 0) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
    }
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            if let Some(resources) = member(container, "resources") {
                copy_missing(resources, "limits", "requests");
            }
            if host_network {
                items(container, "ports").for_each(host_port);
            }
        }
    }
    pod_level_resources(spec);
}

fn host_port(port: &mut Object) {
    if let Some(number) = port.get("containerPort").cloned() {
        // A zero would not be written, so it is no default either.
        if number != 0 {
            set_if_absent(port, "hostPort", number);
        }
    }
}

/// Resources of the pod as a whole, once its limits are given: requests are what the containers ask for, else the limits.
fn pod_level_resources(spec: &mut Object) {
    let Some(resources) = spec.get("resources").and_then(Value::as_object) else { return };
    let mut limits = amounts(resources.get("limits"));
    let mut requests = amounts(resources.get("requests"));
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    for (key, amount) in container_sum(spec, "limits") {
        if is_huge_page(&key) && !requests.contains_key(&key) {
            limits.entry(key).or_insert(amount);
        }
    }
    if limits.is_empty() {
        return;
    }
    for (key, amount) in container_sum(spec, "requests") {
        if is_pod_level(&key) && !is_huge_page(&key) {
            requests.entry(key).or_insert(amount);
        }
    }
    for (key, amount) in &limits {
        if is_pod_level(key) {
            requests.entry(key.clone()).or_insert(*amount);
        }
    }
    if let Some(resources) = member(spec, "resources") {
        write_amounts(resources, "limits", limits);
        write_amounts(resources, "requests", requests);
    }
}

fn is_huge_page(key: &str) -> bool {
    key.starts_with("hugepages-")
}

fn is_pod_level(key: &str) -> bool {
    matches!(key, "cpu" | "memory") || is_huge_page(key)
}

type Amounts = BTreeMap<String, Quantity>;

fn amounts(list: Option<&Value>) -> Amounts {
    let members = list.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(key, v)| Some((key.clone(), Quantity::parse(v.as_str()?).ok()?))).collect()
}

/// Keeps the spelling of what was given.
fn write_amounts(resources: &mut Object, name: &str, amounts: Amounts) {
    if amounts.is_empty() {
        return;
    }
    if let Some(list) = member(resources, name) {
        for (key, amount) in amounts {
            list.entry(key).or_insert_with(|| amount.canonical().into());
        }
    }
}

/// What all containers come to: running ones and sidecars add up, and an init container counts where it alone needs more.
fn container_sum(spec: &Object, name: &str) -> Amounts {
    let list = |containers: &str| spec.get(containers).and_then(Value::as_array).into_iter().flatten();
    let of = |container: &Value| amounts(container.get("resources").and_then(|r| r.get(name)));
    let mut sum = Amounts::new();
    list("containers").for_each(|c| add(&mut sum, of(c)));
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in list("initContainers") {
        let own = of(container);
        if container.get("restartPolicy").is_some_and(|p| p == "Always") {
            add(&mut sum, own.clone());
            add(&mut sidecars, own);
            raise(&mut peak, sidecars.clone());
        } else {
            let mut needed = own;
            add(&mut needed, sidecars.clone());
            raise(&mut peak, needed);
        }
    }
    raise(&mut sum, peak);
    sum
}

fn add(sum: &mut Amounts, more: Amounts) {
    for (key, amount) in more {
        let total = sum.get(&key).copied().unwrap_or(Quantity::ZERO).plus(amount);
        sum.insert(key, total);
    }
}

fn raise(sum: &mut Amounts, floor: Amounts) {
    for (key, amount) in floor {
        if sum.get(&key).is_none_or(|held| *held < amount) {
            sum.insert(key, amount);
        }
    }
}
