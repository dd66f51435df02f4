//! What each signer of `kubernetes.io` is willing to sign. Source: the reference page "Certificates and Certificate Signing
//! Requests", "Kubernetes signers".

use thiserror::Error;

use super::CertificateRequest;

/// Usages that any signer below lets stand beside the one that it is for.
const ALWAYS_FINE: [&str; 2] = ["digital signature", "key encipherment"];

/// The signers that the control plane itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    ApiServerClient,
    ApiServerClientKubelet,
    KubeletServing,
    /// Signs whatever is approved; only objects from before v1 name it.
    LegacyUnknown,
}

/// Why an approved request is not signed; becomes the message of its condition `Failed`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignerRefusal {
    #[error("invalid usage for {what} certificate: {usage}")]
    Usage { what: &'static str, usage: String },
    #[error("a {what} certificate needs the usage {usage:?}")]
    UsageMissing { what: &'static str, usage: &'static str },
    #[error("subject organization is not system:nodes")]
    Organization,
    #[error("subject common name does not begin with 'system:node:'")]
    CommonName,
    #[error("subject alternative names are not allowed")]
    Alternatives,
    #[error("email and URI subject alternative names are not allowed")]
    EmailOrUri,
    #[error("at least one of DNS names and IP addresses is needed")]
    NoAlternative,
}

impl Signer {
    /// By `spec.signerName`; `None` for signers that are not ours.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "kubernetes.io/kube-apiserver-client" => Some(Self::ApiServerClient),
            "kubernetes.io/kube-apiserver-client-kubelet" => Some(Self::ApiServerClientKubelet),
            "kubernetes.io/kubelet-serving" => Some(Self::KubeletServing),
            "kubernetes.io/legacy-unknown" => Some(Self::LegacyUnknown),
            _ => None,
        }
    }

    /// Whether the signer signs this, once it is approved.
    ///
    /// # Errors
    /// The first rule that the request breaks.
    pub fn check(self, request: &CertificateRequest, usages: &[String]) -> Result<(), SignerRefusal> {
        match self {
            Self::ApiServerClient => check_usages("client", usages, "client auth", &[]),
            Self::ApiServerClientKubelet => {
                check_node(request)?;
                if request.has_alternatives() {
                    return Err(SignerRefusal::Alternatives);
                }
                check_usages("kubelet client", usages, "client auth", &["digital signature"])
            }
            Self::KubeletServing => {
                check_node(request)?;
                if !(request.emails.is_empty() && request.uris.is_empty()) {
                    return Err(SignerRefusal::EmailOrUri);
                }
                if !request.has_alternatives() {
                    return Err(SignerRefusal::NoAlternative);
                }
                check_usages("kubelet serving", usages, "server auth", &["digital signature"])
            }
            Self::LegacyUnknown => Ok(()),
        }
    }
}

fn check_node(request: &CertificateRequest) -> Result<(), SignerRefusal> {
    if request.organizations != [crate::user::GROUP_NODES] {
        return Err(SignerRefusal::Organization);
    }
    if request.node_name().is_none() {
        return Err(SignerRefusal::CommonName);
    }
    Ok(())
}

/// `main` and `needed` must be there; nothing but those and [`ALWAYS_FINE`] may.
fn check_usages(
    what: &'static str,
    usages: &[String],
    main: &'static str,
    needed: &[&'static str],
) -> Result<(), SignerRefusal> {
    if let Some(usage) = usages.iter().find(|usage| *usage != main && !ALWAYS_FINE.contains(&usage.as_str())) {
        return Err(SignerRefusal::Usage { what, usage: usage.clone() });
    }
    match needed.iter().chain([&main]).find(|needed| !usages.iter().any(|usage| usage == **needed)) {
        Some(usage) => Err(SignerRefusal::UsageMissing { what, usage }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(common_name: &str, organizations: &[&str], dns: &[&str]) -> CertificateRequest {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        CertificateRequest {
            common_name: common_name.into(),
            organizations: owned(organizations),
            dns_names: owned(dns),
            ip_addresses: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            subject_der: Vec::new(),
            public_key_der: Vec::new(),
        }
    }

    fn usages(list: &[&str]) -> Vec<String> {
        list.iter().map(|usage| (*usage).to_owned()).collect()
    }

    #[test]
    fn a_kubelet_client_is_a_node_and_nothing_else() {
        let check = |r: &CertificateRequest, u: &[&str]| Signer::ApiServerClientKubelet.check(r, &usages(u));
        let node = request("system:node:n1", &["system:nodes"], &[]);
        assert_eq!(check(&node, &["digital signature", "client auth"]), Ok(()));
        assert_eq!(check(&node, &["digital signature", "key encipherment", "client auth"]), Ok(()));
        let missing = SignerRefusal::UsageMissing { what: "kubelet client", usage: "digital signature" };
        assert_eq!(check(&node, &["client auth"]), Err(missing));
        assert!(matches!(check(&node, &["client auth", "server auth"]), Err(SignerRefusal::Usage { .. })));
        let good = ["digital signature", "client auth"];
        assert_eq!(check(&request("jane", &["system:nodes"], &[]), &good), Err(SignerRefusal::CommonName));
        assert_eq!(check(&request("system:node:", &["system:nodes"], &[]), &good), Err(SignerRefusal::CommonName));
        let two = request("system:node:n1", &["system:nodes", "system:masters"], &[]);
        assert_eq!(check(&two, &good), Err(SignerRefusal::Organization));
        let named = request("system:node:n1", &["system:nodes"], &["n1"]);
        assert_eq!(check(&named, &good), Err(SignerRefusal::Alternatives));
    }

    #[test]
    fn a_serving_certificate_names_where_it_serves() {
        let good = usages(&["digital signature", "server auth"]);
        let check = |r: &CertificateRequest| Signer::KubeletServing.check(r, &good);
        assert_eq!(check(&request("system:node:n1", &["system:nodes"], &["n1"])), Ok(()));
        let nowhere = request("system:node:n1", &["system:nodes"], &[]);
        assert_eq!(check(&nowhere), Err(SignerRefusal::NoAlternative));
    }

    #[test]
    fn a_client_certificate_is_for_clients() {
        let jane = request("jane", &["a", "b"], &[]);
        let check = |u: &[&str]| Signer::ApiServerClient.check(&jane, &usages(u));
        assert_eq!(check(&["client auth"]), Ok(()));
        assert!(check(&["client auth", "server auth"]).is_err());
        assert!(check(&["digital signature"]).is_err());
        assert_eq!(Signer::LegacyUnknown.check(&jane, &usages(&["any"])), Ok(()));
        assert_eq!(Signer::named("example.com/own"), None);
    }
}
