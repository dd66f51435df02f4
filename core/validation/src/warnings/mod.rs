//! Warnings about objects that are accepted: deprecated or questionable parts.
//!
//! How many warnings there are, and about which field, follows the reference; their wording is ours.

mod addresses;
mod names;
mod networking;
mod node_labels;
mod nodes;
mod pod;
mod policy;
mod storage;
mod workloads;

use std::fmt::Display;

use gantry_kinds::fields::{AnyObject, meta_v1::ObjectMeta};
use gantry_meta::Object;

use crate::{
    Resource,
    field::{Field, Root},
};

/// A write that passed validation.
#[derive(Clone, Copy)]
struct Written<'a> {
    new: Root<'a>,
    /// `None` for a new object.
    old: Option<Root<'a>>,
}

impl Written<'_> {
    fn is_new(&self) -> bool {
        self.old.is_none()
    }

    /// True for a new object, and for a change of what is wanted.
    fn is_new_generation(&self) -> bool {
        let generation = |root: Root<'_>| root.member(AnyObject::METADATA).member(ObjectMeta::GENERATION).int();
        self.old.is_none_or(|old| generation(old) != generation(self.new))
    }
}

/// Texts of warnings, in the order in which they were found.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn push(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    /// A warning about a field.
    fn at(&mut self, field: &Field<'_>, why: impl Display) {
        self.push(format!("{}: {why}", field.path()));
    }
}

type Rule = fn(Written<'_>, &mut Found);

/// What is looked at in writes of each resource and of its subresources but for the status.
static OBJECTS: &[(&str, &str, Rule)] = &[
    ("", "endpoints", networking::endpoints),
    ("", "nodes", nodes::node),
    ("", "persistentvolumeclaims", storage::claim),
    ("", "persistentvolumes", storage::volume),
    ("", "pods", workloads::pod),
    ("", "podtemplates", workloads::pod_template),
    ("", "replicationcontrollers", workloads::replication_controller),
    ("", "resourcequotas", policy::quota),
    ("", "serviceaccounts", policy::service_account),
    ("", "services", networking::service),
    (ADMISSION, "mutatingadmissionpolicies", policy::admission),
    (ADMISSION, "mutatingadmissionpolicybindings", policy::admission),
    (ADMISSION, "mutatingwebhookconfigurations", policy::admission),
    (ADMISSION, "validatingadmissionpolicies", policy::admission),
    (ADMISSION, "validatingadmissionpolicybindings", policy::admission),
    (ADMISSION, "validatingwebhookconfigurations", policy::admission),
    ("apiextensions.k8s.io", "customresourcedefinitions", policy::definition),
    ("apps", "daemonsets", workloads::daemon_set),
    ("apps", "deployments", workloads::named_after),
    ("apps", "replicasets", workloads::named_after),
    ("apps", "statefulsets", workloads::stateful_set),
    ("batch", "cronjobs", workloads::cron_job),
    ("batch", "jobs", workloads::job),
    ("discovery.k8s.io", "endpointslices", networking::endpoint_slice),
    ("networking.k8s.io", "ingresses", networking::ingress),
    ("networking.k8s.io", "networkpolicies", networking::network_policy),
    ("node.k8s.io", "runtimeclasses", nodes::runtime_class),
    ("resource.k8s.io", "resourceslices", nodes::resource_slice),
    (STORAGE, "csidrivers", storage::csi_driver),
    (STORAGE, "csistoragecapacities", storage::csi_capacity),
    (STORAGE, "storageclasses", storage::class),
];

/// What is looked at in writes of the status.
static STATUSES: &[(&str, &str, Rule)] = &[
    ("", "pods", networking::pod_addresses),
    ("", "services", networking::load_balancer_addresses),
    ("networking.k8s.io", "ingresses", networking::load_balancer_addresses),
];

const ADMISSION: &str = "admissionregistration.k8s.io";
const STORAGE: &str = "storage.k8s.io";

pub(crate) fn warnings(
    resource: Resource<'_>,
    new: &Object,
    old: Option<&Object>,
    subresource: Option<&str>,
) -> Vec<String> {
    let table = if subresource == Some("status") { STATUSES } else { OBJECTS };
    let mut found = Found::default();
    let rule = table.iter().find(|(group, plural, _)| (*plural, *group) == (resource.resource, resource.group));
    if let Some((_, _, rule)) = rule {
        rule(Written { new: Root(new), old: old.map(Root) }, &mut found);
    }
    found.0
}

/// `metadata.annotations[key]`
fn annotation<'a>(root: Root<'a>, key: &'a str) -> Field<'a> {
    root.member(AnyObject::METADATA).member(ObjectMeta::ANNOTATIONS).entry(key)
}
