//! Writing through gRPC.

use async_trait::async_trait;
use bytes::Bytes;
use gantry_proto::v1::{DeleteRequest, ObjectReply, PatchRequest, PatchType, WriteOptions, WriteRequest};
use gantry_runtime::{DeleteOptions, ObjectSink, Observed, Patch, SinkError, WriteTarget};
use tonic::{Response, Status};

use super::{
    client::{GrpcClient, target},
    error::client_error,
};
use crate::{decode, delete_options::delete_options, error::sink_error};

fn answered(reply: Result<Response<ObjectReply>, Status>) -> Result<Observed, SinkError> {
    let reply = reply.map_err(|status| sink_error(client_error(&status)))?;
    decode::observed(reply.into_inner().json).map_err(sink_error)
}

fn write_request(write: &WriteTarget, create: bool, json: Bytes) -> WriteRequest {
    let name = if create && write.subresource.is_empty() { "" } else { &write.name };
    WriteRequest {
        target: Some(target(&write.resource, &write.namespace, name, &write.subresource)),
        json,
        options: None,
    }
}

/// A patch as a message; also what a node's report is made of.
pub(super) fn patch_request(write: &WriteTarget, patch: Patch) -> PatchRequest {
    let target = Some(target(&write.resource, &write.namespace, &write.name, &write.subresource));
    let (kind, body, options, force) = match patch {
        Patch::Json(body) => (PatchType::Json, body, None, false),
        Patch::Merge(body) => (PatchType::Merge, body, None, false),
        Patch::Strategic(body) => (PatchType::StrategicMerge, body, None, false),
        Patch::Apply { body, field_manager, force } => {
            (PatchType::Apply, body, Some(WriteOptions { field_manager, ..WriteOptions::default() }), force)
        }
    };
    PatchRequest { target, r#type: kind.into(), patch: body, options, force }
}

#[async_trait]
impl ObjectSink for GrpcClient {
    async fn create(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        answered(self.resources().create(self.timed(write_request(target, true, body))).await)
    }

    async fn update(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        answered(self.resources().update(self.timed(write_request(target, false, body))).await)
    }

    async fn patch(&self, target: &WriteTarget, patch: Patch) -> Result<Observed, SinkError> {
        answered(self.resources().patch(self.timed(patch_request(target, patch))).await)
    }

    /// As one message, [`Self::report`].
    async fn patch_all(&self, patches: Vec<(WriteTarget, Patch)>) -> Vec<Result<Observed, SinkError>> {
        let count = patches.len();
        self.report(patches, None).await.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
    }

    async fn delete(&self, write: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
        let target = Some(target(&write.resource, &write.namespace, &write.name, &write.subresource));
        let request = self.timed(DeleteRequest { target, options: delete_options(options) });
        let reply = self.resources().delete(request).await;
        reply.map(|_| ()).map_err(|status| sink_error(client_error(&status)))
    }
}
