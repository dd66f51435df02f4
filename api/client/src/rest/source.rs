//! Reading through REST.

use async_trait::async_trait;
use futures::StreamExt;
use gantry_meta::GroupVersionResource;
use gantry_runtime::{ListOptions, Listed, ObjectSource, Observed, SourceError, WatchStream};

use super::{RawRequest, RestClient, url, watch};
use crate::{ClientError, decode, error::source_error};

/// Servers end watches after this or so; random, so that not all clients come back at once.
const WATCH_SECONDS: std::ops::Range<u32> = 300..600;

#[async_trait]
impl ObjectSource for RestClient {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Observed>, SourceError> {
        let path = url::object_path(resource, namespace, name, "");
        match self.call(RawRequest::get(path)).await.and_then(decode::observed) {
            Ok(object) => Ok(Some(object)),
            Err(ClientError::Refused(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(source_error(error)),
        }
    }

    async fn list(&self, resource: &GroupVersionResource, options: &ListOptions) -> Result<Listed, SourceError> {
        let path = url::object_path(resource, &options.namespace, "", "");
        let query = url::query(&url::selectors(options));
        let body = self.call(RawRequest::get(path + &query)).await.map_err(source_error)?;
        decode::listed(&body).map_err(source_error)
    }

    async fn watch(
        &self,
        resource: &GroupVersionResource,
        options: &ListOptions,
        resource_version: &str,
    ) -> Result<WatchStream, SourceError> {
        let seconds = rand::random_range(WATCH_SECONDS).to_string();
        let [labels, fields] = url::selectors(options);
        let query = url::query(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", &seconds),
            labels,
            fields,
        ]);
        let path = url::object_path(resource, &options.namespace, "", "");
        let body = self.stream(RawRequest::get(path + &query)).await.map_err(source_error)?;
        Ok(watch::events(body).boxed())
    }
}
