//! A certificate request names who made it, whatever it says itself: signers decide by that.

use async_trait::async_trait;
use gantry_meta::{Object, Status, Value};

use crate::{Attributes, CreationPlugin, tree};

/// Writes the user into `spec` of a new CertificateSigningRequest.
pub struct CertificateRequester;

#[async_trait]
impl CreationPlugin for CertificateRequester {
    fn name(&self) -> &'static str {
        "CertificateRequester"
    }

    fn resource(&self) -> (&'static str, &'static str) {
        ("certificates.k8s.io", "certificatesigningrequests")
    }

    async fn complete(&self, attributes: &Attributes<'_>, request: &mut Object) -> Result<(), Status> {
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
