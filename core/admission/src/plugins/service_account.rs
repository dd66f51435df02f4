//! A pod runs as a service account of its namespace and finds its token in a volume.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status, Value};
use rand::Rng as _;
use serde_json::json;

use crate::{Attributes, ClusterView, CreationPlugin, tree};

const DEFAULT_ACCOUNT: &str = "default";
/// What the names of volumes that hold a token begin with.
const TOKEN_VOLUME_PREFIX: &str = "kube-api-access-";
const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour and seven seconds, as upstream: the odd number tells these tokens from others.
const TOKEN_SECONDS: u32 = 3607;
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// The account `default` is made by a controller just after its namespace: wait for it this long before refusing.
const DEFAULT_ACCOUNT_TRIES: u32 = 10;
const DEFAULT_ACCOUNT_PAUSE: Duration = Duration::from_millis(100);

pub struct ServiceAccount {
    view: Arc<dyn ClusterView>,
}

impl ServiceAccount {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn account(&self, attributes: &Attributes<'_>, name: &str) -> Result<Object, Status> {
        let namespace = attributes.namespace;
        if let Some(found) = self.view.get("", "serviceaccounts", namespace, name).await? {
            return Ok(found);
        }
        let tries = if name == DEFAULT_ACCOUNT { DEFAULT_ACCOUNT_TRIES } else { 1 };
        for attempt in 0..tries {
            if attempt > 0 {
                tokio::time::sleep(DEFAULT_ACCOUNT_PAUSE).await;
            }
            if let Some(found) = self.view.get_newest("", "serviceaccounts", namespace, name).await? {
                return Ok(found);
            }
        }
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        Err(attributes.forbidden(why))
    }
}

/// Pods that mirror a node's static ones bring everything along and may use no account.
fn check_mirror(attributes: &Attributes<'_>, pod: &Object) -> Result<(), Status> {
    let named = tree::spec(pod).is_some_and(|spec| !tree::text(spec, "serviceAccountName").is_empty());
    if named { Err(attributes.forbidden("a mirror pod may not reference service accounts")) } else { Ok(()) }
}

fn wants_token(spec: &Object, account: &Object) -> bool {
    let choice = |object: &Object| object.get("automountServiceAccountToken").and_then(Value::as_bool);
    choice(spec).or_else(|| choice(account)).unwrap_or(true)
}

fn mounts_token(container: &Value) -> bool {
    let mounts = container.get("volumeMounts").and_then(Value::as_array);
    let at_path = |mount: &Value| mount.get("mountPath").and_then(Value::as_str) == Some(TOKEN_MOUNT_PATH);
    mounts.into_iter().flatten().any(at_path)
}

/// Five letters and digits of those that generated names are made of.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = rand::rng();
    (0..5).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}})
}

/// The name of the volume that a copy of an admitted pod brings along.
fn token_volume_name(spec: &Object) -> Option<String> {
    let mut names = tree::items(spec, "volumes").filter_map(Value::as_object).map(|volume| tree::text(volume, "name"));
    names.find(|name| name.starts_with(TOKEN_VOLUME_PREFIX)).map(str::to_owned)
}

/// Mounts the token where nothing is mounted at its path, from a volume that is added unless there is one.
fn mount_token(spec: &mut Object) {
    let brought = token_volume_name(spec);
    let adds_volume = brought.is_none();
    let name = brought.unwrap_or_else(|| format!("{TOKEN_VOLUME_PREFIX}{}", random_suffix()));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for container in containers.filter(|c| !mounts_token(c)) {
            let Some(container) = container.as_object_mut() else { continue };
            let mount = json!({"name": &name, "readOnly": true, "mountPath": TOKEN_MOUNT_PATH});
            tree::list_mut(container, "volumeMounts").push(mount);
            mounted = true;
        }
    }
    if mounted && adds_volume {
        tree::list_mut(spec, "volumes").push(token_volume(&name));
    }
}

#[async_trait]
impl CreationPlugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn resource(&self) -> (&'static str, &'static str) {
        ("", "pods")
    }

    async fn complete(&self, attributes: &Attributes<'_>, pod: &mut Object) -> Result<(), Status> {
        if pod.annotations().is_some_and(|a| a.contains_key(MIRROR_ANNOTATION)) {
            return check_mirror(attributes, pod);
        }
        let spec = tree::object_mut(pod, "spec");
        let name = match tree::text(spec, "serviceAccountName") {
            "" => DEFAULT_ACCOUNT.to_owned(),
            named => named.to_owned(),
        };
        let account = self.account(attributes, &name).await?;
        if wants_token(spec, &account) {
            mount_token(spec);
        }
        if tree::items(spec, "imagePullSecrets").next().is_none()
            && let Some(secrets @ Value::Array(_)) = account.get("imagePullSecrets")
        {
            spec.insert("imagePullSecrets".into(), secrets.clone());
        }
        // The older field is the same on the wire.
        spec.insert("serviceAccount".into(), name.clone().into());
        spec.insert("serviceAccountName".into(), name.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(spec: Value) -> Object {
        let Value::Object(mut spec) = spec else { panic!("a spec is an object") };
        mount_token(&mut spec);
        spec
    }

    #[test]
    fn a_copy_of_an_admitted_pod_mounts_the_volume_that_it_brings() {
        let first = admitted(json!({"containers": [{"name": "main"}]}));
        let brought = first["volumes"][0]["name"].clone();
        let mut copy = Value::Object(first);
        copy["containers"].as_array_mut().expect("containers").push(json!({"name": "debugger"}));
        let copied = admitted(copy);
        assert_eq!(copied["volumes"].as_array().map(Vec::len), Some(1));
        assert_eq!(copied["containers"][1]["volumeMounts"][0]["name"], brought);
    }

    #[test]
    fn a_pod_that_mounts_something_at_the_tokens_path_gets_no_volume() {
        let own = json!([{"name": "mine", "mountPath": TOKEN_MOUNT_PATH}]);
        let spec = admitted(json!({"containers": [{"name": "a", "volumeMounts": own}]}));
        assert!(!spec.contains_key("volumes"));
    }
}
