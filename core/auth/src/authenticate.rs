//! Who a request comes from: a client certificate wins over a bearer token; neither counts as anonymous.

use std::sync::Arc;

use gantry_meta::{Reason, Status};
use hashbrown::HashMap;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::{
    UserInfo,
    pki::{CertificateUser, ClientCertificates},
    token::{TokenVerifier, VerifiedToken},
};

/// Looks up bootstrap tokens, `ID.SECRET`.
pub trait BootstrapTokens: Send + Sync {
    fn user_of(&self, id: &str, secret: &str, now: Timestamp) -> Option<UserInfo>;
}

/// What the connection's certificate came to; settled once a connection by [`Authenticator::peer`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Peer {
    /// No certificate was shown.
    #[default]
    Nobody,
    Known(CertificateUser),
    /// A certificate that our authority did not issue, or that is not for clients.
    Stranger,
}

/// What a request brings as proof.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    pub peer: &'a Peer,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// Turns credentials into a user.
pub struct Authenticator {
    certificates: ClientCertificates,
    tokens: TokenVerifier,
    bootstrap: Arc<dyn BootstrapTokens>,
    /// Fixed tokens by their SHA-256.
    fixed: HashMap<[u8; 32], UserInfo>,
    audiences: Vec<String>,
}

impl Authenticator {
    /// `audiences`: those that a token for this server may name.
    pub fn new(
        certificates: ClientCertificates,
        tokens: TokenVerifier,
        bootstrap: Arc<dyn BootstrapTokens>,
        audiences: Vec<String>,
    ) -> Self {
        Self { certificates, tokens, bootstrap, fixed: HashMap::new(), audiences }
    }

    /// Accepts one more fixed token, for example an administrator's from a file.
    #[must_use]
    pub fn with_fixed_token(mut self, token: &str, user: UserInfo) -> Self {
        self.fixed.insert(Sha256::digest(token).into(), user);
        self
    }

    /// The audiences of tokens that name none.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Judges the certificate chain of a new connection (`None`: none was shown).
    pub fn peer(&self, chain: Option<&[CertificateDer<'_>]>, now: Timestamp) -> Peer {
        match chain {
            None | Some([]) => Peer::Nobody,
            Some(chain) => self.certificates.identify(chain, now).map_or(Peer::Stranger, Peer::Known),
        }
    }

    /// The user of a request; anonymous without credentials (or with a scheme that is not `Bearer`). Bad credentials are 401.
    pub fn authenticate(&self, credentials: Credentials<'_>, now: Timestamp) -> Result<UserInfo, Box<Status>> {
        let bad_certificate = match credentials.peer {
            Peer::Known(known) if now < known.expires_at => return Ok(known.user.clone()),
            Peer::Nobody => false,
            Peer::Known(_) | Peer::Stranger => true,
        };
        match credentials.authorization.and_then(bearer) {
            Some(token) => self.authenticate_bearer(token, now).ok_or_else(unauthorized),
            None if bad_certificate => Err(unauthorized()),
            None => Ok(UserInfo::anonymous()),
        }
    }

    fn authenticate_bearer(&self, token: &str, now: Timestamp) -> Option<UserInfo> {
        Some(self.token_user(token, &self.audiences, now)?.user)
    }

    /// Whose token it is, for one of `audiences`; for token reviews.
    pub fn token_user(&self, token: &str, audiences: &[String], now: Timestamp) -> Option<VerifiedToken> {
        if TokenVerifier::looks_like_token(token) {
            return self.tokens.verify(token, audiences, now).ok();
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let user = match self.fixed.get(&digest) {
            Some(user) => user.clone(),
            None => {
                let (id, secret) = token.split_once('.')?;
                self.bootstrap.user_of(id, secret, now)?
            }
        };
        // These name no audience: they are for this server.
        let audiences: Vec<String> = audiences.iter().filter(|aud| self.audiences.contains(aud)).cloned().collect();
        (!audiences.is_empty()).then_some(VerifiedToken { user, audiences })
    }
}

/// The token of `Bearer TOKEN`; an empty one, or another scheme, is `None`.
fn bearer(header: &str) -> Option<&str> {
    let mut words = header.trim().split(' ');
    let scheme = words.next()?;
    let token = words.next()?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The 401 without details that answers bad credentials.
pub fn unauthorized() -> Box<Status> {
    Box::new(Status::failure(Reason::Unauthorized, "Unauthorized"))
}

/// Compares secrets by their digests, so that the time taken tells nothing about where they differ.
pub(crate) fn same_secret(a: &str, b: &str) -> bool {
    Sha256::digest(a) == Sha256::digest(b)
}

#[cfg(test)]
mod tests {
    use gantry_meta::{Object, Value};
    use serde_json::json;

    use super::*;
    use crate::{
        AccessStore,
        pki::{CertificateAuthority, Validity},
        token::{AccountState, BoundObject, DEFAULT_ISSUER, SigningKey, TokenIssuer, TokenSpec},
    };

    /// The uid of the one account there is; empty: none.
    #[derive(Default)]
    struct OneAccount(parking_lot::Mutex<&'static str>);

    impl AccountState for OneAccount {
        fn uid_is(&self, _resource: &str, _namespace: &str, bound: &BoundObject) -> bool {
            bound.uid == *self.0.lock()
        }

        fn pod_deleted_at(&self, _namespace: &str, _name: &str) -> Option<Timestamp> {
            None
        }

        fn secret_token(&self, _namespace: &str, _name: &str) -> Option<String> {
            None
        }
    }

    struct Fixture {
        authority: CertificateAuthority,
        stranger: CertificateAuthority,
        issuer: TokenIssuer,
        store: Arc<AccessStore>,
        account: Arc<OneAccount>,
        authenticator: Authenticator,
    }

    fn object(value: Value) -> Object {
        value.as_object().cloned().expect("an object")
    }

    fn fixture() -> Fixture {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(ours.path(), now).unwrap();
        let stranger = CertificateAuthority::load_or_create(theirs.path(), now).unwrap();
        let key = Arc::new(SigningKey::load_or_create(ours.path()).unwrap());
        let store = Arc::new(AccessStore::default());
        let account = Arc::new(OneAccount::default());
        let verifier = TokenVerifier::new(vec![key.clone()], DEFAULT_ISSUER, account.clone());
        let certificates = ClientCertificates::new(authority.certificate_pem()).unwrap();
        let authenticator = Authenticator::new(certificates, verifier, store.clone(), vec![DEFAULT_ISSUER.into()])
            .with_fixed_token("letmein", UserInfo::new("admin", &["system:masters"]));
        Fixture { authority, stranger, issuer: TokenIssuer::new(key, DEFAULT_ISSUER), store, account, authenticator }
    }

    impl Fixture {
        fn ask(&self, peer: &Peer, authorization: Option<&str>) -> Result<UserInfo, u16> {
            self.authenticator
                .authenticate(Credentials { peer, authorization }, Timestamp::now())
                .map_err(|status| status.code)
        }

        fn peer(&self, authority: &CertificateAuthority) -> Peer {
            let chain =
                authority.issue_client("jane", None, Validity::days(Timestamp::now(), 1)).unwrap().chain().unwrap();
            self.authenticator.peer(Some(&chain), Timestamp::now())
        }
    }

    #[test]
    fn a_certificate_wins_over_a_token_and_a_strangers_counts_for_nothing() {
        let f = fixture();
        assert_eq!(f.ask(&f.peer(&f.authority), Some("Bearer nonsense")).unwrap().name, "jane");
        let stranger = f.peer(&f.stranger);
        assert_eq!(f.ask(&stranger, None), Err(401));
        assert_eq!(f.ask(&stranger, Some("Bearer letmein")).unwrap().name, "admin");
    }

    #[test]
    fn other_schemes_are_anonymous_and_bad_tokens_are_401() {
        let f = fixture();
        for header in [None, Some("Basic dTpw"), Some("Token x"), Some("Bearer "), Some("Bearer")] {
            assert!(f.ask(&Peer::Nobody, header).unwrap().is_anonymous(), "{header:?}");
        }
        for header in ["Bearer nonsense", "bearer a.b.c", "Bearer letmein, x"] {
            assert_eq!(f.ask(&Peer::Nobody, Some(header)), Err(401), "{header}");
        }
        assert_eq!(f.ask(&Peer::Nobody, Some("bearer letmein")).unwrap().name, "admin");
    }

    #[test]
    fn a_service_account_token_holds_while_its_account_exists() {
        let f = fixture();
        let account = BoundObject { name: "robot".into(), uid: "u-1".into() };
        let spec = TokenSpec {
            namespace: "ns".into(),
            account,
            audiences: vec![DEFAULT_ISSUER.into()],
            expires_in_seconds: 600,
            pod: None,
            secret: None,
            node: None,
        };
        let (token, _) = f.issuer.issue(&spec, Timestamp::now()).unwrap();
        let header = format!("Bearer {token}");
        assert_eq!(f.ask(&Peer::Nobody, Some(&header)), Err(401));
        *f.account.0.lock() = "u-1";
        assert_eq!(f.ask(&Peer::Nobody, Some(&header)).unwrap().uid, "u-1");
        *f.account.0.lock() = "u-2";
        assert_eq!(f.ask(&Peer::Nobody, Some(&header)), Err(401));
    }

    #[test]
    fn a_bootstrap_token_holds_while_its_secret_does() {
        let f = fixture();
        let encoded = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
        let secret = object(json!({"type": "bootstrap.kubernetes.io/token", "data": {
            "token-id": encoded("abcdef"), "token-secret": encoded("0123456789abcdef"),
            "usage-bootstrap-authentication": encoded("true"), "auth-extra-groups": encoded("system:bootstrappers:x")}}));
        f.store.apply("", "secrets", "kube-system", "bootstrap-token-abcdef", Some(&secret));
        let user = f.ask(&Peer::Nobody, Some("Bearer abcdef.0123456789abcdef")).unwrap();
        assert_eq!(user.name, "system:bootstrap:abcdef");
        assert_eq!(user.groups, ["system:bootstrappers", "system:bootstrappers:x", "system:authenticated"]);
        assert_eq!(f.ask(&Peer::Nobody, Some("Bearer abcdef.fedcba9876543210")), Err(401));
        f.store.apply("", "secrets", "kube-system", "bootstrap-token-abcdef", None);
        assert_eq!(f.ask(&Peer::Nobody, Some("Bearer abcdef.0123456789abcdef")), Err(401));
    }
}
