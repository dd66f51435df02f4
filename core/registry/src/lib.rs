//! The one place that runs API requests: authorise, decode, default, admit, prepare, validate, commit.
//!
//! A transport (REST, gRPC, in process) turns what it received into an [`ApiRequest`] and gives it to
//! [`Executor::execute`]; the answer is an [`ApiResponse`] whose objects are bytes shared with the watch cache.

mod account_state;
pub mod bootstrap;
mod connect;
mod context;
mod convert;
mod executor;
mod failures;
mod fields;
mod local_client;
mod read;
mod request;
mod response;
mod served;
mod services;
mod state;
mod strategy;
mod subresource;
mod trace;
mod watch_event;
mod write;

pub use account_state::CachedAccounts;
pub use context::{Origin, RequestContext};
pub use convert::StoredForm;
pub use executor::{Executor, ExecutorParts, PathEntry};
pub use local_client::LocalClient;
pub use request::{
    ApiRequest, Body, Connect, DeleteOptions, FieldValidation, GetOptions, ListOptions, MAX_FIELD_MANAGER_BYTES,
    MediaType, Patch, Preconditions, Propagation, Target, Verb, WriteOptions, dry_run_of, field_manager_causes,
};
pub use response::{
    ApiResponse, ConnectTo, ListItem, ListMetadata, ListResponse, ObjectResponse, Scheme, WatchResponse,
};
pub use served::resource_configs;
pub use services::{POOL_CLUSTER_IPS, POOL_NODE_PORTS, PoolClaim, ServicePools, ServiceTypes};
pub use state::ServiceTokens;
pub use trace::request_span;
pub use watch_event::{WatchEvent, WatchEventType, WatchEvents};
