//! Containers, init containers and ephemeral containers: what each list adds to the common rules.

use super::{container, image_is_trimmed, probes, volumes::Volumes};
use crate::field::{Causes, Field};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
/// Fields that an ephemeral container cannot have.
const NOT_EPHEMERAL: [&str; 9] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

pub(super) fn containers(spec: &Field<'_>, volumes: &Volumes<'_>, claims: &[&str], causes: &mut Causes) {
    let list = spec.member("containers");
    if !causes.require(&list) {
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for container in list.items() {
        container::common(&container, spec, volumes, claims, causes);
        unique_name(&container, &mut seen, causes);
        probes::lifecycle(&container.member("lifecycle"), spec, causes);
        probes::of_container(&container, causes);
        restart_policy(&container, causes);
    }
    host_ports(list.items(), causes);
}

pub(super) fn init_containers(spec: &Field<'_>, volumes: &Volumes<'_>, claims: &[&str], causes: &mut Causes) {
    let mut seen: Vec<&str> = spec.member("containers").items().map(|c| c.member("name").text()).collect();
    for container in spec.member("initContainers").items() {
        container::common(&container, spec, volumes, claims, causes);
        if container.member("restartPolicy").is_set() || container.member("restartPolicyRules").is_empty() {
            restart_policy(&container, causes);
        } else {
            causes.required(&container.member("restartPolicy"));
        }
        unique_name(&container, &mut seen, causes);
        host_ports(std::iter::once(container.clone()), causes);
        if container.member("restartPolicy").text() == "Always" {
            probes::lifecycle(&container.member("lifecycle"), spec, causes);
            probes::of_container(&container, causes);
        } else {
            for member in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if container.member(member).is_set() {
                    let why = "may not be set for init containers without restartPolicy=Always";
                    causes.forbidden(&container.member(member), why);
                }
            }
            no_restart_on_resize(&container, causes);
        }
    }
}

pub(super) fn ephemeral_containers(spec: &Field<'_>, volumes: &Volumes<'_>, claims: &[&str], causes: &mut Causes) {
    let others = ["containers", "initContainers"].map(|list| spec.member(list));
    let others: Vec<&str> = others.iter().flat_map(Field::items).map(|c| c.member("name").text()).collect();
    let mut seen = others.clone();
    for container in spec.member("ephemeralContainers").items() {
        container::common(&container, spec, volumes, claims, causes);
        image_is_trimmed(&container, causes);
        unique_name(&container, &mut seen, causes);
        let target = container.member("targetContainerName");
        if !target.is_empty() && !others.contains(&target.text()) {
            causes.not_found(&target);
        }
        for member in NOT_EPHEMERAL {
            let field = container.member(member);
            // Resources are always there.
            if field.is_set() && (member != "resources" || !field.is_empty()) {
                causes.forbidden(&container.member(member), "cannot be set for an Ephemeral Container");
            }
        }
        for mount in container.member("volumeMounts").items() {
            for member in ["subPath", "subPathExpr"] {
                if !mount.member(member).is_empty() {
                    causes.forbidden(&mount.member(member), "cannot be set for an Ephemeral Container");
                }
            }
        }
    }
}

/// An init container that ends is not restarted for its resources.
fn no_restart_on_resize(container: &Field<'_>, causes: &mut Causes) {
    for policy in container.member("resizePolicy").items().map(|one| one.member("restartPolicy")) {
        if policy.text() == "RestartContainer" {
            causes.invalid(&policy, "must not be set to 'RestartContainer' for non-sidecar initContainers");
        }
    }
}

fn unique_name<'a>(container: &Field<'a>, seen: &mut Vec<&'a str>, causes: &mut Causes) {
    let name = container.member("name");
    if !name.is_empty() && seen.contains(&name.text()) {
        causes.duplicate(&name);
    }
    seen.push(name.text());
}

fn restart_policy(container: &Field<'_>, causes: &mut Causes) {
    let (policy, rules) = (container.member("restartPolicy"), container.member("restartPolicyRules"));
    if policy.is_set() {
        causes.one_of(&policy, &["Always", "Never", "OnFailure"]);
    } else if !rules.is_empty() {
        causes.required(&policy);
    }
    if rules.len() > RULES_MAX {
        causes.too_many(&rules, RULES_MAX);
    }
    for rule in rules.items() {
        causes.one_of(&rule.member("action"), &["Restart", "RestartAllContainers"]);
        let exit_codes = rule.member("exitCodes");
        if !exit_codes.is_set() {
            causes.required(&exit_codes);
        } else {
            causes.one_of(&exit_codes.member("operator"), &["In", "NotIn"]);
            let codes = exit_codes.member("values");
            if codes.len() > EXIT_CODES_MAX {
                causes.too_many(&codes, EXIT_CODES_MAX);
            }
        }
    }
}

/// A host port belongs to one container port for each protocol and address.
fn host_ports<'a>(containers: impl Iterator<Item = Field<'a>>, causes: &mut Causes) {
    let mut seen: Vec<(i64, &str, &str)> = Vec::new();
    for port in containers.flat_map(|container| container.member("ports").items().collect::<Vec<_>>()) {
        let number = port.member("hostPort").int().unwrap_or_default();
        if number == 0 {
            continue;
        }
        let one = (number, port.member("protocol").text(), port.member("hostIP").text());
        if seen.contains(&one) {
            causes.duplicate(&port.member("hostPort"));
        }
        seen.push(one);
    }
}
