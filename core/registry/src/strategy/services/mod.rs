//! Services: an update keeps the addresses and ports that it does not name, and drops what its type has no use for.

mod families;
mod kept;
mod lost;

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{Service, ServiceSpec},
};
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
    service.object(Service::SPEC)
}

fn spec_mut(service: &mut Object) -> Option<&mut Object> {
    service.object_mut(Service::SPEC)
}

/// Members of the specification, by the fields of [`ServiceSpec`].
fn member(service: &Object, name: FieldName) -> Option<&Value> {
    spec(service)?.member(name)
}

fn text(service: &Object, name: FieldName) -> &str {
    spec(service).map(|spec| spec.text(name)).unwrap_or_default()
}

fn items(service: &Object, name: FieldName) -> &[Value] {
    spec(service).map(|spec| spec.items(name)).unwrap_or_default()
}

fn service_type(service: &Object) -> &str {
    match text(service, ServiceSpec::TYPE) {
        "" => "ClusterIP",
        given => given,
    }
}

fn has_cluster_ip(service: &Object) -> bool {
    service_type(service) != "ExternalName"
}

/// Whether load balancers ask nodes on a port of its own which of them have endpoints.
fn is_health_checked(service: &Object) -> bool {
    service_type(service) == "LoadBalancer" && text(service, ServiceSpec::EXTERNAL_TRAFFIC_POLICY) == "Local"
}

/// A new service's single `clusterIP` is the list.
fn follow_one_address(service: &mut Object) {
    let Some(ip) = member(service, ServiceSpec::CLUSTER_IP).filter(|ip| ip.as_str() != Some("")).cloned() else {
        return;
    };
    if let (true, Some(spec)) = (items(service, ServiceSpec::CLUSTER_IPS).is_empty(), spec_mut(service)) {
        spec.set(ServiceSpec::CLUSTER_IPS, vec![ip]);
    }
}

/// Nobody routes an external name. What is no policy at all is left for validation to refuse.
fn drop_needless_policy(service: &mut Object) {
    const POLICY: FieldName = ServiceSpec::INTERNAL_TRAFFIC_POLICY;
    let is_policy = matches!(text(service, POLICY), "Cluster" | "Local");
    if let (true, Some(spec)) = (is_policy && !has_cluster_ip(service), spec_mut(service)) {
        spec.unset(POLICY);
    }
}
