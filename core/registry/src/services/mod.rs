//! What a Service's type means for its storage: addresses and ports are claimed in the transaction that stores the object.

mod addresses;
mod claims;
mod pool;
mod stated;

pub use pool::ServicePools;

pub(crate) use addresses::{
    GROUP as ADDRESSES_GROUP, PLURAL as ADDRESSES_PLURAL, address_object, is_labelled_as_ours, is_managed_by_us,
};
pub(crate) use claims::ServiceClaims;

use async_trait::async_trait;
use gantry_meta::{Cause, Object, Status};

/// The pool of cluster addresses.
pub const POOL_CLUSTER_IPS: &str = "service-cluster-ips";
/// The pool of node ports: one space over protocols and services.
pub const POOL_NODE_PORTS: &str = "service-node-ports";

/// A value that an object needs from a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolClaim {
    /// [`POOL_CLUSTER_IPS`] or [`POOL_NODE_PORTS`].
    pub pool: String,
    /// This value or none; empty: any that is free.
    pub want: String,
    /// JSON pointers into the object at which the value is written.
    pub fields: Vec<String>,
}

/// The service types that are installed; `bin` provides them from plugins. Calls are bounded by a deadline of the provider's.
#[async_trait]
pub trait ServiceTypes: Send + Sync {
    /// What is wrong with the service by the rules of its type. An unknown type is a cause too.
    async fn validate(&self, old: Option<&Object>, new: &Object) -> Result<Vec<Cause>, Status>;

    /// All values that `new` needs as it shall be. What `old` has and `new` no longer needs is given back.
    async fn allocate(&self, old: Option<&Object>, new: &Object) -> Result<Vec<PoolClaim>, Status>;
}
