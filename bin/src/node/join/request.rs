//! One certificate signing request: made, and waited for until somebody has signed or denied it.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gantry_auth::pki::{IssuedCertificate, NewRequest};
use gantry_client::{ClientConfig, RestClient};
use gantry_meta::GroupVersionResource;
use gantry_runtime::{ObjectSink, ObjectSource, WriteTarget};
use serde_json::{Value, json};

use crate::object_wait;

/// What is asked of which signer.
pub struct Asked {
    request: NewRequest,
    signer: &'static str,
    usage: &'static str,
}

impl Asked {
    pub fn client(request: NewRequest) -> Self {
        Self { request, signer: "kubernetes.io/kube-apiserver-client", usage: "client auth" }
    }

    pub fn node_client(request: NewRequest) -> Self {
        Self { request, signer: "kubernetes.io/kube-apiserver-client-kubelet", usage: "client auth" }
    }

    pub fn node_serving(request: NewRequest) -> Self {
        Self { request, signer: "kubernetes.io/kubelet-serving", usage: "server auth" }
    }

    fn object(&self) -> Value {
        json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "csr-"},
            "spec": {
                "request": BASE64_STANDARD.encode(&self.request.request_pem),
                "signerName": self.signer,
                "usages": ["digital signature", self.usage],
            },
        })
    }
}

/// Asks as somebody who may make requests and read them.
pub struct Requester {
    source: Arc<dyn ObjectSource>,
    sink: Arc<dyn ObjectSink>,
}

enum Outcome {
    Signed(String),
    Refused(String),
}

impl Requester {
    /// # Errors
    /// If the credentials cannot be used.
    pub fn new(client: ClientConfig) -> Result<Self> {
        let client = Arc::new(RestClient::new(client.user_agent("gantry-node"))?);
        Ok(Self { source: client.clone(), sink: client })
    }

    pub fn of(source: Arc<dyn ObjectSource>, sink: Arc<dyn ObjectSink>) -> Self {
        Self { source, sink }
    }

    /// Waits for as long as nobody decides.
    ///
    /// # Errors
    /// If the request is refused, denied or fails.
    pub async fn obtain(&self, asked: Asked) -> Result<IssuedCertificate> {
        let resource = GroupVersionResource::new("certificates.k8s.io", "v1", "certificatesigningrequests");
        let target = WriteTarget::new(&resource, "", "");
        let made = self.sink.create(&target, Bytes::from(asked.object().to_string())).await?;
        tracing::info!(request = made.name, signer = asked.signer, "waiting for a certificate");
        match object_wait::until(&*self.source, &resource, &made.name, outcome).await? {
            Outcome::Signed(encoded) => {
                let pem = BASE64_STANDARD.decode(encoded).context("the certificate is not base64")?;
                Ok(asked.request.answered(String::from_utf8(pem).context("the certificate is not PEM")?))
            }
            Outcome::Refused(why) => bail!("the certificate signing request {} was refused: {why}", made.name),
        }
    }
}

fn outcome(request: &Value) -> Option<Outcome> {
    let certificate = request["status"]["certificate"].as_str().filter(|certificate| !certificate.is_empty());
    if let Some(certificate) = certificate {
        return Some(Outcome::Signed(certificate.to_owned()));
    }
    let conditions = request["status"]["conditions"].as_array();
    let refused = conditions.into_iter().flatten().find(|c| c["type"] == "Denied" || c["type"] == "Failed")?;
    Some(Outcome::Refused(refused["message"].as_str().unwrap_or_default().to_owned()))
}
