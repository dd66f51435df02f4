//! The IPAddress objects that come and go with the cluster addresses of services, in one transaction with them.

use std::net::IpAddr;

use gantry_meta::{Object, ObjectView as _, Value};
use gantry_storage::{Companion, Expect, Key, Operation};
use jiff::Timestamp;
use serde_json::json;

use super::claims::cluster_ips;
use crate::{
    request::WriteOptions,
    served::Served,
    state::State,
    write::{Decoded, Write, mark_deleting, stored_bytes},
};

pub(crate) const GROUP: &str = "networking.k8s.io";
pub(crate) const PLURAL: &str = "ipaddresses";
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
/// Who makes these objects, as clients know it.
const ALLOCATOR: &str = "ipallocator.k8s.io";
const FIELD_MANAGER: &str = "kube-apiserver";

fn family(ip: &str) -> &'static str {
    if ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { "IPv6" } else { "IPv4" }
}

fn label<'a>(address: &'a Object, name: &str) -> Option<&'a str> {
    address.labels()?.get(name)?.as_str()
}

/// Whether an IPAddress says that it was made for a service, and not by anybody else.
pub(crate) fn is_managed_by_us(address: &Object) -> bool {
    label(address, MANAGED_BY) == Some(ALLOCATOR)
}

/// Whether it has the labels that it was made with.
pub(crate) fn is_labelled_as_ours(address: &Object) -> bool {
    is_managed_by_us(address) && label(address, FAMILY) == Some(family(address.name()))
}

/// The IPAddress of one address of a service, as it is made.
pub(crate) fn address_object(ip: &str, namespace: &str, service: &str) -> Object {
    let family = family(ip);
    let object = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {"name": ip, "labels": {FAMILY: family, MANAGED_BY: ALLOCATOR}},
        "spec": {"parentRef": {"resource": "services", "namespace": namespace, "name": service}},
    });
    let Value::Object(object) = object else { unreachable!("the literal above is an object") };
    object
}

fn served(state: &State) -> Option<&Served> {
    state.served.preferred(GROUP, PLURAL).map(|served| &**served)
}

impl Write<'_> {
    /// Objects to make and to remove where a service's addresses change from those of `old` to those of `new`.
    pub(super) fn addresses_along(&self, old: Option<&Object>, new: Option<&Object>) -> Vec<Companion> {
        let Some(served) = served(self.state) else { return Vec::new() };
        let (had, has) = (old.map(cluster_ips).unwrap_or_default(), new.map(cluster_ips).unwrap_or_default());
        let made = has.iter().filter(|ip| !had.contains(ip)).zip(new).map(|(ip, new)| self.made(served, ip, new));
        let gone = had.iter().filter(|ip| !has.contains(ip)).filter_map(|ip| self.gone(served, ip));
        made.chain(gone).collect()
    }

    /// Whether an address has an object already, whoever made it.
    pub(super) fn is_address_taken(&self, ip: &str) -> bool {
        served(self.state).is_some_and(|served| self.state.cache.get(&served.key("", ip)).is_some())
    }

    fn made(&self, served: &Served, ip: &str, service: &Object) -> Companion {
        let options = WriteOptions { field_manager: FIELD_MANAGER.into(), ..WriteOptions::default() };
        let write = Write { served, namespace: "", name: "", subresource: "", options: &options, ..*self };
        let object = Decoded::for_create(&write, address_object(ip, service.namespace(), service.name()))
            .by_server()
            .into_object();
        put(served, ip, Expect::Absent, object)
    }

    /// `None`: there is none, or one that is about to go.
    fn gone(&self, served: &Served, ip: &str) -> Option<Companion> {
        let current = self.state.cache.get(&served.key("", ip))?;
        let (expect, object) = (Expect::At(current.revision()), crate::read::served_tree(served, &current));
        if object.finalizers().next().is_none() {
            let key: Key = served.key("", ip);
            return Some(Companion { key, expect, operation: Operation::Delete(stored_bytes(served, object).into()) });
        }
        let waits = (!object.is_terminating()).then(|| marked(object, self.now));
        waits.map(|object| put(served, ip, expect, object))
    }
}

fn put(served: &Served, ip: &str, expect: Expect, object: Object) -> Companion {
    Companion { key: served.key("", ip), expect, operation: Operation::Put(stored_bytes(served, object).into()) }
}

fn marked(mut object: Object, now: Timestamp) -> Object {
    mark_deleting(&mut object, now, 0);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_family_its_maker_and_its_service() {
        let object = address_object("fd00::7", "shop", "web");
        assert_eq!(object.name(), "fd00::7");
        assert_eq!(object["metadata"]["labels"], json!({FAMILY: "IPv6", MANAGED_BY: ALLOCATOR}));
        let parent = json!({"resource": "services", "namespace": "shop", "name": "web"});
        assert_eq!(object["spec"]["parentRef"], parent);
    }
}
