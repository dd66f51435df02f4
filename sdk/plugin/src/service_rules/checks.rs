//! What is wrong with a service for its type, in the words that users of Kubernetes know.

use super::objects::{Service, ServicePort};
use crate::Cause;

fn cause(reason: &str, field: impl Into<String>, message: impl Into<String>) -> Cause {
    Cause { reason: reason.to_owned(), field: field.into(), message: message.into() }
}

pub fn invalid(field: impl Into<String>, value: &str, why: &str) -> Cause {
    cause("FieldValueInvalid", field, format!("Invalid value: {value:?}: {why}"))
}

pub fn forbidden(field: impl Into<String>, why: &str) -> Cause {
    cause("FieldValueForbidden", field, format!("Forbidden: {why}"))
}

pub fn required(field: impl Into<String>, why: &str) -> Cause {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    cause("FieldValueRequired", field, format!("Required value{why}"))
}

/// The cluster IP stays as long as the type has one.
pub fn cluster_ip_unchanged(old: Option<&Service>, new: &Service) -> Option<Cause> {
    let old = old.filter(|old| old.spec.r#type != "ExternalName")?;
    let (was, is) = (&old.spec.cluster_ip, &new.spec.cluster_ip);
    let changed = !was.is_empty() && !is.is_empty() && was != is;
    changed.then(|| invalid("spec.clusterIPs[0]", is, "may not change once set"))
}

/// A type that is reached through node ports cannot be headless.
pub fn not_headless(new: &Service) -> Option<Cause> {
    let why = format!("may not be set to 'None' for {} services", new.spec.r#type);
    (new.spec.cluster_ip == "None").then(|| invalid("spec.clusterIPs[0]", "None", &why))
}

/// A type without node ports.
pub fn no_node_ports(new: &Service) -> Vec<Cause> {
    let why = format!("may not be used when `type` is '{}'", new.spec.r#type);
    let named = new.spec.ports.iter().enumerate().filter(|(_, port)| port.node_port != 0);
    named.map(|(index, _)| forbidden(format!("spec.ports[{index}].nodePort"), &why)).collect()
}

/// Two ports of one protocol cannot have the same node port.
pub fn node_ports_differ(new: &Service) -> Vec<Cause> {
    let ports = &new.spec.ports;
    let pair = |port: &ServicePort| (port.protocol, port.node_port);
    let repeats = |index: usize| ports[..index].iter().any(|other| pair(other) == pair(&ports[index]));
    let repeated = (0..ports.len()).filter(|index| ports[*index].node_port != 0 && repeats(*index));
    let duplicate = |index: usize| {
        let field = format!("spec.ports[{index}].nodePort");
        cause("FieldValueDuplicate", field, format!("Duplicate value: {}", ports[index].node_port))
    };
    repeated.map(duplicate).collect()
}
