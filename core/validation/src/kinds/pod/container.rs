//! What every container has.

use gantry_kinds::fields::core_v1::{Container, ContainerPort, ContainerResizePolicy, PodSpec};

use super::{env, mounts, resources, security, volumes::Volumes};
use crate::{
    field::{Causes, Field},
    names,
    rules::numbers,
};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// The rules that hold for containers of each list.
pub(super) fn common(
    container: &Field<'_>,
    spec: &Field<'_>,
    volumes: &Volumes<'_>,
    claims: &[&str],
    causes: &mut Causes,
) {
    let name = container.member(Container::NAME);
    if causes.require(&name) {
        causes.invalid_each(&name, names::dns_label(name.text()));
    }
    causes.require(&container.member(Container::IMAGE));
    causes.require_one_of(&container.member(Container::TERMINATION_MESSAGE_POLICY), &["FallbackToLogsOnError", "File"]);
    ports(&container.member(Container::PORTS), causes);
    env::env(&container.member(Container::ENV), causes);
    env::env_from(&container.member(Container::ENV_FROM), causes);
    mounts::volume_mounts(container, volumes, causes);
    mounts::volume_devices(container, volumes, causes);
    causes.require_one_of(&container.member(Container::IMAGE_PULL_POLICY), &["Always", "IfNotPresent", "Never"]);
    resources::container(&container.member(Container::RESOURCES), claims, causes);
    resize_policy(container, spec, causes);
    security::container_security_context(&container.member(Container::SECURITY_CONTEXT), spec, causes);
}

fn ports(ports: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let (name, number, host) = (
            port.member(ContainerPort::NAME),
            port.member(ContainerPort::CONTAINER_PORT),
            port.member(ContainerPort::HOST_PORT),
        );
        if !name.is_empty() {
            let reasons = names::port_name(name.text());
            if reasons.is_empty() && seen.contains(&name.text()) {
                causes.duplicate(&name);
            }
            seen.push(name.text());
            causes.invalid_each(&name, reasons);
        }
        if number.int().unwrap_or_default() == 0 {
            causes.required(&number);
        } else {
            numbers::port(&number, causes);
        }
        if host.int().unwrap_or_default() != 0 {
            numbers::port(&host, causes);
        }
        causes.require_one_of(&port.member(ContainerPort::PROTOCOL), &PROTOCOLS);
    }
}

/// Each resource once, with a policy; containers that never restart cannot ask for one.
fn resize_policy(container: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    let policies = container.member(Container::RESIZE_POLICY);
    for policy in policies.items() {
        let (name, restart) =
            (policy.member(ContainerResizePolicy::RESOURCE_NAME), policy.member(ContainerResizePolicy::RESTART_POLICY));
        if seen.contains(&name.text()) {
            causes.duplicate(&name.reported_at(&policy));
        }
        seen.push(name.text());
        // The reference reports these at the list.
        causes.require_one_of(&name.reported_at(&policies), &["cpu", "memory"]);
        causes.require_one_of(&restart.reported_at(&policies), &["NotRequired", "RestartContainer"]);
        if spec.member(PodSpec::RESTART_POLICY).text() == "Never" && restart.text() != "NotRequired" {
            causes.invalid(&policies, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}
