//! EndpointSlices as their controllers read and write them. Source: API reference, discovery.k8s.io/v1.

use std::collections::BTreeMap;

use gantry_plugin::{Failure, Key, Metadata, Ops, Query, Reader, resource::ENDPOINT_SLICES};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{EndpointPort, TargetRef};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Slice {
    pub metadata: Metadata,
    pub address_type: String,
    pub endpoints: Option<Vec<Endpoint>>,
    pub ports: Option<Vec<EndpointPort>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    pub addresses: Vec<String>,
    pub conditions: Conditions,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<TargetRef>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
}

/// Of endpoints that users wrote down, only `ready` is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Conditions {
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<bool>,
}

impl Slice {
    /// The slices of the service `key` that `controller` keeps.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn kept_by(controller: &str, key: &Key, read: &Reader<'_>) -> Result<Vec<Self>, Failure> {
        let selector = format!("{SERVICE_NAME}={},{MANAGED_BY}={controller}", key.name);
        read.list(&Query::within(&ENDPOINT_SLICES, &key.namespace).labels(&selector))
    }

    pub fn delete(&self, ops: &mut Ops) {
        let meta = &self.metadata;
        ops.delete(&ENDPOINT_SLICES, &meta.namespace, &meta.name).expect_uid(&meta.uid).done();
    }
}

/// The labels of `controller`'s slices for the owner: its own, and what they are found by.
pub fn labels(controller: &str, owner: &Metadata) -> BTreeMap<String, String> {
    let mut labels = owner.labels.clone();
    labels.insert(SERVICE_NAME.into(), owner.name.clone());
    labels.insert(MANAGED_BY.into(), controller.into());
    labels
}

/// All that a slice shall say.
pub struct Wanted<'a> {
    /// `Service` or `Endpoints`, of v1.
    pub owner_kind: &'static str,
    pub owner: &'a Metadata,
    pub labels: &'a BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub address_type: &'a str,
    pub endpoints: &'a [Endpoint],
    pub ports: &'a [EndpointPort],
}

impl Wanted<'_> {
    /// Makes the slice, or makes one that is there say the same.
    pub fn put(&self, existing: Option<&Slice>, ops: &mut Ops) {
        let mut object = self.object();
        let namespace = &self.owner.namespace;
        match existing.map(|slice| &slice.metadata) {
            Some(meta) => {
                object["metadata"]["name"] = meta.name.clone().into();
                object["metadata"]["resourceVersion"] = meta.resource_version.clone().into();
                ops.update(&ENDPOINT_SLICES, namespace, &meta.name, &object).done();
            }
            None => ops.create(&ENDPOINT_SLICES, namespace, &object).done(),
        }
    }

    fn object(&self) -> Value {
        let Self { owner_kind, owner, labels, annotations, address_type, endpoints, ports } = self;
        let reference = json!({"apiVersion": "v1", "kind": owner_kind, "name": owner.name, "uid": owner.uid,
            "controller": true, "blockOwnerDeletion": true});
        // An update states all of an object, what its name was made from as well: what is left out is lost.
        let mut metadata = json!({"namespace": owner.namespace, "generateName": format!("{}-", owner.name),
            "labels": labels, "ownerReferences": [reference]});
        if !annotations.is_empty() {
            metadata["annotations"] = json!(annotations);
        }
        let list = |empty: bool, value: Value| if empty { Value::Null } else { value };
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
            "addressType": address_type, "endpoints": list(endpoints.is_empty(), json!(endpoints)),
            "ports": list(ports.is_empty(), json!(ports))})
    }
}
