//! The certificate of the kubelet API, signed by the cluster for the addresses that the node has reported.

use std::{net::IpAddr, sync::Arc};

use anyhow::Result;
use gantry_auth::{
    pki::{NewRequest, RotatingCertificate},
    user::{GROUP_NODES, node_user_name},
};
use gantry_meta::GroupVersionResource;
use gantry_runtime::{Backoff, ObjectSink, ObjectSource};
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    pause_until,
    request::{Asked, Requester},
    stored::renewal,
};
use crate::object_wait;

/// Keeps `certificate` one that the cluster signed, until `stop`. The signer asks which addresses the Node has, so the node
/// has to be registered first: until then the certificate given stays.
pub async fn serve(
    certificate: Arc<RotatingCertificate>,
    node: String,
    address: IpAddr,
    cluster: (Arc<dyn ObjectSource>, Arc<dyn ObjectSink>),
    stop: CancellationToken,
) {
    let mut backoff = Backoff::default();
    loop {
        let wait = match stop.run_until_cancelled(replace(&certificate, &node, address, &cluster)).await {
            None => return,
            Some(Ok(renew_at)) => {
                backoff.reset();
                pause_until(renew_at)
            }
            Some(Err(error)) => {
                tracing::warn!("the kubelet API has no certificate of the cluster yet: {error:#}");
                backoff.next_delay()
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

async fn replace(
    certificate: &RotatingCertificate,
    node: &str,
    address: IpAddr,
    cluster: &(Arc<dyn ObjectSource>, Arc<dyn ObjectSink>),
) -> Result<Timestamp> {
    let nodes = GroupVersionResource::new("", "v1", "nodes");
    object_wait::until(&*cluster.0, &nodes, node, |node| has_address(node, address).then_some(())).await?;
    let names = [node.to_owned()];
    let request = NewRequest::server(&node_user_name(node), Some(GROUP_NODES), &names, &[address])?;
    let requester = Requester::of(cluster.0.clone(), cluster.1.clone());
    let issued = requester.obtain(Asked::node_serving(request)).await?;
    certificate.replace(&issued)?;
    let (begin, end) = issued.validity()?;
    Ok(renewal(begin, end))
}

fn has_address(node: &Value, address: IpAddr) -> bool {
    let addresses = node["status"]["addresses"].as_array();
    addresses.into_iter().flatten().any(|known| known["address"] == address.to_string())
}
