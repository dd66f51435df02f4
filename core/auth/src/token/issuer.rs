//! Making tokens.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};

use super::{
    BoundObject, Claims, SigningKey,
    claims::{KubernetesClaims, SECRET_ISSUER, SecretClaims},
};
use crate::{pki::PkiError, user::service_account_user_name};

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    pub namespace: String,
    pub account: BoundObject,
    pub audiences: Vec<String>,
    pub expires_in_seconds: i64,
    pub pod: Option<BoundObject>,
    pub secret: Option<BoundObject>,
    /// Set for a token bound to a node, and for one bound to a pod that has a node.
    pub node: Option<BoundObject>,
}

/// Signs tokens with the newest key.
pub struct TokenIssuer {
    key: std::sync::Arc<SigningKey>,
    issuer: String,
}

impl TokenIssuer {
    pub fn new(key: std::sync::Arc<SigningKey>, issuer: &str) -> Self {
        Self { key, issuer: issuer.to_owned() }
    }

    /// The signed token and when it ends.
    pub fn issue(&self, spec: &TokenSpec, now: Timestamp) -> Result<(String, Timestamp), PkiError> {
        let issued = now.as_second();
        let expires = issued.saturating_add(spec.expires_in_seconds);
        let claims = Claims {
            aud: spec.audiences.clone(),
            exp: expires,
            iat: issued,
            iss: self.issuer.clone(),
            jti: random_uuid(),
            kubernetes: KubernetesClaims {
                namespace: spec.namespace.clone(),
                serviceaccount: spec.account.clone(),
                pod: spec.pod.clone(),
                secret: spec.secret.clone(),
                node: spec.node.clone(),
            },
            nbf: issued,
            sub: service_account_user_name(&spec.namespace, &spec.account.name),
        };
        Ok((self.sign(&claims)?, Timestamp::from_second(expires).unwrap_or(Timestamp::MAX)))
    }

    /// The token that a secret of `namespace` keeps for an account.
    pub fn issue_for_secret(&self, namespace: &str, account: &BoundObject, secret: &str) -> Result<String, PkiError> {
        self.sign(&SecretClaims {
            iss: SECRET_ISSUER.to_owned(),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            account: account.name.clone(),
            account_uid: account.uid.clone(),
            sub: service_account_user_name(namespace, &account.name),
        })
    }

    fn sign(&self, claims: &impl serde::Serialize) -> Result<String, PkiError> {
        let header = Header { kid: Some(self.key.id.clone()), ..Header::new(Algorithm::ES256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.key.encoding)?)
    }
}

fn random_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
