//! Writing through REST.

use async_trait::async_trait;
use bytes::Bytes;
use gantry_runtime::{DeleteOptions, ObjectSink, Observed, Patch, SinkError, WriteTarget};
use http::Method;

use super::{RawRequest, RestClient, url};
use crate::{decode, delete_options::delete_options, error::sink_error};

const JSON: &str = "application/json";

impl RestClient {
    async fn write(&self, request: RawRequest) -> Result<Observed, SinkError> {
        self.call(request).await.and_then(decode::observed).map_err(sink_error)
    }
}

#[async_trait]
impl ObjectSink for RestClient {
    async fn create(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        self.write(RawRequest::with_body(Method::POST, url::write_path(target, true), JSON, body)).await
    }

    async fn update(&self, target: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
        self.write(RawRequest::with_body(Method::PUT, url::write_path(target, false), JSON, body)).await
    }

    async fn patch(&self, target: &WriteTarget, patch: Patch) -> Result<Observed, SinkError> {
        let mut path = url::write_path(target, false);
        let (content_type, body) = match patch {
            Patch::Json(body) => ("application/json-patch+json", body),
            Patch::Merge(body) => ("application/merge-patch+json", body),
            Patch::Strategic(body) => ("application/strategic-merge-patch+json", body),
            Patch::Apply { body, field_manager, force } => {
                let force = if force { "true" } else { "" };
                path += &url::query(&[("fieldManager", &field_manager), ("force", force)]);
                ("application/apply-patch+yaml", body)
            }
        };
        self.write(RawRequest::with_body(Method::PATCH, path, content_type, body)).await
    }

    async fn delete(&self, target: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
        let path = url::write_path(target, false);
        let request = RawRequest::with_body(Method::DELETE, path, JSON, delete_options(options));
        self.call(request).await.map(|_| ()).map_err(sink_error)
    }
}
