//! Reading through gRPC.

use async_trait::async_trait;
use gantry_meta::GroupVersionResource;
use gantry_proto::v1::{GetRequest, ListRequest, Selection, WatchStart};
use gantry_runtime::{ListOptions, Listed, ObjectSource, Observed, SourceError, WatchStream};

use super::{
    client::{GrpcClient, target},
    error::client_error,
};
use crate::{ClientError, decode, error::source_error};

fn refused(status: &tonic::Status) -> SourceError {
    source_error(client_error(status))
}

fn selection(options: &ListOptions) -> Option<Selection> {
    Some(Selection { label_selector: options.label_selector.clone(), field_selector: options.field_selector.clone() })
}

#[async_trait]
impl ObjectSource for GrpcClient {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Observed>, SourceError> {
        let target = Some(target(resource, namespace, name, ""));
        let request = self.timed(GetRequest { target, resource_version: String::new() });
        match self.resources().get(request).await {
            Ok(reply) => decode::observed(reply.into_inner().json).map(Some).map_err(source_error),
            Err(status) => match client_error(&status) {
                ClientError::Refused(status) if status.code == 404 => Ok(None),
                error => Err(source_error(error)),
            },
        }
    }

    async fn list(&self, resource: &GroupVersionResource, options: &ListOptions) -> Result<Listed, SourceError> {
        let request = self.timed(ListRequest {
            target: Some(target(resource, &options.namespace, "", "")),
            selection: selection(options),
            ..ListRequest::default()
        });
        let mut chunks = self.resources().list(request).await.map_err(|status| refused(&status))?.into_inner();
        let mut listed = Listed { resource_version: String::new(), items: Vec::new() };
        while let Some(chunk) = chunks.message().await.map_err(|status| refused(&status))? {
            if !chunk.resource_version.is_empty() {
                listed.resource_version = chunk.resource_version;
            }
            for item in chunk.items {
                listed.items.push(decode::observed(item).map_err(source_error)?);
            }
        }
        Ok(listed)
    }

    async fn watch(
        &self,
        resource: &GroupVersionResource,
        options: &ListOptions,
        resource_version: &str,
    ) -> Result<WatchStream, SourceError> {
        let start = WatchStart {
            target: Some(target(resource, &options.namespace, "", "")),
            selection: selection(options),
            resource_version: resource_version.to_owned(),
            ..WatchStart::default()
        };
        self.watches().start(start).await
    }
}
