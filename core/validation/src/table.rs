//! Which rules each resource has: what its names may be, and its own checks on create and on update.

use crate::{
    field::{Causes, Root},
    kinds::{
        self,
        classes::{priority_class, runtime_class, storage_class},
        endpoint_slice, endpoints, persistent_volume_claim as claim, pod_disruption_budget as budget, rbac, workload,
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

/// For resources without rules of their own.
static GENERIC: Rules = Rules { group: "", resource: "", name: DnsSubdomain, create: |_, _| {}, update: |_, _| {} };

/// The rules of a resource; generic ones for what has none.
pub fn rules(group: &str, resource: &str) -> &'static Rules {
    TABLE.iter().find(|rules| rules.resource == resource && rules.group == group).unwrap_or(&GENERIC)
}

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
    row("apps", "daemonsets", DnsSubdomain, workload::daemon_set::create, workload::daemon_set::update),
    row("apps", "deployments", DnsSubdomain, workload::deployment::create, workload::deployment::update),
    row("apps", "replicasets", DnsSubdomain, workload::replica_set::create, workload::replica_set::update),
    row("apps", "statefulsets", DnsLabel, workload::stateful_set::create, workload::stateful_set::update),
    row("batch", "cronjobs", DnsSubdomain, kinds::cron_job::create, kinds::cron_job::update),
    row("batch", "jobs", DnsSubdomain, kinds::job::create, kinds::job::update),
    row("coordination.k8s.io", "leases", DnsSubdomain, kinds::lease::create, kinds::lease::update),
    row("discovery.k8s.io", "endpointslices", DnsSubdomain, endpoint_slice::create, endpoint_slice::update),
    row("events.k8s.io", "events", DnsSubdomain, kinds::event::create, kinds::event::update),
    row(NETWORKING, "ingressclasses", DnsSubdomain, kinds::ingress_class::create, kinds::ingress_class::update),
    row(NETWORKING, "ingresses", DnsSubdomain, kinds::ingress::create, kinds::ingress::update),
    row(NETWORKING, "networkpolicies", DnsSubdomain, kinds::network_policy::create, kinds::network_policy::update),
    row("node.k8s.io", "runtimeclasses", DnsSubdomain, runtime_class::create, runtime_class::update),
    row("policy", "poddisruptionbudgets", DnsSubdomain, budget::create, budget::update),
    row("scheduling.k8s.io", "priorityclasses", DnsSubdomain, priority_class::create, priority_class::update),
    row("storage.k8s.io", "storageclasses", DnsSubdomain, storage_class::create, storage_class::update),
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
