//! The downward API: what a pod may read about itself.

use std::collections::BTreeMap;

use gantry_meta::Quantity;
use k8s_openapi::api::core::v1::{Container, ResourceFieldSelector};

use super::{desired::DesiredPod, resources::Amounts};

/// What only the node knows of a running pod.
#[derive(Clone, Debug, Default)]
pub struct PodFacts {
    pub node_name: String,
    pub host_ips: Vec<String>,
    pub pod_ips: Vec<String>,
    /// The node's allocatable cpu and memory: what a container without a limit may use.
    pub allocatable: Amounts,
}

/// The value of a field path; `None` for a path that the API does not know.
pub fn field(pod: &DesiredPod, facts: &PodFacts, path: &str) -> Option<String> {
    if let Some((map, key)) = path.split_once("['").and_then(|(map, key)| Some((map, key.strip_suffix("']")?))) {
        let entries = metadata_map(pod, map)?;
        return Some(entries.get(key).cloned().unwrap_or_default());
    }
    Some(match path {
        "metadata.name" => pod.name().into(),
        "metadata.namespace" => pod.namespace().into(),
        "metadata.uid" => pod.uid().into(),
        "metadata.labels" | "metadata.annotations" => formatted(metadata_map(pod, path)?),
        "spec.nodeName" => facts.node_name.clone(),
        "spec.serviceAccountName" => pod.service_account().into(),
        "status.hostIP" => facts.host_ips.first().cloned().unwrap_or_default(),
        "status.hostIPs" => facts.host_ips.join(","),
        "status.podIP" => facts.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => facts.pod_ips.join(","),
        _ => return None,
    })
}

fn metadata_map<'a>(pod: &'a DesiredPod, path: &str) -> Option<&'a BTreeMap<String, String>> {
    static EMPTY: BTreeMap<String, String> = BTreeMap::new();
    match path {
        "metadata.labels" => Some(pod.metadata.labels.as_ref().unwrap_or(&EMPTY)),
        "metadata.annotations" => Some(pod.metadata.annotations.as_ref().unwrap_or(&EMPTY)),
        _ => None,
    }
}

/// One `key="value"` a line, in key order, values quoted as Go does.
fn formatted(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect::<Vec<_>>().join("\n")
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `limits.cpu` and the like, in units of the divisor, rounded up. `None` for an unknown resource or container.
pub fn resource_field(
    pod: &DesiredPod,
    own: Option<&Container>,
    facts: &PodFacts,
    selector: &ResourceFieldSelector,
) -> Option<String> {
    let named = selector.container_name.as_deref().filter(|name| !name.is_empty());
    let container = match named {
        Some(name) => pod.container(name).map(|(_, container)| container)?,
        None => own?,
    };
    let (requests, limits) = (Amounts::requests(container), Amounts::limits(container));
    let divisor = selector.divisor.as_ref().and_then(|d| Quantity::parse(&d.0).ok()).filter(|d| !d.is_zero());
    let divisor_milli = divisor.map_or(1000, |d| d.milli());
    let milli = match selector.resource.as_str() {
        "limits.cpu" => limits.cpu_milli.or(facts.allocatable.cpu_milli)?,
        "limits.memory" => limits.memory_bytes.or(facts.allocatable.memory_bytes)?.saturating_mul(1000),
        "requests.cpu" => requests.cpu_milli.unwrap_or_default(),
        "requests.memory" => requests.memory_bytes.unwrap_or_default().saturating_mul(1000),
        _ => return None,
    };
    Some((i128::from(milli) + i128::from(divisor_milli) - 1).div_euclid(i128::from(divisor_milli)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod_of;

    #[test]
    fn labels_are_read_one_by_one_and_all_together() {
        let pod = pod_of(r#"{"containers":[]}"#);
        let facts = PodFacts { pod_ips: vec!["10.0.0.1".into()], ..Default::default() };
        assert_eq!(field(&pod, &facts, "metadata.labels['app']").as_deref(), Some("web"));
        assert_eq!(field(&pod, &facts, "metadata.labels").as_deref(), Some("app=\"web\""));
        assert_eq!(field(&pod, &facts, "status.podIP").as_deref(), Some("10.0.0.1"));
        assert_eq!(field(&pod, &facts, "spec.unknown"), None);
    }

    #[test]
    fn resources_are_rounded_up_to_the_divisor() {
        let pod = pod_of(r#"{"containers":[{"name":"a","resources":{"limits":{"cpu":"1500m","memory":"100Mi"}}}]}"#);
        let facts = PodFacts::default();
        let read = |resource: &str, divisor: &str| {
            let divisor = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity(divisor.into()));
            let selector =
                ResourceFieldSelector { resource: resource.into(), divisor, container_name: Some("a".into()) };
            resource_field(&pod, None, &facts, &selector)
        };
        assert_eq!(read("limits.cpu", "1").as_deref(), Some("2"));
        assert_eq!(read("limits.cpu", "1m").as_deref(), Some("1500"));
        assert_eq!(read("requests.memory", "1Mi").as_deref(), Some("100"));
    }
}
