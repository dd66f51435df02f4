//! What is accepted in a pod or a template but worth a warning.

use gantry_meta::{Quantity, Value};

use crate::{field::Field, rules::resources::amount};

/// Volume sources that are deprecated or gone.
pub const OLD_SOURCES: [(&str, &str); 8] = [
    ("cephfs", "non-functional in v1.31+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("rbd", "non-functional in v1.31+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
];
const OLD_NODE_LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

/// Warnings about a pod (its root) or about a template.
pub fn warnings(metadata: &Field<'_>, spec: &Field<'_>, found: &mut Vec<String>) {
    node_selector(spec, found);
    annotations(metadata, found);
    duplicate_host_aliases(spec, found);
    for volume in spec.member("volumes").items() {
        for (source, since) in OLD_SOURCES {
            let source = volume.member(source);
            if source.is_set() {
                found.push(format!("{}: {since}", source.path()));
            }
        }
    }
    for constraint in spec.member("topologySpreadConstraints").items() {
        let selector = constraint.member("labelSelector");
        if !selector.is_set() {
            found.push(format!("{}: a null labelSelector results in matching no pod", selector.path()));
        }
    }
    pull_secrets(spec, found);
    fractional_bytes(&spec.member("overhead"), found);
    for list in ["initContainers", "containers"] {
        spec.member(list).items().for_each(|container| of_container(&container, found));
    }
    repeated_ports(spec, found);
    let grace = spec.member("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds < 0) {
        found.push(format!("{}: must be >= 0; negative values are invalid and will be treated as 1", grace.path()));
    }
}

/// Secrets without a name, and names that stand twice.
fn pull_secrets(spec: &Field<'_>, found: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for secret in spec.member("imagePullSecrets").items() {
        let name = secret.member("name");
        if name.text().is_empty() {
            found.push(format!("{}: invalid empty name {:?}", secret.path(), ""));
        } else if seen.contains(&name.text()) {
            found.push(format!("{}: duplicate name {:?}", name.path(), name.text()));
        }
        seen.push(name.text());
    }
}

fn node_selector(spec: &Field<'_>, found: &mut Vec<String>) {
    let affinity = spec.member("affinity").member("nodeAffinity");
    let required = affinity.member("requiredDuringSchedulingIgnoredDuringExecution").member("nodeSelectorTerms");
    let preferred = affinity.member("preferredDuringSchedulingIgnoredDuringExecution");
    let terms = required.items().chain(preferred.items().map(|term| term.member("preference")));
    let expressions: Vec<Field<'_>> = terms.flat_map(|term| term.member("matchExpressions").items()).collect();
    for (old, new) in OLD_NODE_LABELS {
        let entry = spec.member("nodeSelector").entry(old);
        if entry.is_set() {
            found.push(format!("{}: deprecated, use {new:?} instead", entry.path()));
        }
        for key in expressions.iter().map(|e| e.member("key")).filter(|key| key.text() == old) {
            found.push(format!("{}: {old} is deprecated, use {new:?} instead", key.path()));
        }
    }
}

fn annotations(metadata: &Field<'_>, found: &mut Vec<String>) {
    for (key, entry) in metadata.member("annotations").entries() {
        let instead = match key {
            "scheduler.alpha.kubernetes.io/critical-pod" => "use the \"priorityClassName\" field instead",
            _ if key == "seccomp.security.alpha.kubernetes.io/pod"
                || key.starts_with("container.seccomp.security.alpha.kubernetes.io/") =>
            {
                "non-functional in v1.27+; use the \"seccompProfile\" field instead"
            }
            _ if key.starts_with("container.apparmor.security.beta.kubernetes.io/") => {
                "deprecated since v1.30; use the \"appArmorProfile\" field instead"
            }
            _ => continue,
        };
        found.push(format!("{}: {instead}", entry.path()));
    }
}

fn duplicate_host_aliases(spec: &Field<'_>, found: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for ip in spec.member("hostAliases").items().map(|alias| alias.member("ip")) {
        if seen.contains(&ip.text()) {
            found.push(format!("{}: duplicates the ip of another alias", ip.path()));
        }
        seen.push(ip.text());
    }
}

/// Bytes come whole.
fn fractional_bytes(amounts: &Field<'_>, found: &mut Vec<String>) {
    for (name, field) in amounts.entries().filter(|(name, _)| matches!(*name, "memory" | "ephemeral-storage")) {
        if amount(&field).is_some_and(|bytes: Quantity| !bytes.is_integer()) {
            found.push(format!("{}: fractional byte value of {name} is invalid, must be an integer", field.path()));
        }
    }
}

fn of_container(container: &Field<'_>, found: &mut Vec<String>) {
    let resources = container.member("resources");
    fractional_bytes(&resources.member("limits"), found);
    fractional_bytes(&resources.member("requests"), found);
    let mut seen: Vec<&str> = Vec::new();
    for variable in container.member("env").items() {
        let name = variable.member("name").text();
        if seen.contains(&name) {
            let why = format!("hides previous definition of {name:?}, which may be dropped when using apply");
            found.push(format!("{}: {why}", variable.path()));
        }
        seen.push(name);
    }
}

/// Ports of all containers that are the same, or may be taken for one another, and names that two ports share.
fn repeated_ports(spec: &Field<'_>, found: &mut Vec<String>) {
    let containers = ["initContainers", "containers", "ephemeralContainers"].into_iter();
    let ports = containers.flat_map(|list| spec.member(list).items().flat_map(|c| c.member("ports").items()));
    let ports: Vec<Port<'_>> = ports.map(Port::new).collect();
    for (at, port) in ports.iter().enumerate() {
        let before = &ports[..at];
        for other in before.iter().filter(|other| (other.number, other.protocol) == (port.number, port.protocol)) {
            if let Some(what) = port.clashes_with(other) {
                found.push(format!("{}: {what} port definition with {}", port.field.path(), other.field.path()));
            }
        }
    }
    for (at, port) in ports.iter().enumerate().filter(|(_, port)| !port.name.is_empty()) {
        if let Some(first) = ports[..at].iter().find(|other| other.name == port.name) {
            let first = first.field.path();
            let why = format!("services and probes that select ports by name will use {first}");
            found.push(format!("{}: duplicate port name {:?} with {first}, {why}", port.field.path(), port.name));
        }
    }
}

struct Port<'a> {
    field: Field<'a>,
    number: i64,
    host_number: i64,
    protocol: &'a str,
    host_address: &'a str,
    name: &'a str,
}

impl<'a> Port<'a> {
    fn new(field: Field<'a>) -> Self {
        let text = |member| field.member(member).value().and_then(Value::as_str).unwrap_or_default();
        let number = |member| field.member(member).int().unwrap_or_default();
        let (number, host_number) = (number("containerPort"), number("hostPort"));
        let (protocol, host_address, name) = (text("protocol"), text("hostIP"), text("name"));
        Self { number, host_number, protocol, host_address, name, field }
    }

    /// How two ports of one number and protocol get into each other's way, if they do.
    fn clashes_with(&self, other: &Port<'_>) -> Option<&'static str> {
        let one_is_everywhere = self.host_address.is_empty() != other.host_address.is_empty();
        match (self.host_number, other.host_number) {
            (a, b) if a == b && self.host_address == other.host_address => Some("duplicate"),
            (0, _) | (_, 0) => Some("overlapping"),
            (a, b) if a == b && one_is_everywhere => Some("dangerously ambiguous"),
            _ => None,
        }
    }
}
