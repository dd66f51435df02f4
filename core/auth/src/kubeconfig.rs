//! The file that kubectl reads.

use std::path::Path;

use serde_json::{Value, json};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::pki::IssuedCertificate;

/// How a kubeconfig's user proves who they are.
#[derive(Clone)]
pub enum Credentials<'a> {
    ClientCertificate(&'a IssuedCertificate),
    Token(&'a str),
    /// A PEM file with certificate and key, which may be replaced while it is in use.
    File(&'a Path),
}

/// One cluster, one user, one context. All is embedded, a [`Credentials::File`] aside: the text works wherever it is copied.
/// JSON, which is YAML.
///
/// `server`: for example `https://10.0.0.1:6443`. `name` names cluster and context, `user` the user.
pub fn kubeconfig(name: &str, server: &str, authority_pem: &str, user: &str, credentials: &Credentials<'_>) -> String {
    let user_data = match credentials {
        Credentials::ClientCertificate(certificate) => json!({
            "client-certificate-data": BASE64_STANDARD.encode(&certificate.certificate_pem),
            "client-key-data": BASE64_STANDARD.encode(&certificate.key_pem),
        }),
        Credentials::Token(token) => json!({ "token": token }),
        Credentials::File(path) => json!({ "client-certificate": path, "client-key": path }),
    };
    let config: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": server,
            "certificate-authority-data": BASE64_STANDARD.encode(authority_pem),
        }}],
        "users": [{"name": user, "user": user_data}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
        "preferences": {},
    });
    format!("{config:#}\n")
}
