//! Ports of all containers of a pod together.

use gantry_kinds::fields::core_v1::{Container, ContainerPort};
use gantry_meta::Value;

use super::CONTAINERS;
use crate::{field::Field, warnings::Found};

/// Ports that are the same, or may be taken for one another, and names that two ports share.
pub(super) fn ports(spec: &Field<'_>, found: &mut Found) {
    let ports =
        CONTAINERS.iter().flat_map(|list| spec.member(*list).items()).flat_map(|c| c.member(Container::PORTS).items());
    let ports: Vec<Port<'_>> = ports.map(Port::new).collect();
    for (at, port) in ports.iter().enumerate() {
        if !port.host_address.is_empty() && port.host_number == 0 {
            found.at(&port.field, format_args!("hostIP \"{}\" has no hostPort", port.host_address));
        }
        for other in &ports[..at] {
            if let Some(what) = port.clashes_with(other) {
                found.at(&port.field, format_args!("{what} port definition with {}", other.field.path()));
            }
        }
    }
    for (at, port) in ports.iter().enumerate().filter(|(_, port)| !port.name.is_empty()) {
        if let Some(first) = ports[..at].iter().find(|other| other.name == port.name) {
            let first = first.field.path();
            let why = format!("duplicate port name {:?} with {first}, which is the one that names lead to", port.name);
            found.at(&port.field, why);
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
        let (number, host_number) = (number(ContainerPort::CONTAINER_PORT), number(ContainerPort::HOST_PORT));
        let (protocol, host_address, name) =
            (text(ContainerPort::PROTOCOL), text(ContainerPort::HOST_IP), text(ContainerPort::NAME));
        Self { number, host_number, protocol, host_address, name, field }
    }

    /// How two ports of one number and protocol get into each other's way, if they do.
    fn clashes_with(&self, other: &Port<'_>) -> Option<&'static str> {
        if (self.number, self.protocol) != (other.number, other.protocol) {
            return None;
        }
        let one_is_everywhere = self.host_address.is_empty() != other.host_address.is_empty();
        match (self.host_number, other.host_number) {
            (a, b) if a == b && self.host_address == other.host_address => Some("duplicate"),
            (0, _) | (_, 0) => Some("overlapping"),
            (a, b) if a == b && one_is_everywhere => Some("dangerously ambiguous"),
            _ => None,
        }
    }
}
