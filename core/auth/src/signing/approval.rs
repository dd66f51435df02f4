//! Which requests are approved without anybody: those that nodes make, if their maker has the right to. The rights are
//! sub-resources that exist for this alone (`create certificatesigningrequests/nodeclient`), as in the reference.

use std::net::IpAddr;

use gantry_meta::Value;

use super::{CertificateRequest, Signer, USER_KUBE_PROXY};
use crate::{Attributes, Authorizer, UserInfo};

const GROUP: &str = "certificates.k8s.io";
const RESOURCE: &str = "certificatesigningrequests";

/// A kind of request that may be approved at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Approval {
    /// The sub-resource that the requester must be allowed to create.
    right: &'static str,
    pub message: &'static str,
    /// Whether the names asked for must be addresses of the node.
    pub names_the_node: bool,
}

/// What the request is, in the order to try. `requester`: `spec.username`.
pub(super) fn recognise(
    signer: Signer,
    request: &CertificateRequest,
    usages: &[String],
    requester: &str,
) -> Vec<Approval> {
    if signer.check(request, usages).is_err() {
        return Vec::new();
    }
    let own = requester == request.common_name;
    let approval = |right, message| Approval { right, message, names_the_node: false };
    match signer {
        Signer::ApiServerClientKubelet => {
            let renewal = "Auto approving self kubelet client certificate after SubjectAccessReview.";
            let first = "Auto approving kubelet client certificate after SubjectAccessReview.";
            let renewal = own.then(|| approval("selfnodeclient", renewal));
            renewal.into_iter().chain([approval("nodeclient", first)]).collect()
        }
        // Ours: the reference leaves serving certificates to an operator, and gives proxies a service account.
        Signer::KubeletServing if own => vec![Approval {
            names_the_node: true,
            ..approval("selfnodeserver", "Auto approving kubelet serving certificate for the node's own addresses.")
        }],
        Signer::ApiServerClient if is_service_proxy(request) => {
            vec![approval("nodeproxy", "Auto approving service proxy certificate after SubjectAccessReview.")]
        }
        _ => Vec::new(),
    }
}

fn is_service_proxy(request: &CertificateRequest) -> bool {
    request.common_name == USER_KUBE_PROXY && request.organizations.is_empty() && !request.has_alternatives()
}

impl Approval {
    pub fn permitted(&self, authorizer: &dyn Authorizer, user: &UserInfo) -> bool {
        authorizer
            .authorize(&Attributes::resource(user, "create", GROUP, RESOURCE).subresource(self.right))
            .is_allowed()
    }
}

/// Whether all names asked for are the node's name or stand in its `status.addresses`.
pub(super) fn names_only(request: &CertificateRequest, node: &Value) -> bool {
    let addresses = node["status"]["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = |name: &str| addresses.iter().any(|address| address["address"] == name);
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    let ip = |address: &IpAddr| known(&address.to_string());
    request.dns_names.iter().all(|dns| dns == name || known(dns)) && request.ip_addresses.iter().all(ip)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde_json::json;

    use super::*;
    use crate::pki::NewRequest;

    fn read(made: &NewRequest) -> CertificateRequest {
        CertificateRequest::from_spec(&BASE64_STANDARD.encode(&made.request_pem)).unwrap()
    }

    fn rights(signer: Signer, request: &CertificateRequest, usages: &[&str], requester: &str) -> Vec<&'static str> {
        let usages: Vec<String> = usages.iter().map(|usage| (*usage).to_owned()).collect();
        recognise(signer, request, &usages, requester).iter().map(|approval| approval.right).collect()
    }

    #[test]
    fn a_node_may_ask_anew_for_itself_and_a_newcomer_for_a_node() {
        let node = read(&NewRequest::client("system:node:n1", Some("system:nodes")).unwrap());
        let client = ["digital signature", "client auth"];
        let asked = |by| rights(Signer::ApiServerClientKubelet, &node, &client, by);
        assert_eq!(asked("system:node:n1"), ["selfnodeclient", "nodeclient"]);
        assert_eq!(asked("system:bootstrap:abcdef"), ["nodeclient"]);
        assert!(rights(Signer::ApiServerClient, &node, &client, "system:node:n1").is_empty());
        let jane = read(&NewRequest::client("jane", None).unwrap());
        assert!(rights(Signer::ApiServerClientKubelet, &jane, &client, "jane").is_empty());
    }

    #[test]
    fn a_proxy_certificate_is_for_the_proxy_without_any_group() {
        let client = ["digital signature", "client auth"];
        let proxy = read(&NewRequest::client("system:kube-proxy", None).unwrap());
        assert_eq!(rights(Signer::ApiServerClient, &proxy, &client, "x"), ["nodeproxy"]);
        let grasping = read(&NewRequest::client("system:kube-proxy", Some("system:masters")).unwrap());
        assert!(rights(Signer::ApiServerClient, &grasping, &client, "x").is_empty());
    }

    #[test]
    fn a_serving_certificate_is_for_the_nodes_own_addresses() {
        let usages = ["digital signature", "server auth"];
        let asked = |ip: [u8; 4]| {
            read(&NewRequest::server("system:node:n1", Some("system:nodes"), &["n1".into()], &[ip.into()]).unwrap())
        };
        let own = asked([10, 0, 0, 1]);
        assert_eq!(rights(Signer::KubeletServing, &own, &usages, "system:node:n1"), ["selfnodeserver"]);
        assert!(rights(Signer::KubeletServing, &own, &usages, "system:node:n2").is_empty());
        let node = json!({"metadata": {"name": "n1"}, "status": {"addresses": [{"address": "10.0.0.1"}]}});
        assert!(names_only(&own, &node));
        assert!(!names_only(&asked([10, 0, 0, 2]), &node));
    }
}
