//! Writing in process.

use async_trait::async_trait;
use bytes::Bytes;
use gantry_meta::Status;
use gantry_runtime::{DeleteOptions, ObjectSink, Observed, Patch, Propagation, SinkError, WriteTarget};

use super::{LocalClient, observed, sink_error};
use crate::{ApiRequest, ApiResponse, Body, Preconditions, Target, WriteOptions, request};

fn target(write: &WriteTarget) -> Target {
    Target::object(&write.resource, &write.namespace, &write.name).with_subresource(&write.subresource)
}

fn delete_options(options: &DeleteOptions) -> request::DeleteOptions {
    request::DeleteOptions {
        dry_run: false,
        grace_period_seconds: options.grace_period_seconds,
        preconditions: Preconditions { uid: options.uid.clone(), resource_version: options.resource_version.clone() },
        propagation: options.propagation.map(|propagation| match propagation {
            Propagation::Background => request::Propagation::Background,
            Propagation::Foreground => request::Propagation::Foreground,
            Propagation::Orphan => request::Propagation::Orphan,
        }),
        asks_to_cascade: false,
    }
}

impl LocalClient {
    async fn write(&self, request: ApiRequest) -> Result<Observed, SinkError> {
        match self.executor.execute(&self.context(), request).await.map_err(sink_error)? {
            ApiResponse::Object(object) => Ok(observed(object.json)),
            ApiResponse::Status(status) => {
                Ok(observed(serde_json::to_vec(&status).expect("a Status always serialises").into()))
            }
            _ => Err(sink_error(Status::internal("the executor answered a write with something else"))),
        }
    }
}

#[async_trait]
impl ObjectSink for LocalClient {
    async fn create(&self, write: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        let mut target = target(write);
        if target.subresource.is_empty() {
            target.name.clear();
        }
        self.write(ApiRequest::Create { target, body: Body::json(body), options: WriteOptions::default() }).await
    }

    async fn update(&self, write: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        let options = WriteOptions::default();
        self.write(ApiRequest::Update { target: target(write), body: Body::json(body), options }).await
    }

    async fn patch(&self, write: &WriteTarget, patch: Patch) -> Result<Observed, SinkError> {
        let mut options = WriteOptions::default();
        let patch = match patch {
            Patch::Json(body) => request::Patch::Json(body),
            Patch::Merge(body) => request::Patch::Merge(body),
            Patch::Strategic(body) => request::Patch::Strategic(body),
            Patch::Apply { body, field_manager, force } => {
                options.field_manager = field_manager;
                request::Patch::Apply { body, force }
            }
        };
        self.write(ApiRequest::Patch { target: target(write), patch, options }).await
    }

    async fn delete(&self, write: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
        let request = ApiRequest::Delete { target: target(write), options: delete_options(options) };
        self.write(request).await.map(|_| ())
    }
}
