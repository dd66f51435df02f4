//! Every cluster address of a service has its IPAddress, and none is left over: what was made before there were any, and what
//! was removed or changed by hand, is mended. Services and their addresses change together otherwise.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use gantry_meta::{GroupVersionResource, Object, ObjectView as _, Reason, time};
use gantry_runtime::{DeleteOptions, ListOptions, ObjectSink, ObjectSource, Observed, SinkError, WriteTarget};
use jiff::Timestamp;
use serde::Deserialize;
use tracing::info;

use super::BootstrapError;
use crate::services::{ADDRESSES_GROUP, ADDRESSES_PLURAL, address_object, is_labelled_as_ours, is_managed_by_us};

/// An address whose service is not there may belong to one that is being made by another server, of another version.
const ORPHAN_AFTER: Duration = Duration::from_secs(60);

/// Of a Service, what its addresses depend on.
#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    r#type: String,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Vec<String>,
}

/// Namespace and name of a service.
type Owner = (String, String);

/// Services and what they have, and every IPAddress.
struct Seen {
    services: HashSet<Owner>,
    /// By address; where two services have one, one of them.
    owners: BTreeMap<String, Owner>,
    held: HashSet<(String, Owner)>,
    addresses: BTreeMap<String, Object>,
}

enum Step {
    Create(Owner),
    Remove,
    /// It cannot be changed to refer to another service.
    Replace(Owner),
}

/// One pass; returns how many addresses it changed.
pub(super) async fn repair(source: &dyn ObjectSource, sink: &dyn ObjectSink) -> Result<usize, BootstrapError> {
    let seen = look(source).await?;
    let steps = steps(&seen, Timestamp::now());
    let count = steps.len();
    for (ip, step) in steps {
        info!(%ip, "mending the IPAddress of a service");
        let existing = seen.addresses.get(&ip);
        run(sink, &ip, existing, step).await.map_err(|source| BootstrapError::Write {
            failed: 1,
            object: format!("{ADDRESSES_PLURAL}/{ip}"),
            source,
        })?;
    }
    Ok(count)
}

/// Addresses first: one that is seen had its service before, unless that is gone.
async fn look(source: &dyn ObjectSource) -> Result<Seen, BootstrapError> {
    let addresses = list(source, resource(ADDRESSES_GROUP, ADDRESSES_PLURAL)).await?;
    let listed = list(source, resource("", "services")).await?;
    let (mut services, mut held) = (HashSet::new(), HashSet::new());
    for item in listed {
        let owner = (item.namespace, item.name);
        let service: Option<Service> = serde_json::from_slice(&item.json).ok();
        let spec = service.map(|service| service.spec).filter(|spec| spec.r#type != "ExternalName").unwrap_or_default();
        let ips = spec.cluster_ips.into_iter().filter(|ip| ip != "None");
        held.extend(ips.map(|ip| (ip, owner.clone())));
        services.insert(owner);
    }
    let read = |item: Observed| Some((item.name, serde_json::from_slice(&item.json).ok()?));
    let owners = held.iter().cloned().collect();
    Ok(Seen { services, owners, held, addresses: addresses.into_iter().filter_map(read).collect() })
}

fn resource(group: &str, plural: &str) -> GroupVersionResource {
    GroupVersionResource::new(group, "v1", plural)
}

async fn list(source: &dyn ObjectSource, resource: GroupVersionResource) -> Result<Vec<Observed>, BootstrapError> {
    let listed = source.list(&resource, &ListOptions::default()).await;
    let failed = |source| BootstrapError::List { resource: resource.group_resource().to_string(), source };
    listed.map(|listed| listed.items).map_err(failed)
}

fn steps(seen: &Seen, now: Timestamp) -> Vec<(String, Step)> {
    let mended = seen.owners.iter().filter_map(|(ip, owner)| {
        let step = match seen.addresses.get(ip) {
            None => Step::Create(owner.clone()),
            Some(address) if address.is_terminating() || is_of_another(seen, ip, address, owner) => return None,
            Some(address) if parent(address).as_ref() == Some(owner) && is_labelled_as_ours(address) => return None,
            Some(_) => Step::Replace(owner.clone()),
        };
        Some((ip.clone(), step))
    });
    let left_over = seen.addresses.iter().filter(|(ip, address)| is_left_over(seen, ip, address, now));
    mended.chain(left_over.map(|(ip, _)| (ip.clone(), Step::Remove))).collect()
}

/// Whether two services have one address, as a restored backup may say: nothing here can tell which of them should.
fn is_of_another(seen: &Seen, ip: &str, address: &Object, owner: &Owner) -> bool {
    parent(address).is_some_and(|parent| parent != *owner && seen.held.contains(&(ip.to_owned(), parent)))
}

/// Whether it was made for a service that does not have the address. What others made is theirs.
fn is_left_over(seen: &Seen, ip: &str, address: &Object, now: Timestamp) -> bool {
    if !is_managed_by_us(address) || seen.owners.contains_key(ip) || address.is_terminating() {
        return false;
    }
    match parent(address) {
        None => true,
        Some(parent) if seen.services.contains(&parent) => true,
        Some(_) => {
            let made = time::parse_time(address.meta_str("creationTimestamp"));
            made.is_none_or(|made| now.duration_since(made).unsigned_abs() > ORPHAN_AFTER)
        }
    }
}

/// The service that an address refers to.
fn parent(address: &Object) -> Option<Owner> {
    let parent = address.get("spec")?.get("parentRef")?;
    let text = |member: &str| parent.get(member).and_then(|value| value.as_str()).unwrap_or_default();
    let is_service = text("group").is_empty() && text("resource") == "services";
    is_service.then(|| (text("namespace").to_owned(), text("name").to_owned()))
}

async fn run(sink: &dyn ObjectSink, ip: &str, existing: Option<&Object>, step: Step) -> Result<(), SinkError> {
    let target = WriteTarget::new(&resource(ADDRESSES_GROUP, ADDRESSES_PLURAL), "", ip);
    let uid = existing.map(|address| address.uid().to_owned());
    if matches!(step, Step::Remove | Step::Replace(_)) {
        let options = DeleteOptions { uid, ..DeleteOptions::default() };
        passed(sink.delete(&target, &options).await.map(|_| ()))?;
    }
    let (Step::Create((namespace, name)) | Step::Replace((namespace, name))) = step else { return Ok(()) };
    let body = serde_json::to_vec(&address_object(ip, &namespace, &name)).expect("a tree of JSON values serialises");
    passed(sink.create(&target, body.into()).await.map(|_| ()))
}

/// Another server, or the service itself, was first: the next pass sees what stands.
fn passed(result: Result<(), SinkError>) -> Result<(), SinkError> {
    match result {
        Err(SinkError::Refused(status))
            if [Reason::AlreadyExists, Reason::Conflict, Reason::NotFound]
                .into_iter()
                .any(|reason| status.is(reason)) =>
        {
            Ok(())
        }
        other => other,
    }
}
