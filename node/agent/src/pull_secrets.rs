//! Registry credentials from a pod's `imagePullSecrets`.

use gantry_cri::api::AuthConfig;
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::{pod::desired::DesiredPod, references::ReferencedObjects};

#[derive(Deserialize, Default)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default, Clone)]
struct Entry {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: String,
}

/// Credentials whose registry (and path, if one is given) fits the image, most specific first.
pub fn credentials(pod: &DesiredPod, references: &dyn ReferencedObjects, image: &str) -> Vec<AuthConfig> {
    let names = pod.spec().image_pull_secrets.iter().flatten();
    let secrets = names.filter_map(|reference| references.secret(pod.namespace(), &reference.name));
    let mut found: Vec<(String, Entry)> = secrets.flat_map(|secret| entries(&secret)).collect();
    found.retain(|(registry, _)| fits(registry, image));
    found.sort_by_key(|(registry, _)| std::cmp::Reverse(registry.len()));
    found.into_iter().map(|(_, entry)| auth_config(entry)).collect()
}

fn entries(secret: &k8s_openapi::api::core::v1::Secret) -> Vec<(String, Entry)> {
    let data = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    if let Some(bytes) = data(".dockerconfigjson") {
        return serde_json::from_slice::<DockerConfig>(bytes).unwrap_or_default().auths.into_iter().collect();
    }
    let legacy = data(".dockercfg").map(serde_json::from_slice::<BTreeMap<String, Entry>>);
    legacy.and_then(Result::ok).unwrap_or_default().into_iter().collect()
}

/// Without a server address: who fits was found here, and containerd takes none without a scheme.
fn auth_config(entry: Entry) -> AuthConfig {
    AuthConfig {
        username: entry.username,
        password: entry.password,
        auth: entry.auth,
        identity_token: entry.identitytoken,
        ..Default::default()
    }
}

/// Compares host and path prefix; docker.io goes by several names.
fn fits(registry: &str, image: &str) -> bool {
    let plain = registry.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let plain = plain.trim_end_matches("/v1").trim_end_matches("/v2");
    let first = image.split('/').next().unwrap_or_default();
    let has_host = image.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let full = if has_host { image.to_owned() } else { format!("docker.io/{image}") };
    let wanted = if plain == "index.docker.io" || plain == "registry-1.docker.io" { "docker.io" } else { plain };
    full.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['/', ':', '@']))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn registries_fit_by_host_and_path() {
        assert!(fits("https://index.docker.io/v1/", "busybox"));
        assert!(fits("registry.example", "registry.example/a/b:1"));
        assert!(fits("registry.example/a", "registry.example/a/b:1"));
        assert!(!fits("registry.example/c", "registry.example/a/b:1"));
        assert!(!fits("registry.example", "registry.example.org/a"));
    }
}
