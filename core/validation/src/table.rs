//! Which rules each resource has: what its names may be, and its own checks on create and on update.

use crate::{
    field::{Causes, Root},
    kinds::{
        self,
        admission::{binding, policy, webhook},
        certificate_signing_request as csr,
        classes::{priority_class, runtime_class, storage_class},
        device, endpoint_slice, endpoints, horizontal_pod_autoscaler as autoscaler, persistent_volume_claim as claim,
        pod_disruption_budget as budget, rbac,
        service_networks::{ip_address, service_cidr},
        storage::{csi_driver, csi_node, csi_storage_capacity, volume_attachment, volume_attributes_class},
        workload,
    },
    names::NameRule::{self, DnsLabel, DnsSubdomain, IpAddress, PathSegment},
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

/// Kinds whose names alone are looked at, and not what they are generated from.
pub fn names_alone(group: &str, resource: &str) -> bool {
    matches!((group, resource), ("", "replicationcontrollers") | (DEVICES, "deviceclasses"))
}

/// How often the reference looks at the metadata of an update besides once for every object. Each look reports what it
/// finds, so that causes are repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetadataLooks {
    /// As at the metadata of a new object.
    pub whole: usize,
    /// At what changes.
    pub changes: usize,
    /// Whether finalizers have to be qualified or standard ones.
    pub finalizers: bool,
}

/// The looks at the metadata of a resource, or of one of its subresources.
pub fn metadata_looks(group: &str, resource: &str, subresource: Option<&str>) -> MetadataLooks {
    let (whole, changes, finalizers) = match (group, resource) {
        ("", "events") | ("policy", _) => (0, 0, false),
        ("", _) if matches!(subresource, Some("status" | "finalize")) => (0, 1, true),
        ("", "persistentvolumes") => (2, 0, true),
        ("", "limitranges") => (1, 0, true),
        ("coordination.k8s.io", _) => (0, 1, false),
        ("", "configmaps" | "secrets" | "endpoints" | "serviceaccounts" | "pods" | "nodes" | "namespaces")
        | ("", "persistentvolumeclaims")
        | ("batch", "jobs")
        | ("apps", "controllerrevisions") => (1, 1, true),
        (ADMISSION, _) => (1, 0, false),
        ("node.k8s.io" | "apiregistration.k8s.io", _) => (1, 1, false),
        ("apiextensions.k8s.io", _) => (0, 1, false),
        ("flowcontrol.apiserver.k8s.io", _) | (STORAGE, "csinodes" | "volumeattachments") => (1, 0, true),
        (NETWORKING, "ingresses" | "ingressclasses" | "ipaddresses")
        | (RBAC | "certificates.k8s.io", _)
        | (STORAGE, "storageclasses" | "csistoragecapacities" | "volumeattributesclasses")
        | (DEVICES, "deviceclasses" | "resourceclaims" | "resourceclaimtemplates") => (1, 1, true),
        _ => (0, 1, true),
    };
    MetadataLooks { whole, changes, finalizers }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const DEVICES: &str = "resource.k8s.io";
const STORAGE: &str = "storage.k8s.io";

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
    row("", "events", PathSegment, kinds::event::create, kinds::event::update),
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
    row(
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        DnsSubdomain,
        kinds::priority_level::create,
        kinds::priority_level::update,
    ),
    row(ADMISSION, "validatingwebhookconfigurations", DnsSubdomain, webhook::create, webhook::update),
    row(ADMISSION, "mutatingwebhookconfigurations", DnsSubdomain, webhook::create, webhook::update),
    row(ADMISSION, "validatingadmissionpolicies", DnsSubdomain, policy::create_validating, policy::update_validating),
    row(ADMISSION, "mutatingadmissionpolicies", DnsSubdomain, policy::create_mutating, policy::update_mutating),
    row(
        ADMISSION,
        "validatingadmissionpolicybindings",
        DnsSubdomain,
        binding::create_validating,
        binding::update_validating,
    ),
    row(ADMISSION, "mutatingadmissionpolicybindings", DnsSubdomain, binding::create_mutating, binding::update_mutating),
    row(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        DnsSubdomain,
        kinds::definition::create,
        kinds::definition::update,
    ),
    row(
        "apps",
        "controllerrevisions",
        DnsSubdomain,
        kinds::controller_revision::create,
        kinds::controller_revision::update,
    ),
    row(NETWORKING, "ipaddresses", IpAddress, ip_address::create, ip_address::update),
    row(NETWORKING, "servicecidrs", DnsSubdomain, service_cidr::create, service_cidr::update),
    row(DEVICES, "deviceclasses", DnsSubdomain, device::class::create, device::class::update),
    row(DEVICES, "resourceclaims", DnsSubdomain, device::claim::create, device::claim::update),
    row(
        DEVICES,
        "resourceclaimtemplates",
        DnsSubdomain,
        device::claim::create_template,
        device::claim::update_template,
    ),
    row(DEVICES, "resourceslices", DnsSubdomain, device::slice::create, device::slice::update),
    row(STORAGE, "csinodes", DnsSubdomain, csi_node::create, csi_node::update),
    row(STORAGE, "csistoragecapacities", DnsSubdomain, csi_storage_capacity::create, csi_storage_capacity::update),
    row(STORAGE, "volumeattachments", DnsSubdomain, volume_attachment::create, volume_attachment::update),
    row(NETWORKING, "ingressclasses", DnsSubdomain, kinds::ingress_class::create, kinds::ingress_class::update),
    row(NETWORKING, "ingresses", DnsSubdomain, kinds::ingress::create, kinds::ingress::update),
    row(NETWORKING, "networkpolicies", DnsSubdomain, kinds::network_policy::create, kinds::network_policy::update),
    row("node.k8s.io", "runtimeclasses", DnsSubdomain, runtime_class::create, runtime_class::update),
    row("policy", "poddisruptionbudgets", PathSegment, budget::create, budget::update),
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
