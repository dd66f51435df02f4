//! Containers, init containers and ephemeral containers: what each list adds to the common rules.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{
        Container, ContainerPort, ContainerRestartRule, ContainerRestartRuleOnExitCodes, EphemeralContainer, PodSpec,
        VolumeMount,
    },
};

use super::{container, image_is_trimmed, probes, volumes::Volumes};
use crate::{
    field::{Causes, Field},
    ratchet::Ratchet,
};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
/// Fields that an ephemeral container cannot have.
const NOT_EPHEMERAL: [FieldName; 9] = [
    EphemeralContainer::PORTS,
    EphemeralContainer::RESOURCES,
    EphemeralContainer::RESIZE_POLICY,
    EphemeralContainer::RESTART_POLICY,
    EphemeralContainer::RESTART_POLICY_RULES,
    EphemeralContainer::LIVENESS_PROBE,
    EphemeralContainer::READINESS_PROBE,
    EphemeralContainer::STARTUP_PROBE,
    EphemeralContainer::LIFECYCLE,
];

pub(super) fn containers(spec: &Field<'_>, volumes: &Volumes<'_>, claims: &[&str], causes: &mut Causes) {
    let list = spec.member(PodSpec::CONTAINERS);
    if !causes.require(&list) {
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for container in list.items() {
        container::common(&container, spec, volumes, claims, causes);
        unique_name(&container, &mut seen, causes);
        probes::lifecycle(&container.member(Container::LIFECYCLE), spec, causes);
        probes::of_container(&container, causes);
        restart_policy(&container, causes);
    }
    host_ports(list.items(), causes);
}

pub(super) fn init_containers(spec: &Field<'_>, volumes: &Volumes<'_>, claims: &[&str], causes: &mut Causes) {
    let mut seen: Vec<&str> =
        spec.member(PodSpec::CONTAINERS).items().map(|c| c.member(Container::NAME).text()).collect();
    for container in spec.member(PodSpec::INIT_CONTAINERS).items() {
        container::common(&container, spec, volumes, claims, causes);
        if container.member(Container::RESTART_POLICY).is_set()
            || container.member(Container::RESTART_POLICY_RULES).is_empty()
        {
            restart_policy(&container, causes);
        } else {
            causes.required(&container.member(Container::RESTART_POLICY));
        }
        unique_name(&container, &mut seen, causes);
        host_ports(std::iter::once(container.clone()), causes);
        if container.member(Container::RESTART_POLICY).text() == "Always" {
            probes::lifecycle(&container.member(Container::LIFECYCLE), spec, causes);
            probes::of_container(&container, causes);
        } else {
            for member in
                [Container::LIFECYCLE, Container::LIVENESS_PROBE, Container::READINESS_PROBE, Container::STARTUP_PROBE]
            {
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
    let others = [PodSpec::CONTAINERS, PodSpec::INIT_CONTAINERS].map(|list| spec.member(list));
    let others: Vec<&str> = others.iter().flat_map(Field::items).map(|c| c.member(Container::NAME).text()).collect();
    let mut seen = others.clone();
    for container in spec.member(PodSpec::EPHEMERAL_CONTAINERS).items() {
        container::common(&container, spec, volumes, claims, causes);
        image_is_trimmed(&container, causes);
        unique_name(&container, &mut seen, causes);
        let target = container.member(EphemeralContainer::TARGET_CONTAINER_NAME);
        if !target.is_empty() && !others.contains(&target.text()) {
            causes.not_found(&target);
        }
        for member in NOT_EPHEMERAL {
            let field = container.member(member);
            // Resources are always there.
            if field.is_set() && (member != EphemeralContainer::RESOURCES || !field.is_empty()) {
                causes.forbidden(&container.member(member), "cannot be set for an Ephemeral Container");
            }
        }
        for mount in container.member(EphemeralContainer::VOLUME_MOUNTS).items() {
            for member in [VolumeMount::SUB_PATH, VolumeMount::SUB_PATH_EXPR] {
                if !mount.member(member).is_empty() {
                    causes.forbidden(&mount.member(member), "cannot be set for an Ephemeral Container");
                }
            }
        }
    }
}

/// An init container that ends is not restarted for its resources.
fn no_restart_on_resize(container: &Field<'_>, causes: &mut Causes) {
    for policy in container.member(Container::RESIZE_POLICY).items().map(|one| one.member(Container::RESTART_POLICY)) {
        if policy.text() == "RestartContainer" {
            causes.ratcheted(Ratchet::ResizeOfInitContainer, |causes| {
                causes.invalid(&policy, "must not be set to 'RestartContainer' for non-sidecar initContainers");
            });
        }
    }
}

fn unique_name<'a>(container: &Field<'a>, seen: &mut Vec<&'a str>, causes: &mut Causes) {
    let name = container.member(Container::NAME);
    if !name.is_empty() && seen.contains(&name.text()) {
        causes.duplicate(&name);
    }
    seen.push(name.text());
}

fn restart_policy(container: &Field<'_>, causes: &mut Causes) {
    let (policy, rules) =
        (container.member(Container::RESTART_POLICY), container.member(Container::RESTART_POLICY_RULES));
    if policy.is_set() {
        causes.one_of(&policy, &["Always", "Never", "OnFailure"]);
    } else if !rules.is_empty() {
        causes.required(&policy);
    }
    if rules.len() > RULES_MAX {
        causes.too_many(&rules, RULES_MAX);
    }
    for rule in rules.items() {
        causes.one_of(&rule.member(ContainerRestartRule::ACTION), &["Restart", "RestartAllContainers"]);
        let exit_codes = rule.member(ContainerRestartRule::EXIT_CODES);
        if !exit_codes.is_set() {
            causes.required(&exit_codes);
        } else {
            causes.one_of(&exit_codes.member(ContainerRestartRuleOnExitCodes::OPERATOR), &["In", "NotIn"]);
            let codes = exit_codes.member(ContainerRestartRuleOnExitCodes::VALUES);
            if codes.len() > EXIT_CODES_MAX {
                causes.too_many(&codes, EXIT_CODES_MAX);
            }
        }
    }
}

/// A host port belongs to one container port for each protocol and address.
fn host_ports<'a>(containers: impl Iterator<Item = Field<'a>>, causes: &mut Causes) {
    let mut seen: Vec<(i64, &str, &str)> = Vec::new();
    for port in containers.flat_map(|container| container.member(Container::PORTS).items().collect::<Vec<_>>()) {
        let number = port.member(ContainerPort::HOST_PORT).int().unwrap_or_default();
        if number == 0 {
            continue;
        }
        let one = (number, port.member(ContainerPort::PROTOCOL).text(), port.member(ContainerPort::HOST_IP).text());
        if seen.contains(&one) {
            causes.duplicate(&port.member(ContainerPort::HOST_PORT));
        }
        seen.push(one);
    }
}
