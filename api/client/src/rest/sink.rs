//! Writing through REST.

use async_trait::async_trait;
use bytes::Bytes;
use gantry_runtime::{DeleteOptions, ObjectSink, Observed, Patch, Propagation, SinkError, WriteTarget};
use http::Method;
use serde_json::json;

use super::{RawRequest, RestClient, decode, url};
use crate::ClientError;

const JSON: &str = "application/json";

fn sink_error(error: ClientError) -> SinkError {
    match error {
        ClientError::Refused(status) => SinkError::Refused(status),
        ClientError::Unavailable(why) => SinkError::Unavailable(why),
    }
}

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

/// `v1 DeleteOptions` with what is set.
fn delete_options(options: &DeleteOptions) -> Bytes {
    let mut body = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
    if let Some(seconds) = options.grace_period_seconds {
        body["gracePeriodSeconds"] = seconds.into();
    }
    if let Some(propagation) = options.propagation {
        let policy = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        body["propagationPolicy"] = policy.into();
    }
    for (member, value) in [("uid", &options.uid), ("resourceVersion", &options.resource_version)] {
        if let Some(value) = value {
            body["preconditions"][member] = value.as_str().into();
        }
    }
    body.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delete_options_hold_what_is_set() {
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            uid: Some("u".into()),
            propagation: Some(Propagation::Foreground),
            ..DeleteOptions::default()
        };
        let body: serde_json::Value = serde_json::from_slice(&delete_options(&options)).unwrap();
        let wanted = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
            "propagationPolicy": "Foreground", "preconditions": {"uid": "u"}});
        assert_eq!(body, wanted);
    }
}
