//! From a Service and its EndpointSlices to rules, as kube-proxy's users expect: what the built-in service types share, and
//! what a type of one's own may begin with.
//!
//! [`plan`] is all that a type needs whose services have a cluster IP; [`Reach`] says what they have besides. It is pure.

mod backends;
pub mod checks;
pub mod claims;
mod objects;
mod planner;

pub use backends::Backends;
pub use objects::{
    Endpoint, EndpointPort, EndpointSlice, PROXY_NAME_LABEL, SERVICE_NAME_LABEL, Service, ServicePort, ServiceSpec,
};
pub use planner::{Reach, plan, plan_service};
