//! The key that signs service-account tokens (ES256), and the documents that publish it.

use std::path::Path;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pki::{PkiError, write_private};

/// A P-256 key. Its id is the base64url SHA-256 of its public key, as the reference derives it.
pub struct SigningKey {
    pub(super) id: String,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    /// The uncompressed point: 0x04, 32 bytes of x, 32 of y.
    point: Vec<u8>,
}

impl SigningKey {
    /// Loads `sa.key` from `folder`, or makes it (0600).
    pub fn load_or_create(folder: &Path) -> Result<Self, PkiError> {
        let path = folder.join("sa.key");
        if let Some(pem) = crate::pki::read_if_there(&path)? {
            return Self::from_pem(&pem);
        }
        let pem = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?.serialize_pem();
        write_private(&path, pem.as_bytes())?;
        Self::from_pem(&pem)
    }

    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let pair = KeyPair::from_pem(pem)?;
        let point = pair.public_key_raw().to_vec();
        Ok(Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(pair.subject_public_key_info())),
            encoding: EncodingKey::from_ec_pem(pem.as_bytes())?,
            decoding: DecodingKey::from_ec_der(&point),
            point,
        })
    }

    fn jwk(&self) -> Value {
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = self.point[1..].split_at(32);
        json!({"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256", "x": part(x), "y": part(y)})
    }
}

/// `/openid/v1/jwks`, media type `application/jwk-set+json`.
pub fn jwks_document<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Value {
    json!({ "keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>() })
}

/// `/.well-known/openid-configuration`. `jwks_uri`: where the document of [`jwks_document`] is served.
pub fn openid_configuration(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
