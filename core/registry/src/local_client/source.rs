//! Reading in process.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use gantry_meta::{GroupVersionResource, Status};
use gantry_runtime::{ListOptions, Listed, ObjectSource, Observed, SourceError, WatchEvent, WatchStream};

use super::{LocalClient, observed, source_error};
use crate::{ApiRequest, ApiResponse, GetOptions, Target, WatchEventType, request};

fn options(options: &ListOptions) -> request::ListOptions {
    request::ListOptions {
        label_selector: options.label_selector.clone(),
        field_selector: options.field_selector.clone(),
        ..request::ListOptions::default()
    }
}

fn unexpected(what: &str) -> SourceError {
    source_error(Status::internal(format!("the executor answered a {what} with something else")))
}

fn event(event: &crate::WatchEvent) -> Result<WatchEvent, SourceError> {
    let json = event.json();
    Ok(match event.event_type {
        WatchEventType::Added => WatchEvent::Added(observed(json)),
        WatchEventType::Modified => WatchEvent::Modified(observed(json)),
        WatchEventType::Deleted => WatchEvent::Deleted(observed(json)),
        WatchEventType::Bookmark => WatchEvent::Bookmark(observed(json).resource_version),
        WatchEventType::Error => {
            let status = serde_json::from_slice::<Status>(&json);
            return Err(source_error(status.expect("an error event carries a Status")));
        }
    })
}

#[async_trait]
impl ObjectSource for LocalClient {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Observed>, SourceError> {
        let target = Target::object(resource, namespace, name);
        let request = ApiRequest::Get { target, options: GetOptions::default() };
        match self.executor.execute(&self.context(), request).await {
            Ok(ApiResponse::Object(object)) => Ok(Some(observed(object.json))),
            Ok(_) => Err(unexpected("get")),
            Err(status) if status.code == 404 => Ok(None),
            Err(status) => Err(source_error(status)),
        }
    }

    async fn list(&self, resource: &GroupVersionResource, list: &ListOptions) -> Result<Listed, SourceError> {
        let target = Target::collection(resource, &list.namespace);
        let request = ApiRequest::List { target, options: options(list) };
        match self.executor.execute(&self.context(), request).await.map_err(source_error)? {
            ApiResponse::List(list) => Ok(Listed {
                items: list.objects().map(observed).collect(),
                resource_version: list.metadata.resource_version,
            }),
            _ => Err(unexpected("list")),
        }
    }

    async fn watch(
        &self,
        resource: &GroupVersionResource,
        list: &ListOptions,
        resource_version: &str,
    ) -> Result<WatchStream, SourceError> {
        let target = Target::collection(resource, &list.namespace);
        let options = request::ListOptions {
            resource_version: resource_version.to_owned(),
            allow_watch_bookmarks: true,
            ..options(list)
        };
        let request = ApiRequest::Watch { target, options };
        match self.executor.execute(&self.context(), request).await.map_err(source_error)? {
            ApiResponse::Watch(watch) => {
                let events = watch.events.flat_map(|events| stream::iter(events.into_events()));
                Ok(events.map(|next| event(&next)).boxed())
            }
            _ => Err(unexpected("watch")),
        }
    }
}
