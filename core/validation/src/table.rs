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
    metadata,
    names::NameRule::{
        self, AfterSpec, DnsLabel, DnsSubdomain, IpAddress, LongName, PathSegment, RbacName, VersionAndGroup,
    },
};

/// What an update is checked with.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    pub new: Root<'a>,
    pub old: Root<'a>,
    /// `status`, `scale` and the like; `None` for the resource itself.
    pub subresource: Option<&'a str>,
    pub namespaced: bool,
    pub name: NameRule,
    /// As [`MetadataLooks::finalizers`].
    pub finalizers: bool,
}

impl Update<'_> {
    /// One look at the metadata of the update. Most kinds have all of theirs before their own rules, as
    /// [`MetadataLooks::update`] says; those that have one in between call this.
    pub fn look(self, look: Look, causes: &mut Causes) {
        match look {
            Look::Whole => metadata::object_meta(self.new, self.namespaced, self.name, causes),
            Look::Changes => metadata::object_meta_update(self.new, self.old, causes),
        }
        if self.finalizers {
            metadata::finalizers_are_standard_or_qualified(self.new, causes);
        }
    }

    /// A look at all, the rules of a new object, and a look at what changes: the order of many kinds.
    pub fn as_created(self, create: fn(Root<'_>, &mut Causes), causes: &mut Causes) {
        self.look(Look::Whole, causes);
        create(self.new, causes);
        self.look(Look::Changes, causes);
    }
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

/// One look of the reference at metadata. Each look reports what it finds, so that causes are repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// As at the metadata of a new object.
    Whole,
    /// At what changes.
    Changes,
}

use Look::{Changes, Whole};

/// The looks that a kind has besides those which every kind has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetadataLooks {
    /// Whether a new object's metadata is looked at before the kind's own rules, not only where these found nothing.
    pub create: bool,
    /// The looks at an update before the kind's own rules.
    pub update: &'static [Look],
    /// Whether finalizers have to be qualified or standard ones.
    pub finalizers: bool,
}

/// The looks at the metadata of a resource, or of one of its subresources.
pub fn metadata_looks(group: &str, resource: &str, subresource: Option<&str>) -> MetadataLooks {
    let finalizers = !matches!(
        (group, resource),
        ("" | EVENTS, "events")
            | (
                "policy" | COORDINATION | "node.k8s.io" | "apiregistration.k8s.io" | "apiextensions.k8s.io" | ADMISSION,
                _
            )
    );
    let create = !matches!((group, resource), ("" | EVENTS, "events") | ("policy", _));
    MetadataLooks { create, update: update_looks(group, resource, subresource), finalizers }
}

fn update_looks(group: &str, resource: &str, subresource: Option<&str>) -> &'static [Look] {
    match (group, resource, subresource) {
        ("policy", _, _) | ("" | EVENTS, "events", _) => &[],
        (ADMISSION | FLOW_CONTROL, _, None) | (STORAGE, "csinodes" | "volumeattachments", _) => &[Whole],
        ("discovery.k8s.io", "endpointslices", _) | ("", "limitranges", _) => &[Whole],
        (ADMISSION | FLOW_CONTROL | "certificates.k8s.io", _, _) | ("apps", "statefulsets", Some(_)) => &[],
        ("batch", "cronjobs", Some(_)) => &[],
        (_, _, Some("status" | "finalize")) => &[Changes],
        ("", "configmaps" | "secrets" | "nodes" | "persistentvolumes", _)
        | (NETWORKING, "ingressclasses" | "ipaddresses", _)
        | (STORAGE, "storageclasses" | "csistoragecapacities" | "volumeattributesclasses", _)
        | (RBAC | "node.k8s.io", _, _)
        | ("batch", "jobs", _)
        | (DEVICES, "resourceclaimtemplates", _) => &[],
        ("", "namespaces", _) | (DEVICES, "deviceclasses" | "resourceclaims", _) => &[Whole, Changes],
        ("", "pods" | "endpoints" | "serviceaccounts" | "persistentvolumeclaims", _)
        | ("apps", "controllerrevisions", _)
        | (NETWORKING, "ingresses", _)
        | ("apiregistration.k8s.io", _, _) => &[Changes, Whole],
        _ => &[Changes],
    }
}

const EVENTS: &str = "events.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";
const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io";
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
        LongName,
        workload::replication_controller::create,
        workload::replication_controller::update,
    ),
    row("", "resourcequotas", DnsSubdomain, kinds::resource_quota::create, kinds::resource_quota::update),
    row("", "secrets", DnsSubdomain, kinds::secret::create, kinds::secret::update),
    row("", "services", DnsLabel, kinds::service::create, kinds::service::update),
    row(
        "apiregistration.k8s.io",
        "apiservices",
        VersionAndGroup,
        kinds::api_service::create,
        kinds::api_service::update,
    ),
    row("apps", "daemonsets", DnsSubdomain, workload::daemon_set::create, workload::daemon_set::update),
    row("apps", "deployments", DnsSubdomain, workload::deployment::create, workload::deployment::update),
    row("apps", "replicasets", DnsSubdomain, workload::replica_set::create, workload::replica_set::update),
    row("apps", "statefulsets", DnsLabel, workload::stateful_set::create, workload::stateful_set::update),
    row("autoscaling", "horizontalpodautoscalers", DnsSubdomain, autoscaler::create, autoscaler::update),
    row("batch", "cronjobs", DnsSubdomain, kinds::cron_job::create, kinds::cron_job::update),
    row("batch", "jobs", DnsSubdomain, kinds::job::create, kinds::job::update),
    row("certificates.k8s.io", "certificatesigningrequests", AfterSpec, csr::create, csr::update),
    row(COORDINATION, "leases", DnsSubdomain, kinds::lease::create, kinds::lease::update),
    row("discovery.k8s.io", "endpointslices", DnsSubdomain, endpoint_slice::create, endpoint_slice::update),
    row(EVENTS, "events", DnsSubdomain, kinds::event::create, kinds::event::update),
    row(FLOW_CONTROL, "flowschemas", DnsSubdomain, kinds::flow_schema::create, kinds::flow_schema::update),
    row(
        FLOW_CONTROL,
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
    row(DEVICES, "deviceclasses", LongName, device::class::create, device::class::update),
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
    row(RBAC, "roles", RbacName, rbac::role::create, rbac::role::update),
    row(RBAC, "clusterroles", RbacName, rbac::cluster_role::create, rbac::cluster_role::update),
    row(RBAC, "rolebindings", RbacName, rbac::role_binding::create, rbac::role_binding::update),
    row(RBAC, "clusterrolebindings", RbacName, rbac::cluster_role_binding::create, rbac::cluster_role_binding::update),
];
