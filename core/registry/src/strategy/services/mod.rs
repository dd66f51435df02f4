//! Services: an update keeps the addresses and ports that it does not name, and drops what its type has no use for.

mod families;
mod kept;
mod lost;

use gantry_meta::{Object, Value};

use super::Strategy;

pub(super) struct Services;

impl Strategy for Services {
    fn prepare_create(&self, service: &mut Object) {
        follow_one_address(service);
        families::settle(service, None);
        drop_needless_policy(service);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        if subresource.is_empty() {
            kept::fill_in(new, old);
            kept::follow_one_address(new, old);
            families::settle(new, Some(old));
            lost::drop_what_the_type_lost(new, old);
            drop_needless_policy(new);
        }
    }

    fn applied_status_creates(&self) -> bool {
        true
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn spec(service: &Object) -> Option<&Object> {
    service.get("spec")?.as_object()
}

fn spec_mut(service: &mut Object) -> Option<&mut Object> {
    service.get_mut("spec")?.as_object_mut()
}

fn member<'a>(service: &'a Object, member: &str) -> Option<&'a Value> {
    spec(service)?.get(member).filter(|value| !value.is_null())
}

fn text<'a>(service: &'a Object, name: &str) -> &'a str {
    member(service, name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(service: &'a Object, name: &str) -> &'a [Value] {
    member(service, name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn service_type(service: &Object) -> &str {
    match text(service, "type") {
        "" => "ClusterIP",
        given => given,
    }
}

fn has_cluster_ip(service: &Object) -> bool {
    service_type(service) != "ExternalName"
}

/// Whether load balancers ask nodes on a port of its own which of them have endpoints.
fn is_health_checked(service: &Object) -> bool {
    service_type(service) == "LoadBalancer" && text(service, "externalTrafficPolicy") == "Local"
}

/// A new service's single `clusterIP` is the list.
fn follow_one_address(service: &mut Object) {
    let Some(ip) = member(service, "clusterIP").filter(|ip| ip.as_str() != Some("")).cloned() else { return };
    if let (true, Some(spec)) = (items(service, "clusterIPs").is_empty(), spec_mut(service)) {
        spec.insert("clusterIPs".into(), Value::Array(vec![ip]));
    }
}

/// Nobody routes an external name. What is no policy at all is left for validation to refuse.
fn drop_needless_policy(service: &mut Object) {
    const POLICY: &str = "internalTrafficPolicy";
    let is_policy = matches!(text(service, POLICY), "Cluster" | "Local");
    if let (true, Some(spec)) = (is_policy && !has_cluster_ip(service), spec_mut(service)) {
        spec.remove(POLICY);
    }
}
