//! The service type `ExternalName`: a DNS name for a name outside of the cluster. It has no address and no rules; cluster DNS
//! answers it with a CNAME.

use gantry_plugin::rule_ir::RuleIr;
use gantry_plugin::service_rules::{Service, checks};
use gantry_plugin::{Cause, Cx, Failure, HostRef, NoConfig, Plugin, ServiceType};

gantry_plugin::export!(ExternalName: ServiceType);

pub struct ExternalName;

impl Plugin for ExternalName {
    const ID: &'static str = "service-externalname";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl ServiceType for ExternalName {
    const TYPE: &'static str = "ExternalName";

    fn validate(&self, _: &Cx<'_>, _: Option<&[u8]>, new: &[u8]) -> Result<Vec<Cause>, Failure> {
        Ok(wrong(&serde_json::from_slice(new)?))
    }

    fn plan(&self, _: &Cx<'_>, _: &str, _: &[u8], _: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(serde_json::to_vec(&RuleIr::default())?)
    }
}

fn wrong(new: &Service) -> Vec<Cause> {
    let address = (!new.spec.cluster_ip.is_empty())
        .then(|| checks::forbidden("spec.clusterIPs[0]", "may not be set when `type` is 'ExternalName'"));
    // A name may be written with the dot that ends it.
    let name = new.spec.external_name.trim_end_matches('.');
    let name = if name.is_empty() {
        Some(checks::required("spec.externalName", ""))
    } else {
        (!is_subdomain(name)).then(|| checks::invalid("spec.externalName", name, SUBDOMAIN))
    };
    address.into_iter().chain(name).collect()
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                         must start and end with an alphanumeric character";

fn is_subdomain(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let inner = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        edge(bytes.first()) && edge(bytes.last()) && inner
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(spec: serde_json::Value) -> Vec<String> {
        let service = serde_json::from_value(serde_json::json!({"spec": spec})).expect("a Service");
        wrong(&service).into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn it_needs_a_name_and_nothing_else() {
        assert!(fields(serde_json::json!({"externalName": "db.example.com."})).is_empty());
        assert_eq!(fields(serde_json::json!({})), ["spec.externalName"]);
        assert_eq!(fields(serde_json::json!({"externalName": "_x..y"})), ["spec.externalName"]);
        let with_port = serde_json::json!({"externalName": "a.b", "ports": [{"port": 80, "nodePort": 30080}]});
        assert!(fields(with_port).is_empty(), "a port that nobody serves is nobody's");
        let both = serde_json::json!({"externalName": "a.b", "clusterIP": "10.96.0.7"});
        assert_eq!(fields(both), ["spec.clusterIPs[0]"]);
    }
}
