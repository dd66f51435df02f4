//! Rights on signers: who approves or signs for one needs the right to, besides that to the sub-resource.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_auth::{Attributes as Access, Authorizer, signing::CertificateRequest, user::GROUP_MASTERS};
use gantry_meta::{Object, Status, Value};

use crate::{Attributes, Operation, ValidatingPlugin, tree};

const GROUP: &str = "certificates.k8s.io";
const RESOURCE: &str = "certificatesigningrequests";
/// The signer whose certificates the API server takes for users.
const API_SERVER_CLIENT: &str = "kubernetes.io/kube-apiserver-client";

fn signer_name(request: &Object) -> &str {
    tree::spec(request).map(|spec| tree::text(spec, "signerName")).unwrap_or_default()
}

/// The right may be given for a signer, for all of a domain (`example.com/*`), or for all.
fn may(authorizer: &dyn Authorizer, attributes: &Attributes<'_>, verb: &str, signer: &str) -> Result<(), Status> {
    let ask = |name: &str| {
        authorizer.authorize(&Access::resource(attributes.user, verb, GROUP, "signers").at("", name)).is_allowed()
    };
    let domain = signer.split_once('/').map(|(domain, _)| format!("{domain}/*"));
    if ask(signer) || domain.is_some_and(|domain| ask(&domain)) {
        return Ok(());
    }
    Err(attributes.forbidden(format!("user not permitted to {verb} requests with signerName {signer:?}")))
}

/// An approval needs `approve` on the signer.
pub struct CertificateApproval(pub Arc<dyn Authorizer>);

#[async_trait]
impl ValidatingPlugin for CertificateApproval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update && attributes.is_sub(GROUP, RESOURCE, "approval")
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        _object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        old.map_or(Ok(()), |old| may(&*self.0, attributes, "approve", signer_name(old)))
    }
}

/// A certificate or a changed condition needs `sign` on the signer.
pub struct CertificateSigning(pub Arc<dyn Authorizer>);

#[async_trait]
impl ValidatingPlugin for CertificateSigning {
    fn name(&self) -> &'static str {
        "CertificateSigning"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update && attributes.is_sub(GROUP, RESOURCE, "status")
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        let (Some(new), Some(old)) = (object, old) else { return Ok(()) };
        let part = |request: &Object, member: &str| request.get("status").and_then(|s| s.get(member)).cloned();
        let same = |member| part(new, member) == part(old, member);
        if same("certificate") && same("conditions") {
            return Ok(());
        }
        may(&*self.0, attributes, "sign", signer_name(old))
    }
}

/// Nobody asks for a certificate that does everything.
pub struct CertificateSubjectRestriction;

#[async_trait]
impl ValidatingPlugin for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is(GROUP, RESOURCE)
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(request) = object.filter(|request| signer_name(request) == API_SERVER_CLIENT) else { return Ok(()) };
        let encoded = tree::spec(request).and_then(|spec| spec.get("request")).and_then(Value::as_str);
        // What cannot be read is not signed either.
        let Ok(read) = CertificateRequest::from_spec(encoded.unwrap_or_default()) else { return Ok(()) };
        if read.organizations.iter().any(|group| group == GROUP_MASTERS) {
            let why = format!("use of {API_SERVER_CLIENT} signer with {GROUP_MASTERS} group is not allowed");
            return Err(attributes.forbidden(why));
        }
        Ok(())
    }
}
