//! Every namespace has a ConfigMap with the certificate that pods verify the API server by.

use std::collections::BTreeMap;

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, Metadata, Ops, Outcome, Plugin, Reader, Watch,
    resource::{CONFIG_MAPS, NAMESPACES},
};
use serde::Deserialize;
use serde_json::json;

const NAME: &str = "kube-root-ca.crt";
const MEMBER: &str = "ca.crt";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// PEM, one or more certificates.
    pub ca_certificate: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigMap {
    metadata: Metadata,
    data: BTreeMap<String, String>,
}

/// Named as upstream names it: its account carries the name.
pub struct RootCaPublisher {
    certificate: String,
}

impl Plugin for RootCaPublisher {
    const ID: &'static str = "root-ca-cert-publisher";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","required":["caCertificate"],"additionalProperties":false,"properties":{"caCertificate":{"type":"string","minLength":1}}}"#;
    type Config = Config;

    fn new(_: HostRef<'_>, config: Config) -> Result<Self, String> {
        Ok(Self { certificate: config.ca_certificate })
    }
}

impl Controller for RootCaPublisher {
    const WATCHES: &'static [Watch] = &[Watch::primary(NAMESPACES), Watch::mapped(CONFIG_MAPS)];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, _: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let ours = event.latest().filter(|o| o.name == NAME && event.old.is_some());
        Ok(ours.map(|o| Key::of("", o.namespace)).into_iter().collect())
    }

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(namespace) = read.find(&NAMESPACES, "", &key.name)? else { return Ok(Outcome::Done) };
        if namespace.metadata()?.is_terminating() {
            return Ok(Outcome::Done);
        }
        let mut wanted = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": key.name, "annotations": {"kubernetes.io/description": DESCRIPTION}},
            "data": {MEMBER: self.certificate}});
        match read.get::<ConfigMap>(&CONFIG_MAPS, &key.name, NAME)? {
            None => ops.create(&CONFIG_MAPS, &key.name, &wanted).ignore_exists().done(),
            Some(there) if there.data.get(MEMBER) != Some(&self.certificate) || there.data.len() != 1 => {
                wanted["metadata"]["resourceVersion"] = there.metadata.resource_version.into();
                ops.update(&CONFIG_MAPS, &key.name, NAME, &wanted).done();
            }
            Some(_) => {}
        }
        Ok(Outcome::Done)
    }
}
