//! Checking tokens: signature and claims once (cached), validity in time and of what they are bound to at each use.

use std::{sync::Arc, time::Duration};

use gantry_meta::Value;
use hashbrown::HashMap;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    BoundObject, Claims, SigningKey,
    claims::{SECRET_ISSUER, SecretClaims},
};
use crate::{
    UserInfo,
    user::{GROUP_AUTHENTICATED, UserFields, service_account_groups},
};

/// Tokens whose signature was checked; beyond it the cache starts anew. About 1 KiB each.
const CACHE_CAPACITY: usize = 8192;
/// A pod's token outlives the pod's deletion by this, for hooks that run at the end.
const DELETED_POD_GRACE: Duration = Duration::from_secs(60);

#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token of ours: malformed, another issuer, an unknown key, a wrong signature.
    #[error("the token is not one of this cluster's")]
    Unknown,
    #[error("the token has expired or is not valid yet")]
    Expired,
    #[error("the token is for another audience")]
    Audience,
    /// The account, pod, secret or node that the token is bound to is gone, or is another of the same name.
    #[error("what the token is bound to no longer exists")]
    BoundObjectGone,
}

/// What the verifier asks about what tokens are bound to.
pub trait AccountState: Send + Sync {
    /// The uid of the object now under that name. `resource` is `serviceaccounts`, `pods`, `secrets` or `nodes`.
    fn uid_is(&self, resource: &str, namespace: &str, bound: &BoundObject) -> bool;

    /// When a pod's deletion was asked for, if it was.
    fn pod_deleted_at(&self, namespace: &str, name: &str) -> Option<Timestamp>;

    /// The token in a secret.
    fn secret_token(&self, namespace: &str, name: &str) -> Option<String>;
}

/// A token that holds, for these of the audiences asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedToken {
    pub user: UserInfo,
    pub audiences: Vec<String>,
}

struct CachedToken {
    claims: AnyClaims,
    user: UserInfo,
}

enum AnyClaims {
    /// Of a token that was asked for.
    Bound(Box<Claims>),
    /// Of a token that stands in a secret.
    Secret(Box<SecretClaims>),
}

/// Verifies service-account tokens.
pub struct TokenVerifier {
    keys: Vec<Arc<SigningKey>>,
    issuer: String,
    state: Arc<dyn AccountState>,
    cache: RwLock<HashMap<[u8; 32], Arc<CachedToken>>>,
}

impl TokenVerifier {
    /// `keys`: the signing key and older ones whose tokens still count.
    pub fn new(keys: Vec<Arc<SigningKey>>, issuer: &str, state: Arc<dyn AccountState>) -> Self {
        Self { keys, issuer: issuer.to_owned(), state, cache: RwLock::default() }
    }

    /// Whether the text has the shape of a token at all; other bearers are somebody else's to judge.
    pub fn looks_like_token(text: &str) -> bool {
        text.split('.').count() == 3
    }

    /// Checks a token for one of `audiences`.
    pub fn verify(&self, token: &str, audiences: &[String], now: Timestamp) -> Result<VerifiedToken, TokenError> {
        let cached = self.signature_checked(token)?;
        let matching = match &cached.claims {
            AnyClaims::Bound(claims) => self.check(claims, audiences, now)?,
            AnyClaims::Secret(claims) => self.check_secret(claims, token, audiences)?,
        };
        Ok(VerifiedToken { user: cached.user.clone(), audiences: matching })
    }

    fn check(&self, claims: &Claims, audiences: &[String], now: Timestamp) -> Result<Vec<String>, TokenError> {
        if now.as_second() >= claims.exp || now.as_second() < claims.nbf {
            return Err(TokenError::Expired);
        }
        let matching: Vec<String> = claims.aud.iter().filter(|aud| audiences.contains(aud)).cloned().collect();
        if matching.is_empty() {
            return Err(TokenError::Audience);
        }
        self.check_bound(claims, now)?;
        Ok(matching)
    }

    /// Such a token is for the API server, and for as long as its secret holds it.
    fn check_secret(
        &self,
        claims: &SecretClaims,
        token: &str,
        audiences: &[String],
    ) -> Result<Vec<String>, TokenError> {
        if !audiences.contains(&self.issuer) {
            return Err(TokenError::Audience);
        }
        let account = BoundObject { name: claims.account.clone(), uid: claims.account_uid.clone() };
        let held = self.state.secret_token(&claims.namespace, &claims.secret).is_some_and(|held| held == token);
        let exists = held && self.state.uid_is("serviceaccounts", &claims.namespace, &account);
        if exists { Ok(vec![self.issuer.clone()]) } else { Err(TokenError::BoundObjectGone) }
    }

    fn signature_checked(&self, token: &str) -> Result<Arc<CachedToken>, TokenError> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.cache.read().get(&digest) {
            return Ok(known.clone());
        }
        let claims = self.decode(token)?;
        let user = match &claims {
            AnyClaims::Bound(claims) => user_of(claims),
            AnyClaims::Secret(claims) => user_of_secret(claims),
        };
        let checked = Arc::new(CachedToken { claims, user });
        let mut cache = self.cache.write();
        if cache.len() >= CACHE_CAPACITY {
            cache.clear();
        }
        cache.insert(digest, checked.clone());
        Ok(checked)
    }

    fn decode(&self, token: &str) -> Result<AnyClaims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Unknown)?;
        let key = self.keys.iter().find(|key| header.kid.as_deref() == Some(&*key.id)).ok_or(TokenError::Unknown)?;
        let mut validation = Validation::new(Algorithm::ES256);
        // Time and audience differ from use to use; both are checked by `verify`, on cached tokens too.
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        validation.required_spec_claims.clear();
        let data = jsonwebtoken::decode::<Value>(token, &key.decoding, &validation).map_err(|_| TokenError::Unknown)?;
        let issuer = data.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let read = if issuer == self.issuer {
            serde_json::from_value(data.claims).map(|claims| AnyClaims::Bound(Box::new(claims)))
        } else if issuer == SECRET_ISSUER {
            serde_json::from_value(data.claims).map(|claims| AnyClaims::Secret(Box::new(claims)))
        } else {
            return Err(TokenError::Unknown);
        };
        read.map_err(|_| TokenError::Unknown)
    }

    fn check_bound(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
        let bound = &claims.kubernetes;
        let namespace = &*bound.namespace;
        let mut exists = self.state.uid_is("serviceaccounts", namespace, &bound.serviceaccount);
        if let Some(pod) = &bound.pod {
            let lingering = self.state.pod_deleted_at(namespace, &pod.name).map(|at| at + DELETED_POD_GRACE);
            exists &= self.state.uid_is("pods", namespace, pod) && lingering.is_none_or(|end| now <= end);
        } else if let Some(node) = &bound.node {
            exists &= self.state.uid_is("nodes", "", node);
        }
        if let Some(secret) = &bound.secret {
            exists &= self.state.uid_is("secrets", namespace, secret);
        }
        if exists { Ok(()) } else { Err(TokenError::BoundObjectGone) }
    }
}

fn account_user(name: &str, uid: &str, namespace: &str) -> UserFields {
    let mut groups = service_account_groups(namespace);
    groups.push(GROUP_AUTHENTICATED.to_owned());
    UserFields { name: name.to_owned(), uid: uid.to_owned(), groups, ..UserFields::default() }
}

fn user_of_secret(claims: &SecretClaims) -> UserInfo {
    account_user(&claims.sub, &claims.account_uid, &claims.namespace).into()
}

fn user_of(claims: &Claims) -> UserInfo {
    let bound = &claims.kubernetes;
    let mut fields = account_user(&claims.sub, &bound.serviceaccount.uid, &bound.namespace);
    let mut say = |key: &str, value: String| {
        fields.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
    };
    say("credential-id", format!("JTI={}", claims.jti));
    for (object, name) in [(&bound.pod, "pod"), (&bound.node, "node")] {
        if let Some(object) = object {
            say(&format!("{name}-name"), object.name.clone());
            say(&format!("{name}-uid"), object.uid.clone());
        }
    }
    fields.into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::token::{DEFAULT_ISSUER, TokenIssuer, TokenSpec};

    /// Knows one account, one pod and no more; the pod's deletion time can be set.
    #[derive(Default)]
    struct State {
        pod_deleted_at: Option<Timestamp>,
        account_uid: &'static str,
        in_secret: String,
    }

    impl AccountState for State {
        fn uid_is(&self, resource: &str, _namespace: &str, bound: &BoundObject) -> bool {
            match resource {
                "serviceaccounts" => bound.uid == self.account_uid,
                "pods" => bound.uid == "p-1",
                _ => false,
            }
        }

        fn pod_deleted_at(&self, _namespace: &str, _name: &str) -> Option<Timestamp> {
            self.pod_deleted_at
        }

        fn secret_token(&self, _namespace: &str, name: &str) -> Option<String> {
            (name == "kept").then(|| self.in_secret.clone())
        }
    }

    fn key(folder: &Path) -> Arc<SigningKey> {
        Arc::new(SigningKey::load_or_create(folder).unwrap())
    }

    fn spec(pod: bool) -> TokenSpec {
        let named = |name: &str, uid: &str| BoundObject { name: name.into(), uid: uid.into() };
        TokenSpec {
            namespace: "ns".into(),
            account: named("robot", "a-1"),
            audiences: vec!["api".into(), "vault".into()],
            expires_in_seconds: 600,
            pod: pod.then(|| named("p", "p-1")),
            secret: None,
            node: None,
        }
    }

    fn verifier(key: &Arc<SigningKey>, state: State) -> TokenVerifier {
        TokenVerifier::new(vec![key.clone()], DEFAULT_ISSUER, Arc::new(state))
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + jiff::SignedDuration::from_secs(seconds)
    }

    fn api() -> Vec<String> {
        vec!["api".into()]
    }

    #[test]
    fn a_token_names_its_account_and_pod() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let (token, expires) = TokenIssuer::new(key.clone(), DEFAULT_ISSUER).issue(&spec(true), now()).unwrap();
        assert_eq!(expires, after(600));
        let judge = verifier(&key, State { account_uid: "a-1", ..State::default() });
        let verified = judge.verify(&token, &api(), now()).unwrap();
        assert_eq!(verified.audiences, ["api"]);
        assert_eq!(verified.user.name, "system:serviceaccount:ns:robot");
        assert_eq!(
            verified.user.groups,
            ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]
        );
        assert_eq!(verified.user.extra["authentication.kubernetes.io/pod-uid"], ["p-1"]);
        assert_eq!(judge.verify(&token, &api(), after(599)).unwrap().user, verified.user, "from the cache");
    }

    #[test]
    fn a_token_ends_and_begins() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let (token, _) = TokenIssuer::new(key.clone(), DEFAULT_ISSUER).issue(&spec(false), now()).unwrap();
        let judge = verifier(&key, State { account_uid: "a-1", ..State::default() });
        for at in [after(600), after(-1)] {
            assert_eq!(judge.verify(&token, &api(), at), Err(TokenError::Expired));
        }
    }

    #[test]
    fn a_token_for_another_audience_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let (token, _) = TokenIssuer::new(key.clone(), DEFAULT_ISSUER).issue(&spec(false), now()).unwrap();
        let judge = verifier(&key, State { account_uid: "a-1", ..State::default() });
        assert_eq!(judge.verify(&token, &["other".into()], now()), Err(TokenError::Audience));
    }

    #[test]
    fn a_token_dies_with_its_account_and_a_minute_after_its_pod() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let (token, _) = TokenIssuer::new(key.clone(), DEFAULT_ISSUER).issue(&spec(true), now()).unwrap();
        let other = verifier(&key, State { account_uid: "a-2", ..State::default() });
        assert_eq!(other.verify(&token, &api(), now()), Err(TokenError::BoundObjectGone));
        let deleted = verifier(&key, State { account_uid: "a-1", pod_deleted_at: Some(now()), ..State::default() });
        assert!(deleted.verify(&token, &api(), after(60)).is_ok());
        assert_eq!(deleted.verify(&token, &api(), after(61)), Err(TokenError::BoundObjectGone));
    }

    #[test]
    fn a_token_in_a_secret_holds_while_the_secret_and_its_account_do() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let account = BoundObject { name: "robot".into(), uid: "a-1".into() };
        let token = TokenIssuer::new(key.clone(), DEFAULT_ISSUER).issue_for_secret("ns", &account, "kept").unwrap();
        let with = |account_uid, in_secret: &str| {
            verifier(&key, State { account_uid, in_secret: in_secret.to_owned(), ..State::default() })
        };
        let ours = [DEFAULT_ISSUER.to_owned()];
        let verified = with("a-1", &token).verify(&token, &ours, after(3_000_000_000)).unwrap();
        assert_eq!((&*verified.user.name, &*verified.user.uid), ("system:serviceaccount:ns:robot", "a-1"));
        assert_eq!(with("a-1", &token).verify(&token, &api(), now()), Err(TokenError::Audience));
        for judge in [with("a-2", &token), with("a-1", "another")] {
            assert_eq!(judge.verify(&token, &ours, now()), Err(TokenError::BoundObjectGone));
        }
    }

    #[test]
    fn forged_tokens_are_refused() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key_pair = key(ours.path());
        let judge = verifier(&key_pair, State { account_uid: "a-1", ..State::default() });
        let (token, _) = TokenIssuer::new(key_pair.clone(), DEFAULT_ISSUER).issue(&spec(false), now()).unwrap();
        let (stranger, _) = TokenIssuer::new(key(theirs.path()), DEFAULT_ISSUER).issue(&spec(false), now()).unwrap();
        let (issuer, _) = TokenIssuer::new(key_pair, "https://elsewhere").issue(&spec(false), now()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let swapped = format!("{}.{}.{}", parts[0], stranger.split('.').nth(1).unwrap(), parts[2]);
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        for bad in [&stranger, &issuer, &swapped, &unsigned, &format!("{token}x"), "a.b.c", ""] {
            assert_eq!(judge.verify(bad, &api(), now()), Err(TokenError::Unknown), "{bad}");
        }
    }
}
