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

/// The client certificate of a text that [`kubeconfig`] made for this server and authority. `None`: it is no such text, or was
/// changed into one of something else.
pub fn certificate_of(text: &str, server: &str, authority_pem: &str) -> Option<IssuedCertificate> {
    let config: Value = serde_json::from_str(text).ok()?;
    let decode = |data: &Value| String::from_utf8(BASE64_STANDARD.decode(data.as_str()?).ok()?).ok();
    let (cluster, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
    let ours = cluster["server"] == server && decode(&cluster["certificate-authority-data"])? == authority_pem;
    let certificate_pem = decode(&user["client-certificate-data"])?;
    let key_pem = decode(&user["client-key-data"])?;
    ours.then_some(IssuedCertificate { certificate_pem, key_pem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_found_again_in_what_was_written_for_the_same_server_and_authority() {
        let certificate = IssuedCertificate { certificate_pem: "certificate".into(), key_pem: "key".into() };
        let text = kubeconfig("gantry", "https://a:1", "ca", "me", &Credentials::ClientCertificate(&certificate));
        assert!(certificate_of(&text, "https://a:1", "ca").is_some_and(|found| found == certificate));
        assert!(certificate_of(&text, "https://a:2", "ca").is_none());
        assert!(certificate_of(&text, "https://a:1", "another").is_none());
        let by_token = kubeconfig("gantry", "https://a:1", "ca", "me", &Credentials::Token("secret"));
        assert!(certificate_of(&by_token, "https://a:1", "ca").is_none());
        assert!(certificate_of("apiVersion: v1", "https://a:1", "ca").is_none());
    }
}
