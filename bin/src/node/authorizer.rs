//! Who may use a node's kubelet API: the API server is asked, as a kubelet asks it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gantry_agent::KubeletAuthorizer;
use gantry_auth::pki::ClientCertificates;
use gantry_meta::GroupVersionResource;
use gantry_runtime::{ObjectSink, WriteTarget};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

/// Members of this group need not be asked about.
const MASTERS: &str = "system:masters";

pub struct DelegatedAuthorizer {
    certificates: ClientCertificates,
    node: String,
    sink: Arc<dyn ObjectSink>,
}

struct Caller {
    name: String,
    groups: Vec<String>,
}

impl DelegatedAuthorizer {
    pub fn new(certificates: ClientCertificates, node: String, sink: Arc<dyn ObjectSink>) -> Self {
        Self { certificates, node, sink }
    }

    async fn review(&self, group: &str, resource: &str, spec: Value) -> Option<Value> {
        let target = WriteTarget::new(&GroupVersionResource::new(group, "v1", resource), "", "");
        let kind = if resource == "tokenreviews" { "TokenReview" } else { "SubjectAccessReview" };
        let body = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec});
        match self.sink.create(&target, Bytes::from(body.to_string())).await {
            Ok(answer) => serde_json::from_slice::<Value>(&answer.json).ok()?.get("status").cloned(),
            Err(error) => {
                tracing::warn!(%error, "a caller of the kubelet API could not be reviewed");
                None
            }
        }
    }

    async fn caller(&self, certificate: Option<&[u8]>, token: Option<&str>) -> Option<Caller> {
        if let Some(der) = certificate {
            let user = self.certificates.identify(&[CertificateDer::from(der)], Timestamp::now())?;
            return Some(Caller { name: user.user.name.clone(), groups: user.user.groups.clone() });
        }
        let status = self.review("authentication.k8s.io", "tokenreviews", json!({"token": token?})).await?;
        if status["authenticated"] != true {
            return None;
        }
        let groups = status["user"]["groups"].as_array().into_iter().flatten();
        Some(Caller {
            name: status["user"]["username"].as_str()?.to_owned(),
            groups: groups.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

#[async_trait]
impl KubeletAuthorizer for DelegatedAuthorizer {
    async fn allows(
        &self,
        client_certificate: Option<&[u8]>,
        bearer_token: Option<&str>,
        verb: &str,
        subresource: &str,
    ) -> bool {
        let Some(caller) = self.caller(client_certificate, bearer_token).await else { return false };
        if caller.groups.iter().any(|group| group == MASTERS) {
            return true;
        }
        let attributes = json!({"verb": verb, "resource": "nodes", "subresource": subresource, "name": self.node});
        let spec = json!({"user": caller.name, "groups": caller.groups, "resourceAttributes": attributes});
        let status = self.review("authorization.k8s.io", "subjectaccessreviews", spec).await;
        status.is_some_and(|status| status["allowed"] == true)
    }
}
