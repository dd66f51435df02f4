//! Which rules each resource has: what its names may be, and its own checks on create and on update.

use crate::{
    field::{Causes, Root},
    kinds::{
        self, certificate_signing_request as csr,
        classes::{priority_class, runtime_class, storage_class},
        endpoint_slice, endpoints, horizontal_pod_autoscaler as autoscaler, persistent_volume_claim as claim,
        pod_disruption_budget as budget, rbac,
        storage::{csi_driver, volume_attributes_class},
        workload,
    },
    names::NameRule::{self, DnsLabel, DnsSubdomain, PathSegment},
};

/// What an update is checked with.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    pub new: Root<'a>,
    pub old: Root<'a>,
    /// `status`, `scale` and the like; `None` for the resource itself.
    pub subresource: Option<&'a str>,
}

/// The rules of one resource.
pub struct Rules {
    pub group: &'static str,
    pub resource: &'static str,
    pub name: NameRule,
    /// Checks besides metadata on create.
    pub create: fn(Root<'_>, &mut Causes),
    /// Checks besides metadata on update.
    pub update: fn(Update<'_>, &mut Causes),
}

/// The rules of a resource; `None` for what has none of its own, which the field tables check.
pub fn rules(group: &str, resource: &str) -> Option<&'static Rules> {
    TABLE.iter().find(|rules| rules.resource == resource && rules.group == group)
}

/// What names may be for resources without rules of their own: some are made of addresses.
pub fn name_rule(group: &str, resource: &str) -> NameRule {
    match (group, resource) {
        (NETWORKING, "ipaddresses") => PathSegment,
        _ => DnsSubdomain,
    }
}

/// A field that updates of a resource without rules of its own leave alone.
pub struct Fixed {
    pub group: &'static str,
    pub resource: &'static str,
    /// Names from the root, the last one as reported where that differs.
    pub path: &'static [&'static str],
    pub reported: &'static str,
    /// Answered as forbidden, not as invalid.
    pub forbidden: bool,
}

/// Fixed fields of a resource.
pub fn fixed_fields(group: &str, resource: &str) -> impl Iterator<Item = &'static Fixed> {
    FIXED.iter().filter(move |fixed| fixed.resource == resource && fixed.group == group)
}

const fn fixed(
    group: &'static str,
    resource: &'static str,
    path: &'static [&'static str],
    reported: &'static str,
    forbidden: bool,
) -> Fixed {
    Fixed { group, resource, path, reported, forbidden }
}

const DEVICES: &str = "resource.k8s.io";
const STORAGE: &str = "storage.k8s.io";

static FIXED: &[Fixed] = &[
    fixed("apps", "controllerrevisions", &["data"], "data", false),
    fixed(NETWORKING, "ipaddresses", &["spec", "parentRef"], "parentRef", false),
    fixed(STORAGE, "csistoragecapacities", &["storageClassName"], "storageClassName", false),
    fixed(STORAGE, "csistoragecapacities", &["nodeTopology"], "nodeTopology", false),
    fixed(STORAGE, "volumeattachments", &["spec"], "spec", false),
    fixed(DEVICES, "resourceclaims", &["spec"], "spec", false),
    fixed(DEVICES, "resourceclaimtemplates", &["spec"], "spec", false),
    fixed(DEVICES, "resourceslices", &["spec", "driver"], "driver", false),
    fixed(DEVICES, "resourceslices", &["spec", "pool", "name"], "name", false),
    fixed(DEVICES, "resourceslices", &["spec", "nodeName"], "nodeName", false),
    fixed("apiextensions.k8s.io", "customresourcedefinitions", &["spec", "group"], "group", false),
    fixed("apiextensions.k8s.io", "customresourcedefinitions", &["spec", "names", "plural"], "plural", false),
];

const fn row(
    group: &'static str,
    resource: &'static str,
    name: NameRule,
    create: fn(Root<'_>, &mut Causes),
    update: fn(Update<'_>, &mut Causes),
) -> Rules {
    Rules { group, resource, name, create, update }
}

const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

static TABLE: &[Rules] = &[
    row("", "configmaps", DnsSubdomain, kinds::config_map::create, kinds::config_map::update),
    row("", "endpoints", DnsSubdomain, endpoints::create, endpoints::update),
    row("", "events", DnsSubdomain, kinds::event::create, kinds::event::update),
    row("", "limitranges", DnsSubdomain, kinds::limit_range::create, kinds::limit_range::update),
    row("", "namespaces", DnsLabel, kinds::namespace::create, kinds::namespace::update),
    row("", "nodes", DnsSubdomain, kinds::node::create, kinds::node::update),
    row("", "persistentvolumeclaims", DnsSubdomain, claim::create, claim::update),
    row("", "persistentvolumes", DnsSubdomain, kinds::persistent_volume::create, kinds::persistent_volume::update),
    row("", "pods", DnsSubdomain, kinds::pod::create, kinds::pod::update),
    row("", "podtemplates", DnsSubdomain, workload::pod_template::create, workload::pod_template::update),
    row(
        "",
        "replicationcontrollers",
        DnsSubdomain,
        workload::replication_controller::create,
        workload::replication_controller::update,
    ),
    row("", "resourcequotas", DnsSubdomain, kinds::resource_quota::create, kinds::resource_quota::update),
    row("", "secrets", DnsSubdomain, kinds::secret::create, kinds::secret::update),
    row("", "services", DnsLabel, kinds::service::create, kinds::service::update),
    row("apiregistration.k8s.io", "apiservices", PathSegment, kinds::api_service::create, kinds::api_service::update),
    row("apps", "daemonsets", DnsSubdomain, workload::daemon_set::create, workload::daemon_set::update),
    row("apps", "deployments", DnsSubdomain, workload::deployment::create, workload::deployment::update),
    row("apps", "replicasets", DnsSubdomain, workload::replica_set::create, workload::replica_set::update),
    row("apps", "statefulsets", DnsLabel, workload::stateful_set::create, workload::stateful_set::update),
    row("autoscaling", "horizontalpodautoscalers", DnsSubdomain, autoscaler::create, autoscaler::update),
    row("batch", "cronjobs", DnsSubdomain, kinds::cron_job::create, kinds::cron_job::update),
    row("batch", "jobs", DnsSubdomain, kinds::job::create, kinds::job::update),
    row("certificates.k8s.io", "certificatesigningrequests", PathSegment, csr::create, csr::update),
    row("coordination.k8s.io", "leases", DnsSubdomain, kinds::lease::create, kinds::lease::update),
    row("discovery.k8s.io", "endpointslices", DnsSubdomain, endpoint_slice::create, endpoint_slice::update),
    row("events.k8s.io", "events", DnsSubdomain, kinds::event::create, kinds::event::update),
    row(
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        DnsSubdomain,
        kinds::flow_schema::create,
        kinds::flow_schema::update,
    ),
    row(NETWORKING, "ingressclasses", DnsSubdomain, kinds::ingress_class::create, kinds::ingress_class::update),
    row(NETWORKING, "ingresses", DnsSubdomain, kinds::ingress::create, kinds::ingress::update),
    row(NETWORKING, "networkpolicies", DnsSubdomain, kinds::network_policy::create, kinds::network_policy::update),
    row("node.k8s.io", "runtimeclasses", DnsSubdomain, runtime_class::create, runtime_class::update),
    row("policy", "poddisruptionbudgets", DnsSubdomain, budget::create, budget::update),
    row("scheduling.k8s.io", "priorityclasses", DnsSubdomain, priority_class::create, priority_class::update),
    row(STORAGE, "csidrivers", DnsSubdomain, csi_driver::create, csi_driver::update),
    row(
        STORAGE,
        "volumeattributesclasses",
        DnsSubdomain,
        volume_attributes_class::create,
        volume_attributes_class::update,
    ),
    row(STORAGE, "storageclasses", DnsSubdomain, storage_class::create, storage_class::update),
    row(RBAC, "roles", PathSegment, rbac::role::create, rbac::role::update),
    row(RBAC, "clusterroles", PathSegment, rbac::cluster_role::create, rbac::cluster_role::update),
    row(RBAC, "rolebindings", PathSegment, rbac::role_binding::create, rbac::role_binding::update),
    row(
        RBAC,
        "clusterrolebindings",
        PathSegment,
        rbac::cluster_role_binding::create,
        rbac::cluster_role_binding::update,
    ),
];
