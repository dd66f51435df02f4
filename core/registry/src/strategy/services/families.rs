//! Families of addresses, and how many of them, where a service does not say.

use gantry_kinds::{FieldName, Members as _, fields::core_v1::ServiceSpec};
use gantry_meta::{Object, Value};

use super::{has_cluster_ip, items, member, service_type, spec, spec_mut, text};

const ADDRESSES: FieldName = ServiceSpec::CLUSTER_IPS;
const FAMILIES: FieldName = ServiceSpec::IP_FAMILIES;
const POLICY: FieldName = ServiceSpec::IP_FAMILY_POLICY;

/// Fills in `ipFamilyPolicy` and `ipFamilies`. Addresses of this cluster are IPv4 alone.
pub(super) fn settle(service: &mut Object, old: Option<&Object>) {
    if !has_cluster_ip(service) || old.is_some_and(|old| prefers_both_as_before(service, old)) {
        return;
    }
    let policy = policy(service, old);
    let is_single = policy == "SingleStack";
    if let (true, Some(old)) = (is_single, old) {
        release_second(service, old);
    }
    // Who takes a family away is refused, not given another one.
    let stated = items(service, FAMILIES).len();
    let reduces = old.is_some_and(|old| (1..items(old, FAMILIES).len()).contains(&stated));
    let families = families(service, is_single || reduces);
    if let Some(spec) = spec_mut(service) {
        spec.set(POLICY, policy);
        spec.set(FAMILIES, families);
    }
}

fn prefers_both_as_before(new: &Object, old: &Object) -> bool {
    let prefers = |service: &Object| text(service, POLICY) == "PreferDualStack";
    let same = |member: FieldName| items(new, member) == items(old, member);
    let old_agrees = prefers(old) || member(old, POLICY).is_none();
    let same_type = service_type(new) == service_type(old);
    prefers(new) && old_agrees && same_type && same(ADDRESSES) && same(FAMILIES)
}

/// A headless service without a selector may list endpoints of either family.
fn lists_any(service: &Object) -> bool {
    let selects = spec(service).and_then(|spec| spec.object(ServiceSpec::SELECTOR)).is_some_and(|s| !s.is_empty());
    text(service, ServiceSpec::CLUSTER_IP) == "None" && !selects
}

fn policy(service: &Object, old: Option<&Object>) -> Value {
    let default = if lists_any(service) { "RequireDualStack" } else { "SingleStack" };
    let stated = member(service, POLICY).or_else(|| member(old?, POLICY));
    stated.cloned().unwrap_or_else(|| default.into())
}

/// Who asks for one family where there were two gives the second back.
fn release_second(service: &mut Object, old: &Object) {
    for member in [ADDRESSES, FAMILIES] {
        let unchanged = items(service, member) == items(old, member);
        let list = spec_mut(service).and_then(|spec| spec.list_mut(member));
        if let (true, Some(list)) = (unchanged, list) {
            list.truncate(1);
        }
    }
}

fn families(service: &Object, is_whole: bool) -> Vec<Value> {
    let mut families = items(service, FAMILIES).to_vec();
    let is_ipv4 = |ip: &Value| ip.as_str().is_some_and(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok());
    let addresses = items(service, ADDRESSES);
    // Addresses of one family, or of one that the cluster lacks, are refused as addresses.
    if addresses.get(families.len()).is_some_and(is_ipv4) && !families.contains(&"IPv4".into()) {
        families.push("IPv4".into());
    }
    if families.is_empty() && addresses.first().is_none_or(|ip| ip == "None") {
        families.push("IPv4".into());
    }
    if lists_any(service) && !is_whole && families.len() == 1 {
        let other = if families[0] == "IPv4" { "IPv6" } else { "IPv4" };
        families.push(other.into());
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settled(service: Value, old: Option<Value>) -> Value {
        let of = |spec: Value| json!({ "spec": spec }).as_object().cloned().unwrap();
        let mut service = of(service);
        settle(&mut service, old.map(of).as_ref());
        json!([service["spec"]["ipFamilyPolicy"], service["spec"]["ipFamilies"]])
    }

    #[test]
    fn families_follow_policy_addresses_and_selector() {
        for (service, expected) in [
            (json!({}), json!(["SingleStack", ["IPv4"]])),
            (json!({"clusterIP": "None"}), json!(["RequireDualStack", ["IPv4", "IPv6"]])),
            (json!({"clusterIP": "None", "selector": {"a": "b"}}), json!(["SingleStack", ["IPv4"]])),
            (json!({"clusterIP": "None", "ipFamilyPolicy": "SingleStack"}), json!(["SingleStack", ["IPv4"]])),
            (
                json!({"clusterIP": "None", "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}),
                json!(["PreferDualStack", ["IPv6", "IPv4"]]),
            ),
            (json!({"ipFamilyPolicy": "PreferDualStack"}), json!(["PreferDualStack", ["IPv4"]])),
            (json!({"clusterIP": "fd00::9", "clusterIPs": ["fd00::9"]}), json!(["SingleStack", []])),
            (
                json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "10.96.0.8"]}),
                json!(["SingleStack", ["IPv4"]]),
            ),
        ] {
            assert_eq!(settled(service.clone(), None), expected, "{service}");
        }
    }

    #[test]
    fn an_update_keeps_the_policy_and_gives_the_second_family_back() {
        let both = json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]});
        let kept = settled(json!({"ipFamilies": ["IPv4"]}), Some(both.clone()));
        assert_eq!(kept, json!(["PreferDualStack", ["IPv4"]]));
        let single = json!({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]});
        assert_eq!(settled(single, Some(both)), json!(["SingleStack", ["IPv4"]]));
        let headless =
            json!({"clusterIP": "None", "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]});
        let fewer = json!({"clusterIP": "None", "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]});
        assert_eq!(settled(fewer, Some(headless)), json!(["RequireDualStack", ["IPv6"]]), "validation refuses it");
    }
}
