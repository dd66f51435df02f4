//! A certificate request names who made it, whatever it says itself: signers decide by that.

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value};

use crate::{Attributes, MutatingPlugin, Operation, tree};

/// Writes the user into `spec` of a new CertificateSigningRequest.
pub struct CertificateRequester;

#[async_trait]
impl MutatingPlugin for CertificateRequester {
    fn name(&self) -> &'static str {
        "CertificateRequester"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is("certificates.k8s.io", "certificatesigningrequests")
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(request) = object else { return Ok(()) };
        let spec = tree::object_mut(request, "spec");
        for member in ["username", "uid", "groups", "extra"] {
            spec.remove(member);
        }
        if let Value::Object(user) = attributes.user.to_json() {
            spec.extend(user);
        }
        Ok(())
    }
}
