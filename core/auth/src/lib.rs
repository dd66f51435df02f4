//! Who is asking, and what they may do: certificates, tokens, RBAC, the node authoriser, impersonation, access reviews.
//!
//! Everything here decides from memory. What is decided upon (roles, bindings, pods) is fed in change by change through
//! [`AccessStore::apply`], which [`feed::follow`] calls for whatever an `ObjectSource` tells. Time is a parameter throughout.

pub mod access_store;
pub mod attributes;
pub mod audit;
pub mod authenticate;
pub mod authorize;
pub mod feed;
pub mod impersonation;
pub mod kubeconfig;
pub mod node;
pub mod pki;
pub mod rbac;
pub mod review;
pub mod signing;
pub mod token;
pub mod user;

pub use access_store::AccessStore;
pub use attributes::{Attributes, Authorizer, Decision};
pub use authenticate::{Authenticator, Credentials};
pub use authorize::AuthorizerChain;
pub use user::{UserFields, UserInfo};
