//! Cluster DNS inside the node daemon: answers for services and pods from what the node knows of the cluster, and passes
//! everything else on to the node's own resolvers. No pods, no extra hop.
//!
//! | asked for | answer |
//! |---|---|
//! | `SERVICE.NAMESPACE.svc.ZONE` | A: the cluster IP, or every endpoint of a headless service; SRV: its ports; CNAME of an external name |
//! | `_PORT._PROTOCOL.SERVICE.NAMESPACE.svc.ZONE` | SRV, with the targets' addresses |
//! | `HOSTNAME.SERVICE.NAMESPACE.svc.ZONE` | A: one endpoint of a headless service; without hostname `10-244-0-5` |
//! | `10-244-0-5.NAMESPACE.pod.ZONE` | A: that address |
//! | `5.0.244.10.in-addr.arpa` | PTR: the service or endpoint with that address |
//!
//! A name that exists without the type asked for is NOERROR with the zone's SOA (resolvers that ask for A and AAAA at once
//! rely on it), one that does not exist is NXDOMAIN with the SOA.
//!
//! Invariant: until the first list has arrived, the zone answers SERVFAIL, never NXDOMAIN.

mod forward;
pub mod lookup;
mod respond;
mod server;
pub mod zone;

pub use forward::Upstreams;
pub use lookup::ClusterRecords;
pub use server::{Dns, DnsConfig, DnsError, run};
pub use zone::Zone;
