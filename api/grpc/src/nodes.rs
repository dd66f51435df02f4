//! `gantry.v1.Nodes`.

use futures::future::join_all;
use gantry_meta::{GroupVersionResource, Status, time};
use gantry_proto::v1::{
    LeaseRenewal, PatchRequest, ReportReply, ReportRequest, WriteResult, nodes_server::Nodes, write_result,
};
use gantry_registry::{ApiRequest, Body, Patch, Target, WriteOptions};
use jiff::Timestamp;
use serde_json::{Value, json};
use tonic::{Request, Response};

use crate::{
    answer,
    door::{Asked, Caller, Door},
    refusal::{refusal, status_json},
    request,
};

const REPORT: &str = "/gantry.v1.Nodes/Report";
const LEASE_NAMESPACE: &str = "kube-node-lease";

pub(crate) struct NodesService {
    pub door: Door,
}

#[tonic::async_trait]
impl Nodes for NodesService {
    async fn report(&self, call: Request<ReportRequest>) -> Result<Response<ReportReply>, tonic::Status> {
        let (metadata, extensions, report) = call.into_parts();
        let caller =
            self.door.caller(&metadata, &extensions, Asked::Method(REPORT)).map_err(|status| *refusal(*status))?;
        let patches = join_all(report.patches.into_iter().map(|patch| run_patch(&caller, patch)));
        let lease = async {
            match report.lease {
                Some(renewal) => Some(result(renew(&caller, &renewal).await)),
                None => None,
            }
        };
        let (results, lease) = futures::join!(patches, lease);
        Ok(Response::new(ReportReply { results, lease }))
    }
}

async fn run_patch(caller: &Caller, patch: PatchRequest) -> WriteResult {
    let outcome = match request::patch(patch) {
        Ok(request) => write(caller, request).await,
        Err(status) => Err(*status),
    };
    result(outcome)
}

async fn write(caller: &Caller, request: ApiRequest) -> Result<bytes::Bytes, Status> {
    let (response, warnings) = caller.execute(request).await;
    Ok(answer::object(response?, warnings)?.json)
}

fn result(outcome: Result<bytes::Bytes, Status>) -> WriteResult {
    let result = match outcome {
        Ok(json) => write_result::Result::Json(json),
        Err(status) => write_result::Result::Refused(status_json(&status).into()),
    };
    WriteResult { result: Some(result) }
}

/// Renews, or makes the lease where it is missing.
async fn renew(caller: &Caller, renewal: &LeaseRenewal) -> Result<bytes::Bytes, Status> {
    let leases = GroupVersionResource::new("coordination.k8s.io", "v1", "leases");
    let target = Target::object(&leases, LEASE_NAMESPACE, &renewal.node);
    let spec = json!({
        "holderIdentity": renewal.node, "leaseDurationSeconds": renewal.duration_seconds,
        "renewTime": time::format_micro_time(Timestamp::now()),
    });
    let patch = Patch::Merge(json!({ "spec": spec }).to_string().into());
    let options = WriteOptions::default();
    match write(caller, ApiRequest::Patch { target, patch, options: options.clone() }).await {
        Err(status) if status.code == 404 => {
            let target = Target::collection(&leases, LEASE_NAMESPACE);
            let body = Body::json(lease(&renewal.node, spec).to_string());
            write(caller, ApiRequest::Create { target, body, options }).await
        }
        outcome => outcome,
    }
}

fn lease(node: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": node, "namespace": LEASE_NAMESPACE},
        "spec": spec,
    })
}
