//! Reading kubeconfig files. Exec and auth-provider plugins are not supported, and are named when met.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::{ClientConfig, ConfigError, Identity, Token};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    // The one member in camel case.
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

/// `folder`: what relative paths in the file start from.
pub(crate) fn parse(text: &str, folder: &Path, context: Option<&str>) -> Result<ClientConfig, ConfigError> {
    let file: File = serde_norway::from_str(text).map_err(|error| ConfigError::Kubeconfig(error.to_string()))?;
    let wanted = context.unwrap_or(&file.current_context);
    let missing = |what: &str, name: &str| ConfigError::Kubeconfig(format!("there is no {what} {name:?}"));
    let context = &file.contexts.iter().find(|c| c.name == wanted).ok_or_else(|| missing("context", wanted))?.context;
    let cluster = file.clusters.iter().find(|c| c.name == context.cluster);
    let cluster = &cluster.ok_or_else(|| missing("cluster", &context.cluster))?.cluster;
    let user = file.users.iter().find(|u| u.name == context.user).ok_or_else(|| missing("user", &context.user))?;
    let mut config = ClientConfig::new(&cluster.server, &authority(cluster, folder)?);
    config.server_name.clone_from(&cluster.tls_server_name);
    Ok(config.identity(identity(&user.user, folder)?).token(token(&user.user, folder)?))
}

fn authority(cluster: &Cluster, folder: &Path) -> Result<String, ConfigError> {
    match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => decoded(data, "certificate-authority-data"),
        (None, Some(path)) => {
            let path = folder.join(path);
            fs::read_to_string(&path).map_err(|source| ConfigError::File { path, source })
        }
        (None, None) => Err(ConfigError::Kubeconfig("the cluster names no certificate authority".into())),
    }
}

fn identity(user: &User, folder: &Path) -> Result<Identity, ConfigError> {
    let data = |data: &str, what| decoded(data, what);
    let text = |path: &Path| {
        let path = folder.join(path);
        fs::read_to_string(&path).map_err(|source| ConfigError::File { path, source })
    };
    if let (None, None, Some(certificate), Some(key)) =
        (&user.client_certificate_data, &user.client_key_data, &user.client_certificate, &user.client_key)
    {
        return Ok(Identity::Files { certificate: folder.join(certificate), key: folder.join(key) });
    }
    let certificate = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(given), _) => data(given, "client-certificate-data")?,
        (None, Some(path)) => text(path)?,
        (None, None) => return Ok(Identity::None),
    };
    let key = match (&user.client_key_data, &user.client_key) {
        (Some(given), _) => data(given, "client-key-data")?,
        (None, Some(path)) => text(path)?,
        (None, None) => return Err(ConfigError::Kubeconfig("the user has a certificate without a key".into())),
    };
    Ok(Identity::Pem { certificate, key })
}

fn token(user: &User, folder: &Path) -> Result<Token, ConfigError> {
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(ConfigError::Kubeconfig("users with exec or auth-provider are not supported".into()));
    }
    Ok(match (&user.token_file, &user.token) {
        (Some(path), _) => Token::file(folder.join(path)),
        (None, Some(token)) => Token::Fixed(token.clone()),
        (None, None) => Token::None,
    })
}

fn decoded(data: &str, what: &'static str) -> Result<String, ConfigError> {
    let bytes = BASE64_STANDARD.decode(data.trim()).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(ConfigError::Pem(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
apiVersion: v1
kind: Config
current-context: two
clusters:
- name: c
  cluster: {server: 'https://api.example:6443/', certificate-authority-data: Q0E=, tls-server-name: other}
contexts:
- {name: one, context: {cluster: c, user: cert}}
- {name: two, context: {cluster: c, user: token}}
- {name: three, context: {cluster: c, user: plugin}}
users:
- {name: cert, user: {client-certificate: a.crt, client-key: a.key}}
- {name: token, user: {token: secret}}
- {name: plugin, user: {exec: {command: x}}}
";

    #[test]
    fn the_current_context_or_the_one_named_is_taken() {
        let current = parse(YAML, Path::new("/etc/k"), None).unwrap();
        assert_eq!((&*current.server, &*current.authority_pem), ("https://api.example:6443", "CA"));
        assert_eq!(current.token.current().as_deref(), Some("secret"));
        let named = parse(YAML, Path::new("/etc/k"), Some("one")).unwrap();
        assert!(
            matches!(named.identity, Identity::Files { certificate, .. } if certificate == Path::new("/etc/k/a.crt"))
        );
    }

    #[test]
    fn what_is_missing_or_not_supported_is_named() {
        for (context, word) in [("four", "four"), ("three", "exec")] {
            let error = parse(YAML, Path::new("."), Some(context)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
