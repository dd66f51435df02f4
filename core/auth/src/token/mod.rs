//! Service-account tokens: signing keys, issuing, verifying, the documents by which others verify them.

mod claims;
mod issuer;
mod request;
mod secrets;
mod signing_key;
mod verifier;

pub use claims::{BoundObject, Claims, SecretClaims};
pub use issuer::{TokenIssuer, TokenSpec};
pub use request::{
    BoundRef, TokenRequest, fill_expiration, token_request_answer, token_request_is_about, token_request_parse,
};
pub use secrets::{TokenSecretController, TokenSecretParts};
pub use signing_key::{SigningKey, jwks_document, openid_configuration};
pub use verifier::{AccountState, TokenError, TokenVerifier, VerifiedToken};

/// `iss` of all tokens of this cluster, and the audience that the API server itself accepts.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
