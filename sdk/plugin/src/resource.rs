//! Names of resources.

/// A collection of the API, as a plugin names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Resource<'a> {
    /// Empty for the core group.
    pub group: &'a str,
    pub version: &'a str,
    /// The plural, as in URLs.
    pub resource: &'a str,
    pub kind: &'a str,
}

impl<'a> Resource<'a> {
    pub const fn new(group: &'a str, version: &'a str, resource: &'a str, kind: &'a str) -> Self {
        Self { group, version, resource, kind }
    }

    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A resource that the API serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServedResource<'a> {
    pub resource: Resource<'a>,
    pub namespaced: bool,
    /// It can be listed, watched and deleted.
    pub deletable: bool,
    /// It can be deleted as a collection.
    pub collection: bool,
}

macro_rules! resources {
    ($($name:ident = $group:literal $version:literal $resource:literal $kind:literal)*) => {
        $(pub const $name: Resource<'static> = Resource::new($group, $version, $resource, $kind);)*
    };
}

resources! {
    CONFIG_MAPS = "" "v1" "configmaps" "ConfigMap"
    ENDPOINTS = "" "v1" "endpoints" "Endpoints"
    EVENTS = "" "v1" "events" "Event"
    NAMESPACES = "" "v1" "namespaces" "Namespace"
    NODES = "" "v1" "nodes" "Node"
    PODS = "" "v1" "pods" "Pod"
    REPLICATION_CONTROLLERS = "" "v1" "replicationcontrollers" "ReplicationController"
    SECRETS = "" "v1" "secrets" "Secret"
    SERVICES = "" "v1" "services" "Service"
    SERVICE_ACCOUNTS = "" "v1" "serviceaccounts" "ServiceAccount"
    DAEMON_SETS = "apps" "v1" "daemonsets" "DaemonSet"
    DEPLOYMENTS = "apps" "v1" "deployments" "Deployment"
    REPLICA_SETS = "apps" "v1" "replicasets" "ReplicaSet"
    STATEFUL_SETS = "apps" "v1" "statefulsets" "StatefulSet"
    JOBS = "batch" "v1" "jobs" "Job"
    LEASES = "coordination.k8s.io" "v1" "leases" "Lease"
    ENDPOINT_SLICES = "discovery.k8s.io" "v1" "endpointslices" "EndpointSlice"
}
