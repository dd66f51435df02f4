//! Secrets. Those for TLS are stored as they come, but whoever serves with them wants a key that fits its certificate.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gantry_auth::pki::check_key_pair;
use gantry_kinds::{Members as _, fields::core_v1::Secret};
use gantry_meta::{Object, Value};

use super::Strategy;

const TLS: &str = "kubernetes.io/tls";

pub(super) struct Secrets;

impl Strategy for Secrets {
    fn warnings(&self, secret: &Object) -> Vec<String> {
        if secret.text(Secret::TYPE) != TLS {
            return Vec::new();
        }
        let fits = check_key_pair(&decoded(secret, "tls.crt"), &decoded(secret, "tls.key"));
        fits.err().map(|error| format!("data: TLS clients and servers cannot use it: {error}")).into_iter().collect()
    }
}

/// The bytes of an entry, none if it is absent.
fn decoded(secret: &Object, key: &str) -> Vec<u8> {
    let base64 = secret.object(Secret::DATA).and_then(|data| data.get(key)).and_then(Value::as_str);
    STANDARD.decode(base64.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_for_tls_without_a_certificate_is_warned_about() {
        let warnings = |kind: &str| {
            let secret = json!({"type": kind, "data": {"tls.crt": "", "tls.key": ""}});
            Secrets.warnings(secret.as_object().unwrap()).len()
        };
        assert_eq!((warnings(TLS), warnings("Opaque")), (1, 0));
    }
}
